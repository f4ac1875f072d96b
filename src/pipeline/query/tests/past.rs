//! Promises about one saga at any moment: whatever comes late, early, again, in contradiction or by an operator,
//! every answer is what a naive model makes of the deliveries.

use super::super::*;
use crate::domain::{Event, MetadataForm, Position, SagaDefinitions};
use crate::simulator::oracle::past::{differences, differences_between, edges};
use crate::testkit::{DAY, event, project, store};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a delivery is made of.
#[derive(Clone, Debug)]
struct Made {
    partition: u32,
    saga: &'static str,
    /// Milliseconds after the one before, by event time; late ones and early ones go astray.
    after: i64,
    astray: i64,
    /// How long it takes until it arrives.
    takes: i64,
    /// Comes again, as the delivery so far back, perhaps with another body.
    again: Option<(usize, u8)>,
    named: bool,
    kind: usize,
    status: SagaStatus,
    trace: Option<&'static str>,
    order: &'static str,
}

const STEPS: [&str; 5] = [
    "ORDER_CREATED",
    "ORDER_CONFIRMED",
    "PAYMENT_FAILED",
    "OPERATOR_STATUS_CHANGE",
    "OPERATOR_STATUS_CHANGE",
];

fn made() -> impl Strategy<Value = Made> {
    let places = (
        0u32..3,
        select(vec!["hot", "hot", "hot", "hot", "other"]),
        0i64..20,
        prop_oneof![5 => Just(0i64), 1 => -60i64..0, 1 => 0i64..60],
        prop_oneof![4 => 0i64..5, 1 => 0i64..200],
    );
    let again = proptest::option::weighted(0.25, (0usize..8, 0u8..5));
    let said = (
        any::<bool>(),
        0usize..STEPS.len(),
        select(SagaStatus::ALL.to_vec()),
        select(vec![None, Some("t1"), Some("t2"), Some("t3"), Some("t4")]),
        select(vec!["o1", "o1", "o1", "o2"]),
    );
    (places, again, said).prop_map(
        |((partition, saga, after, astray, takes), again, (named, kind, status, trace, order))| Made {
            partition,
            saga,
            after,
            astray,
            takes,
            again,
            named,
            kind,
            status,
            trace,
            order,
        },
    )
}

/// The metadata of an event of that kind: an operator's names the status that it expects, or none; a failure its
/// reason.
fn metadata(made: &Made, number: usize) -> Option<String> {
    let expected = SagaStatus::ALL[number % 5];
    match made.kind {
        3 => Some(format!(
            r#"{{"operator":"kim","reason":"r{number}","expectedStatus":"{expected}"}}"#
        )),
        4 => Some(r#"{"operator":"kim"}"#.to_owned()),
        2 if number.is_multiple_of(2) => Some(format!(r#"{{"failureReason":" reason {number} "}}"#)),
        2 => Some(r#"{"failureReason":7}"#.to_owned()),
        _ => None,
    }
}

/// The deliveries of two sagas on three partitions, in the order of their offsets.
pub(super) fn deliveries(limit: usize) -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(made(), 1..limit).prop_map(|all| {
        let (mut next, mut arrived) = ([0u64; 3], [DAY; 3]);
        let mut now = DAY;
        let mut events: Vec<Event> = Vec::new();
        for (number, made) in all.iter().enumerate() {
            now += made.after;
            let (partition, at) = (made.partition as usize, Millis(now + made.astray));
            arrived[partition] = arrived[partition].max(now + made.takes);
            let position = Position::new(made.partition, next[partition]);
            next[partition] += 1;
            let told = metadata(made, number);
            let first = Event {
                recorded_at: at,
                event_timestamp: at,
                event_id: if made.named {
                    format!("e{number}").into()
                } else {
                    "".into()
                },
                saga_id: made.saga.into(),
                step: STEPS[made.kind].into(),
                status: made.status,
                order_id: made.order.into(),
                metadata_form: if told.is_some() {
                    MetadataForm::Object
                } else {
                    MetadataForm::Absent
                },
                metadata: told.map(Into::into),
                trace_id: made.trace.map(Into::into),
                ..event()
            };
            let back = made.again.and_then(|(back, body)| {
                let index = events.len().checked_sub(back + 1)?;
                Some((events[index].clone(), body))
            });
            let delivery = match back {
                Some((known, 0)) => Event {
                    order_id: "o3".into(),
                    ..known
                },
                Some((known, 1)) => Event {
                    recorded_at: at,
                    ..known
                },
                Some((known, _)) => known,
                None => first,
            };
            events.push(Event {
                position,
                arrived_at: Millis(arrived[partition]),
                ..delivery
            });
        }
        events
    })
}

fn of(events: &[Event], saga: &str) -> Vec<Event> {
    let own = events.iter().filter(|event| event.saga_id.as_str() == saga);
    own.cloned().collect()
}

fn answering(events: &[Event], windows: &[usize]) -> Query {
    let store = store();
    project(&store, events, windows, 2);
    Query::new(store, Arc::new(SagaDefinitions::default()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_saga_at_any_moment_is_what_its_deliveries_make_it(
        events in deliveries(28), windows in proptest::collection::vec(1usize..9, 1..4),
        pairs in proptest::collection::vec(any::<[Index; 4]>(), 40),
    ) {
        let (query, definitions) = (answering(&events, &windows), SagaDefinitions::default());
        for saga in ["hot", "other"] {
            let own = of(&events, saga);
            if own.is_empty() {
                continue;
            }
            let id = SagaId::from(saga);
            let of = (&id, &own[..]);
            let [happened, arrived] = edges(&own);
            let mut moments = vec![Moment::default()];
            moments.extend(happened.iter().map(|at| Moment { as_of: Some(*at), known_at: None }));
            moments.extend(arrived.iter().map(|at| Moment { as_of: None, known_at: Some(*at) }));
            let both = |one: Index, other: Index| Moment {
                as_of: Some(*one.get(&happened)),
                known_at: Some(*other.get(&arrived)),
            };
            moments.extend(pairs.iter().map(|[one, other, ..]| both(*one, *other)));
            for moment in moments {
                let found = differences(&query, of, &definitions, moment);
                prop_assert!(found.is_empty(), "{found:#?}");
            }
            for (number, [one, other, third, fourth]) in pairs.iter().enumerate() {
                let mut sides = [both(*one, *other), both(*third, *fourth)];
                sides[number % 2].as_of = sides[number % 2].as_of.filter(|_| number % 3 > 0);
                sides[0].known_at = sides[0].known_at.filter(|_| number % 5 > 0);
                let found = differences_between(&query, of, &definitions, sides);
                prop_assert!(found.is_empty(), "{found:#?}");
            }
        }
    }
}

/// A saga of so many events, each a millisecond after the one before, which arrive ten milliseconds later.
fn long(count: u64) -> Vec<Event> {
    let event_of = |offset: u64| {
        let at = Millis(DAY + i64::try_from(offset).unwrap());
        Event {
            position: Position::new(0, offset),
            recorded_at: at,
            arrived_at: Millis(at.0 + 10),
            event_id: format!("e{offset}").into(),
            saga_id: "hot".into(),
            step: "STOCK_RESERVED".into(),
            status: SagaStatus::InProgress,
            ..event()
        }
    };
    (0..count).map(event_of).collect()
}

fn known_at(after: i64) -> Moment {
    Moment {
        as_of: None,
        known_at: Some(Millis(DAY + after)),
    }
}

#[test]
fn of_a_saga_of_many_events_what_was_known_is_told_and_a_history_beyond_the_bound_is_refused() {
    let query = answering(&long(20_000), &[4_000]);
    let ask = |moment: Moment| {
        let state = query.timeline(&"hot".into(), |timeline| timeline.state(moment));
        state.unwrap().unwrap().map(|state| state.step_count)
    };
    assert_eq!(ask(known_at(9)), None);
    assert_eq!(ask(known_at(10)), Some(1));
    assert_eq!(ask(known_at(12_345)), Some(12_336));
    let as_of = Some(Millis(DAY + 12_344));
    assert_eq!(
        ask(Moment {
            as_of,
            known_at: None
        }),
        Some(12_345)
    );
    let history = |moment| {
        let mut states = Vec::new();
        let asked = query.timeline(&"hot".into(), |timeline| {
            timeline.history(moment, None, &mut |state| {
                states.push(state);
                ControlFlow::Continue(())
            })
        });
        asked.map(|_| states)
    };
    let most = i64::try_from(MAX_HISTORY_EVENTS).unwrap();
    let told = history(known_at(10 + most - 1)).unwrap();
    assert_eq!((told.len(), told[0].events as usize), (1, MAX_HISTORY_EVENTS));
    let refused = history(known_at(10 + most)).unwrap_err();
    assert!(
        matches!(refused, QueryError::TooLong(MAX_HISTORY_EVENTS)),
        "{refused}"
    );
}

#[test]
fn more_repeated_events_than_can_be_told_apart_are_refused_and_fewer_are_not() {
    let mut events = long(200);
    let again: Vec<Event> = (0..200u64)
        .map(|number| Event {
            position: Position::new(0, 200 + number),
            arrived_at: Millis(DAY + 1_000 + i64::try_from(number).unwrap()),
            ..events[usize::try_from(number).unwrap()].clone()
        })
        .collect();
    events.extend(again);
    let query = answering(&events, &[50]);
    let most = i64::try_from(MAX_REPEATED).unwrap();
    let ask = |moment| query.timeline(&"hot".into(), |timeline| timeline.begun(moment));
    let told = ask(known_at(1_000 + most - 1)).unwrap().unwrap();
    assert_eq!((told.step_count, told.duplicates as usize), (200, MAX_REPEATED));
    let refused = ask(known_at(1_000 + most)).unwrap_err();
    assert!(
        matches!(
            refused,
            QueryError::TooManyRepeated {
                limit: MAX_REPEATED,
                ..
            }
        ),
        "{refused}"
    );
    let as_of = Some(Millis(DAY + 99));
    let told = ask(Moment {
        as_of,
        known_at: None,
    })
    .unwrap()
    .unwrap();
    assert_eq!((told.step_count, told.duplicates), (100, 100));
    let refused = ask(known_at(9)).unwrap_err().to_string();
    assert_eq!(
        refused,
        "saga \"hot\" had not begun as known at 2025-11-20T00:00:00.009Z; by what is known now it began at \
         2025-11-20T00:00:00Z"
    );
}

#[test]
fn of_more_conflicts_than_are_kept_those_up_to_an_instant_are_counted() {
    let mut events = long(200);
    let again: Vec<Event> = (0..200u64)
        .map(|number| Event {
            position: Position::new(0, 200 + number),
            order_id: "another".into(),
            ..events[usize::try_from(number).unwrap()].clone()
        })
        .collect();
    events.extend(again);
    let query = answering(&events, &[50]);
    let id = SagaId::from("hot");
    for at in [0, 63, 64, 150, 199] {
        let moment = Moment {
            as_of: Some(Millis(DAY + at)),
            known_at: None,
        };
        let state = query
            .timeline(&id, |timeline| timeline.begun(moment))
            .unwrap()
            .unwrap();
        let first: Vec<u64> = state
            .conflicts
            .kept
            .iter()
            .map(|conflict| conflict.position.offset)
            .collect();
        let wanted: Vec<u64> = (0..=u64::try_from(at).unwrap()).take(64).collect();
        assert_eq!((i64::from(state.conflicts.total), first), (at + 1, wanted));
    }
}
