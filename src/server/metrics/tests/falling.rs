//! Counters as a scraper sees them, over revisions of state, restarts and rebuilds.

use super::super::*;
use crate::domain::clock::SystemClock;
use crate::domain::{Event, MetadataForm, Millis, Position, SagaDefinitions, SagaStatus};
use crate::pipeline::projector::Projector;
use crate::pipeline::projector::rebuild::{Progress, Rebuild};
use crate::store::dead_letters::{
    self, DeadLetterChanges, DeadLetterLock, Happened, Removal, Returned, ValueHash,
};
use crate::store::records::{DeadLetterSummaryRecord, UNKNOWN_SCHEMA};
use crate::store::{Batch, Durability, Generation, SharedStore, Table, reads, totals};
use crate::testkit::{DAY, TOPIC, append, behind, mark_letter, settings, store};
use std::collections::BTreeSet;

/// A report of saga `s`, whose time is its place in the order of the story.
fn event((partition, offset): (u32, u64), id: &str, step: &str, status: SagaStatus, at: i64) -> Event {
    Event {
        position: Position::new(partition, offset),
        arrived_at: Millis(DAY),
        recorded_at: Millis(DAY + at),
        event_timestamp: Millis(DAY),
        event_id: id.into(),
        saga_id: "s".into(),
        saga_type: "ORDER_CREATION".into(),
        step: step.into(),
        status,
        order_id: "o".into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

fn fold(store: &SharedStore, events: &[Event]) {
    let serving = reads::active_generation(&**store).unwrap();
    let mut projector = Projector::open(store.clone(), serving, Arc::default(), &settings(1)).unwrap();
    append(store, events);
    let after = behind(events, projector.cursor().clone());
    projector.advance(events, &after).unwrap();
}

fn completing_by(step: &str) -> Arc<SagaDefinitions> {
    let mut definitions = SagaDefinitions::default();
    let order = definitions.types.get_mut("ORDER_CREATION").unwrap();
    order.completing_steps = BTreeSet::from([step.to_owned()]);
    Arc::new(definitions)
}

fn rebuild(store: &SharedStore, definitions: &Arc<SagaDefinitions>) {
    let rebuild = Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: definitions.clone(),
        settings: settings(1),
        progress: Arc::new(Progress::default()),
    };
    rebuild.offline().unwrap();
}

/// A process that answers scrapes.
fn start(store: &SharedStore, max_steps: usize) -> Metrics {
    let query = Query::new(store.clone(), Arc::default());
    Metrics::new(
        &MetricsSettings { max_steps },
        query,
        Arc::default(),
        Arc::new(SystemClock),
    )
}

fn value(metrics: &Metrics, sample: &str) -> f64 {
    let text = metrics.render().unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{sample} ")));
    let line = line.unwrap_or_else(|| panic!("{sample} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

const FAILED: &str = "saga_failed_total";
const COUNT: &str = "saga_compensation_duration_seconds_count";

#[test]
fn a_sum_that_state_revises_downward_does_not_fall_at_a_restart() {
    use SagaStatus::{Compensated, Failed, Started};
    let store = store();
    let story = [
        event((1, 0), "begun", "ORDER_CREATED", Started, 0),
        event((1, 1), "twice", "STOCK_RESERVATION", Failed, 1),
        event((1, 2), "undone", "STOCK_RELEASED", Compensated, 2),
    ];
    fold(&store, &story);
    let metrics = start(&store, 10);
    assert_eq!((value(&metrics, FAILED), value(&metrics, COUNT)), (1.0, 1.0));
    drop(metrics);

    // The same event at a lower position stands, and says something else: the saga never failed.
    fold(&store, &[event((0, 0), "twice", "STOCK_RESERVATION", Started, 1)]);
    let metrics = start(&store, 10);
    assert_eq!(value(&metrics, "saga_active_total{status=\"COMPENSATED\"}"), 1.0);
    assert_eq!((value(&metrics, FAILED), value(&metrics, COUNT)), (1.0, 1.0));
    let processed = "saga_events_processed_total{step=\"STOCK_RESERVATION\",status=\"STARTED\"}";
    assert_eq!(value(&metrics, processed), 1.0);
}

#[test]
fn counters_go_on_where_they_were_when_other_rules_come_to_serve() {
    use SagaStatus::{Completed, Failed};
    let store = store();
    // Completed in between it failed twice; where that step completes nothing, once.
    let story = [
        event((0, 0), "a", "STOCK_RESERVATION", Failed, 0),
        event((0, 1), "b", "ORDER_CONFIRMED", Completed, 1),
        event((0, 2), "c", "STOCK_RESERVATION", Failed, 2),
    ];
    fold(&store, &story);
    let metrics = start(&store, 10);
    assert_eq!(value(&metrics, FAILED), 2.0);
    rebuild(&store, &completing_by("PAYMENT_COMPLETED"));
    let serving = reads::active_generation(&*store).unwrap();
    assert_eq!(reads::total(&*store, serving, totals::FAILED).unwrap(), 1);
    assert_eq!(value(&metrics, FAILED), 2.0);

    // What comes now shows at once, in this process and in the next.
    let more = [
        event((0, 3), "d", "PAYMENT_COMPLETED", Completed, 3),
        event((0, 4), "e", "STOCK_RESERVATION", Failed, 4),
    ];
    fold(&store, &more);
    assert_eq!(value(&metrics, FAILED), 3.0);
    drop(metrics);
    assert_eq!(value(&start(&store, 10), FAILED), 3.0);

    // Back under the first rules it failed twice again, and nothing of the way there is left behind.
    rebuild(&store, &completing_by("ORDER_CONFIRMED"));
    assert_eq!(value(&start(&store, 10), FAILED), 3.0);
    rebuild(&store, &completing_by("ORDER_CONFIRMED"));
    assert_eq!(value(&start(&store, 10), FAILED), 3.0);
}

#[test]
fn going_to_rules_that_count_more_and_back_carries_nothing_for_good() {
    use SagaStatus::{Completed, Failed};
    let store = store();
    let story = [
        event((0, 0), "a", "STOCK_RESERVATION", Failed, 0),
        event((0, 1), "b", "ORDER_CONFIRMED", Completed, 1),
        event((0, 2), "c", "STOCK_RESERVATION", Failed, 2),
    ];
    fold(&store, &story);
    for definitions in ["PAYMENT_COMPLETED", "ORDER_CONFIRMED"] {
        rebuild(&store, &completing_by(definitions));
    }
    let mut carried = Vec::new();
    reads::try_scan_table(&*store, Table::Meta, |name, _, _| {
        carried.extend(
            name.starts_with(b"carried ")
                .then(|| name.escape_ascii().to_string()),
        );
        Ok(())
    })
    .unwrap();
    assert_eq!(carried, Vec::<String>::new());
    assert_eq!(reads::active_generation(&*store).unwrap(), Generation::A);
}

#[test]
fn steps_keep_their_labels_over_a_restart() {
    use SagaStatus::Started;
    let store = store();
    fold(&store, &[event((0, 0), "a", "FIRST", Started, 0)]);
    let of = |step: &str| format!("saga_events_processed_total{{step=\"{step}\",status=\"STARTED\"}}");
    assert_eq!(value(&start(&store, 1), &of("FIRST")), 1.0);
    let often: Vec<Event> = (1..=5)
        .map(|offset| event((0, offset), &offset.to_string(), "OFTEN", Started, 1))
        .collect();
    fold(&store, &often);
    let metrics = start(&store, 1);
    assert_eq!(value(&metrics, &of("FIRST")), 1.0);
    assert_eq!(value(&metrics, &of("other")), 5.0);
}

fn enter(store: &SharedStore, mut rows: Batch, change: impl FnOnce(&mut DeadLetterChanges)) {
    let mut changes = DeadLetterChanges::default();
    change(&mut changes);
    let book = DeadLetterLock::default();
    DeadLetterLock::enter(&book.hold(), &**store, &mut rows, &changes).unwrap();
    store.write(&rows, Durability::Process).unwrap();
}

/// A letter that came back.
fn put_redriven(store: &SharedStore, letter: Position, reason: &str) {
    let listed = DeadLetterSummaryRecord {
        topic: TOPIC,
        reason,
        ..DeadLetterSummaryRecord::default()
    };
    let (mut key, mut rows) = (crate::store::Key::default(), Batch::new());
    crate::store::keys::by_offset(&mut key, letter);
    rows.put_with(Table::Letters, &key, |bytes| {
        crate::store::codec::Record::write(&listed, bytes);
    });
    enter(store, rows, |changes| changes.add_letter(letter, &listed));
    let became = Returned::DeadLetter {
        reason: reason.to_owned(),
    };
    let value = ValueHash::default();
    mark_letter(store, letter, Happened::Returned { became, value });
}

#[test]
fn letters_that_were_redriven_and_are_no_more_do_not_take_their_counter_back() {
    let store = store();
    let (removed, readable) = (Position::new(0, 1), Position::new(0, 2));
    let reasons = ["tombstone", UNKNOWN_SCHEMA];
    put_redriven(&store, removed, reasons[0]);
    put_redriven(&store, readable, reasons[1]);
    let told = |metrics: &Metrics| {
        reasons.map(|reason| {
            let name = format!("saga_tracker_dead_letters_redriven_total{{reason=\"{reason}\"}}");
            value(metrics, &name)
        })
    };
    let metrics = start(&store, 10);
    assert_eq!(told(&metrics), [1.0, 1.0]);
    // Whoever decided that one goes had seen that it was discarded, and not yet that it came back; of the
    // other one the schema is known now, and it is an event.
    mark_letter(&store, removed, Happened::Removed(Removal::decided(false)));
    enter(&store, Batch::new(), |changes| changes.take_back(readable));
    let counts = dead_letters::counts(&*store).unwrap();
    let left = reasons.map(|reason| counts[reason].redriven + counts[reason].removed_redriven);
    assert_eq!(left, [0, 0], "the sums fell");
    assert_eq!(told(&metrics), [1.0, 1.0]);
    drop(metrics);
    assert_eq!(told(&start(&store, 10)), [1.0, 1.0]);
}
