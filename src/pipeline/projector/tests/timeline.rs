//! Promises about sagas of many deliveries: that what is kept of them beside their states is a function of
//! the deliveries alone, and that states are the fold of them.

use super::super::*;
use crate::domain::{
    Cut, Event, EventRef, MAX_LISTED, Millis, Position, SagaDefinitions, SagaId, SagaStatus, deduplicate,
    fold,
};
use crate::pipeline::verify::digest;
use crate::store::{Batch, SharedStore, Table, reads, timelines};
use crate::testkit::{TOPIC, append, behind, differences, project, rebuild, settings, store};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::ops::ControlFlow;
use std::sync::Arc;

const DAY: i64 = crate::testkit::DAY;

fn definitions() -> Arc<SagaDefinitions> {
    Arc::new(SagaDefinitions::default())
}

/// Deliveries of two sagas on three partitions: mostly in order, some late, some again, some with
/// another body under an id that is known.
pub(in super::super) fn hot(max: usize) -> impl Strategy<Value = Vec<Event>> {
    let one = (
        0u32..3,
        select(vec!["hot", "hot", "hot", "hot", "warm", "a"]),
        prop_oneof![4 => Just(None), 1 => (0usize..400).prop_map(Some)],
        prop_oneof![4 => Just(0i64), 1 => -40_000i64..0],
        select(vec![
            "ORDER_CREATED",
            "ORDER_CONFIRMED",
            "PAYMENT_FAILED",
            "STOCK_RESERVED",
            "STOCK_RELEASED",
            "GIFT_WRAPPED",
        ]),
        select(SagaStatus::ALL.to_vec()),
        select(vec![None, None, Some("t1"), Some("t2")]),
        select(vec!["o1", "o1", "o1", "o1", "o2"]),
        0u8..4,
    );
    proptest::collection::vec(one, 1..max).prop_map(|rows| {
        let mut next = [0u64; 3];
        let mut events: Vec<Event> = Vec::new();
        for (number, (partition, saga, again, late, step, status, trace, order, body)) in
            rows.into_iter().enumerate()
        {
            let position = Position::new(partition, next[partition as usize]);
            next[partition as usize] += 1;
            let at = Millis(DAY + 50_000 + number as i64 * 1_000 + late);
            let repeated = again.filter(|_| !events.is_empty()).map(|back| {
                let mut event = events[back % events.len()].clone();
                (event.position, event.arrived_at) = (position, at);
                match body {
                    // Another body, in the same place or in another.
                    0 => event.order_id = "o3".into(),
                    1 => event.recorded_at = at,
                    _ => {}
                }
                event
            });
            events.push(repeated.unwrap_or_else(|| Event {
                position,
                arrived_at: at,
                recorded_at: at,
                event_timestamp: at,
                event_id: if number % 9 == 0 {
                    "".into()
                } else {
                    format!("e{number}").into()
                },
                saga_id: saga.into(),
                saga_type: "ORDER_CREATION".into(),
                step: step.into(),
                status,
                order_id: order.into(),
                metadata: None,
                metadata_form: crate::domain::MetadataForm::Absent,
                producer_service: None,
                trace_id: trace.map(Into::into),
            }));
        }
        events
    })
}

fn own(events: &[Event], saga: &str) -> Vec<Event> {
    events
        .iter()
        .filter(|e| e.saga_id.as_str() == saga)
        .cloned()
        .collect()
}

/// State and timeline of each saga are those that all of its deliveries at once give.
fn assert_folded(store: &SharedStore, events: &[Event]) -> Result<(), TestCaseError> {
    let generation = reads::active_generation(&**store).unwrap();
    let cursor = reads::cursor(&**store, generation).unwrap();
    for saga in ["hot", "warm"] {
        let (id, own) = (SagaId::from(saga), own(events, saga));
        let state = reads::instance(&**store, generation, &id).unwrap();
        prop_assert_eq!(&state, &fold(&own, &SagaDefinitions::default()));
        let Some(state) = state else { continue };
        let expected: Vec<_> = deduplicate(&own).timeline.into_iter().map(Event::view).collect();
        let mut places = expected.iter();
        let mut check = |event: &EventRef<'_>| {
            assert_eq!(Some(event), places.next());
            Ok(ControlFlow::Continue(()))
        };
        timelines::each_event(&**store, generation, &id, (None, state.tail), &cursor, &mut check).unwrap();
        prop_assert_eq!(places.next(), None);
        for split in [expected.len() / 3, expected.len() - 1] {
            let before: Vec<Event> = deduplicate(&own).timeline[..split]
                .iter()
                .map(|e| (*e).clone())
                .collect();
            let moment = (&**store as &dyn crate::store::StoreRead, generation, &cursor);
            let place = expected[split].place;
            let part =
                timelines::fold_before(moment, &SagaDefinitions::default(), &id, &state, place).unwrap();
            let whole = fold(&before, &SagaDefinitions::default());
            prop_assert_eq!(
                part.map(|state| state.of_timeline()),
                whole.map(|state| state.of_timeline())
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_hot_saga_is_the_fold_of_its_deliveries_in_whatever_windows_they_come(
        events in hot(160), windows in proptest::collection::vec(1usize..40, 1..5), shards in 1usize..3,
    ) {
        let store = store();
        project(&store, &events, &windows, shards);
        assert_folded(&store, &events)?;
        prop_assert_eq!(differences(&store), Vec::<String>::new());
    }

    #[test]
    fn what_is_kept_of_a_hot_saga_depends_on_no_order(
        events in hot(120), windows in proptest::collection::vec(1usize..40, 1..5), cut in any::<Index>(),
    ) {
        let plain = store();
        project(&plain, &events, &[9], 1);
        let other = store();
        let mut by_partition = events;
        by_partition.sort_by_key(|event| event.position);
        let (first, rest) = by_partition.split_at(cut.index(by_partition.len()));
        project(&other, first, &windows, 2);
        append(&other, rest);
        catch_up_offline(&other, TOPIC, &definitions(), &settings(2)).unwrap();
        prop_assert_eq!(digest(&plain, TOPIC).unwrap(), digest(&other, TOPIC).unwrap());
        rebuild(&other);
        prop_assert_eq!(digest(&plain, TOPIC).unwrap(), digest(&other, TOPIC).unwrap());
    }

    #[test]
    fn deliveries_that_a_replay_finds_come_to_the_same(
        events in hot(100), missed in proptest::collection::vec(any::<bool>(), 100),
    ) {
        let plain = store();
        project(&plain, &events, &[9], 1);
        let (late, first): (Vec<_>, Vec<_>) = events.iter().cloned().zip(missed).partition(|(_, missed)| *missed);
        let late: Vec<Event> = late.into_iter().map(|(event, _)| event).collect();
        let first: Vec<Event> = first.into_iter().map(|(event, _)| event).collect();
        let store = store();
        append(&store, &first);
        let generation = reads::active_generation(&*store).unwrap();
        let mut projector = Projector::open(store.clone(), generation, definitions(), &settings(1)).unwrap();
        projector.advance(&first, &behind(&events, Cut::default())).unwrap();
        for some in late.chunks(17) {
            projector.fill(some, &Batch::new()).unwrap();
        }
        assert_folded(&store, &events)?;
        let tables = |store| digest(store, TOPIC).unwrap().tables;
        for table in ["log", "instances", "timelines", "totals", "counts"] {
            prop_assert_eq!(&tables(&store)[table], &tables(&plain)[table], "{}", table);
        }
    }
}

#[test]
fn events_that_only_look_alike_are_told_apart() {
    // Two ids with one fingerprint, found by trying.
    let mut seen = std::collections::HashMap::new();
    let (one, other) = (0u64..)
        .find_map(|number| {
            let id = format!("id-{number}");
            let fingerprint = crate::domain::EventKey::Id(&id).fingerprint();
            seen.insert(fingerprint, id.clone()).map(|first| (first, id))
        })
        .unwrap();
    let event = |offset: u64, id: &str| Event {
        position: Position::new(0, offset),
        event_id: id.into(),
        ..sample_event(DAY + offset as i64)
    };
    let events = [event(0, &one), event(1, &other), event(2, &one), event(3, &other)];
    for windows in [[1], [4]] {
        let store = store();
        project(&store, &events, &windows, 1);
        let generation = reads::active_generation(&*store).unwrap();
        let state = reads::instance(&*store, generation, &"hot".into())
            .unwrap()
            .unwrap();
        assert_eq!((state.step_count, state.duplicates), (2, 2));
        assert_eq!(Some(state), fold(&events, &SagaDefinitions::default()));
    }
}

fn sample_event(at: i64) -> Event {
    Event {
        position: Position::new(0, 0),
        arrived_at: Millis(at),
        recorded_at: Millis(at),
        event_timestamp: Millis(at),
        event_id: format!("e{at}").into(),
        saga_id: "hot".into(),
        saga_type: "ORDER_CREATION".into(),
        step: "STOCK_RESERVED".into(),
        status: SagaStatus::InProgress,
        order_id: "o1".into(),
        metadata: None,
        metadata_form: crate::domain::MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

/// Counts the rows of the log that are read.
#[test]
fn neither_a_duplicate_nor_a_late_event_reads_a_long_timeline() {
    use crate::store::counting::CountingStore;
    let counting = Arc::new(CountingStore::new(store()));
    let store: SharedStore = counting.clone();
    let many: Vec<Event> = (0..4_000u64)
        .map(|offset| Event {
            position: Position::new(0, offset),
            ..sample_event(DAY + 10_000 + offset as i64)
        })
        .collect();
    project(&store, &many, &[500], 1);
    let generation = reads::active_generation(&*store).unwrap();
    let mut projector = Projector::open(store.clone(), generation, definitions(), &settings(1)).unwrap();
    let mut next = many.len() as u64;
    let mut rows_read = |event: Event, projector: &mut Projector| {
        let event = Event {
            position: Position::new(0, next),
            ..event
        };
        next += 1;
        append(&store, std::slice::from_ref(&event));
        counting.forget();
        let after = behind(std::slice::from_ref(&event), projector.cursor().clone());
        projector.advance(&[event], &after).unwrap();
        counting.rows_of(Table::Log)
    };
    assert_eq!(
        rows_read(sample_event(DAY + 20_000), &mut projector),
        0,
        "in order"
    );
    // Of the delivery that stands: when it arrived.
    assert_eq!(rows_read(many[17].clone(), &mut projector), 1, "a duplicate");
    // From the checkpoint before it to the first one behind it: a few in tests.
    for at in [0, 10_001, 11_717, 13_000] {
        let late = Event {
            event_id: format!("late-{at}").into(),
            ..sample_event(DAY + at)
        };
        let late = rows_read(late, &mut projector);
        assert!(late < 100, "a late event: {late} rows");
    }
    // Nor what the log holds behind the timeline, and nobody has folded yet.
    let waiting: Vec<Event> = (0..1_000u64)
        .map(|number| Event {
            position: Position::new(0, next + number),
            event_id: format!("waiting-{number}").into(),
            ..sample_event(DAY + 30_000 + number as i64)
        })
        .collect();
    let late = Event {
        position: Position::new(1, 0),
        event_id: "late".into(),
        ..sample_event(DAY + 13_999)
    };
    append(&store, &waiting);
    append(&store, std::slice::from_ref(&late));
    counting.forget();
    let after = behind(std::slice::from_ref(&late), projector.cursor().clone());
    projector.advance(&[late], &after).unwrap();
    let read = counting.rows_of(Table::Log);
    assert!(read < 100, "beside waiting events: {read} rows");
    let after = behind(&waiting, projector.cursor().clone());
    projector.advance(&waiting, &after).unwrap();
    assert!(many.len() > MAX_LISTED);
    assert_eq!(differences(&store), Vec::<String>::new());
}

/// Whatever the late event says of steps, from the checkpoint before it to the first one behind it is enough.
#[test]
fn a_late_event_into_a_hundred_thousand_reads_little_whatever_step_it_reports() {
    use crate::store::counting::CountingStore;
    const EVENTS: u64 = 100_000;
    let counting = Arc::new(CountingStore::new(store()));
    let store: SharedStore = counting.clone();
    let steps = [
        "STOCK_RESERVED",
        "PAYMENT_COMPLETED",
        "STOCK_RELEASED",
        "GIFT_WRAPPED",
    ];
    let mut events: Vec<Event> = (0..EVENTS)
        .map(|offset| Event {
            position: Position::new(0, offset),
            step: steps[offset as usize % steps.len()].into(),
            ..sample_event(DAY + 10_000 + offset as i64)
        })
        .collect();
    project(&store, &events, &[5_000], 1);
    let generation = reads::active_generation(&*store).unwrap();
    let mut projector = Projector::open(store.clone(), generation, definitions(), &settings(1)).unwrap();
    let late = [
        "STOCK_RESERVED",
        "PAYMENT_REFUNDED",
        "COMPENSATION_STOCK",
        "RIBBONED",
    ];
    for (offset, step) in (EVENTS..).zip(late) {
        let event = Event {
            position: Position::new(0, offset),
            step: step.into(),
            event_id: format!("late-{offset}").into(),
            ..sample_event(DAY + 10_500)
        };
        append(&store, std::slice::from_ref(&event));
        counting.forget();
        let after = behind(std::slice::from_ref(&event), projector.cursor().clone());
        projector.advance(std::slice::from_ref(&event), &after).unwrap();
        let read = counting.rows_of(Table::Log);
        assert!(read < 100, "{step}: {read} rows");
        events.push(event);
    }
    let state = reads::instance(&*store, generation, &"hot".into()).unwrap();
    assert_eq!(state, fold(&events, &SagaDefinitions::default()));
}

/// What is written down about the fold of saga `hot` on the way.
fn checkpoints(store: &SharedStore) -> Vec<Vec<u8>> {
    use crate::store::{Direction, Key, ProjectionTable, WHOLE, keys};
    let generation = reads::active_generation(&**store).unwrap();
    let table = Table::Projection(generation, ProjectionTable::Timelines);
    let mut key = Key::default();
    keys::timeline_partition(&mut key, keys::TimelineRow::Checkpoint, &"hot".into());
    let mut found = Vec::new();
    store
        .scan(
            table,
            key.partition(),
            WHOLE,
            Direction::Forward,
            usize::MAX,
            &mut |_, value| {
                found.push(value.to_vec());
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    found
}

#[test]
fn a_checkpoint_is_small_whatever_is_odd_about_the_saga() {
    let long = |number: u64| format!("{number:0>255}");
    let odd = |number: u64, offset: u64, order: &str| Event {
        position: Position::new(0, offset),
        event_id: long(number).as_str().into(),
        order_id: order.into(),
        ..sample_event(DAY + number as i64)
    };
    let mut events: Vec<Event> = (1..=300).map(|number| odd(number, number - 1, "o2")).collect();
    events[0].order_id = "o1".into();
    let store = store();
    project(&store, &events, &[7], 1);
    // Folded on from checkpoints of fewer and of more anomalies than are kept; then all carried over.
    for (offset, number) in [(300, 30), (301, 200), (302, 0)] {
        let mut late = odd(number, offset, "o1");
        late.event_id = format!("late-{number}").into();
        project(&store, std::slice::from_ref(&late), &[1], 1);
        events.push(late);
        assert_folded(&store, &events).unwrap();
    }
    let written = checkpoints(&store);
    assert!(written.len() > 50, "{}", written.len());
    assert!(written.iter().all(|row| row.len() < 200));
    assert_eq!(differences(&store), Vec::<String>::new());
}
