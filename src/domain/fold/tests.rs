use super::super::*;
use super::*;
use proptest::prelude::*;
use proptest::sample::{Index, select};

pub(crate) fn event(offset: u64, recorded_at: i64, step: &str, status: SagaStatus) -> Event {
    Event {
        position: Position::new(0, offset),
        arrived_at: Millis(recorded_at + 5),
        recorded_at: Millis(recorded_at),
        event_timestamp: Millis(recorded_at),
        event_id: EventId::new(format!("e{offset}")),
        saga_id: "saga".into(),
        saga_type: "ORDER_CREATION".into(),
        step: step.into(),
        status,
        order_id: "order".into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

fn folded(events: &[Event]) -> SagaState {
    fold(events, &SagaDefinitions::default()).unwrap()
}

use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};

#[test]
fn a_stock_failure_ends_failed_although_the_product_service_reports_on() {
    let state = folded(&[
        event(0, 1_000, "ORDER_CREATED", Started),
        event(1, 1_100, "STOCK_RESERVATION_FAILED", InProgress),
        event(2, 1_200, "STOCK_RESERVATION_FAILED", Failed),
        event(3, 1_300, "STOCK_RELEASED", InProgress),
    ]);
    assert_eq!(state.status, Failed);
    assert_eq!(state.last_step.as_str(), "STOCK_RELEASED");
    assert_eq!((state.failures, state.last_failed_at), (1, Some(Millis(1_200))));
    assert_eq!(state.anomalies.total, 0);
}

#[test]
fn the_time_from_failed_to_compensated_is_kept() {
    let state = folded(&[
        event(0, 1_000, "ORDER_CREATED", Started),
        event(1, 2_000, "PAYMENT_FAILED", Failed),
        event(2, 4_500, "PAYMENT_FAILED", Failed),
        event(3, 5_000, "COMPENSATION_STOCK", Compensated),
        event(4, 6_000, "COMPENSATION_ORDER", Compensated),
    ]);
    assert_eq!(state.compensation_times.counts, [(5, 1)]);
    assert_eq!(state.compensation_times.millis, 3_000);
    assert_eq!((state.failures, state.compensations), (1, 1));
}

#[test]
fn the_first_event_gives_type_and_order_and_later_ones_are_told_as_anomalies() {
    let mut other = event(1, 2_000, "STOCK_RESERVED", InProgress);
    other.order_id = "another".into();
    other.saga_type = "REFUND".into();
    let state = folded(&[other, event(0, 1_000, "ORDER_CREATED", Started)]);
    assert_eq!(
        (state.order_id.as_str(), state.saga_type.as_str()),
        ("order", "ORDER_CREATION")
    );
    let kinds: Vec<_> = state
        .anomalies
        .kept
        .iter()
        .map(|a| (a.kind, a.event_id.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            (AnomalyKind::SagaTypeChanged, "e1"),
            (AnomalyKind::OrderIdChanged, "e1")
        ]
    );
}

#[test]
fn of_two_deliveries_the_lower_position_stands_and_a_different_body_is_a_conflict() {
    let mut first = event(7, 1_000, "ORDER_CREATED", Started);
    let mut second = event(9, 1_000, "ORDER_CREATED", Failed);
    first.event_id = "same".into();
    second.event_id = "same".into();
    let state = folded(&[second, first.clone()]);
    assert_eq!(
        (state.status, state.step_count, state.duplicates),
        (Started, 1, 1)
    );
    let told: Vec<&Anomaly> = state.conflicts.anomalies().collect();
    assert_eq!(
        (told[0].kind, told[0].event_id.as_str(), told[0].at),
        (AnomalyKind::EventIdConflict, "same", Millis(1_000))
    );

    let mut again = first.clone();
    again.position = Position::new(2, 0);
    let state = folded(&[again, first]);
    assert_eq!((state.duplicates, state.conflicts.total), (1, 0));
}

#[test]
fn a_failure_that_a_duplicate_reported_stays_the_last_one() {
    let stands = event(7, 1_000, "ORDER_CREATED", Started);
    let duplicate = Event {
        event_id: stands.event_id.clone(),
        ..event(9, 5_000, "PAYMENT_FAILED", Failed)
    };
    let state = folded(&[duplicate, stands]);
    assert_eq!((state.status, state.failures), (Started, 0));
    assert_eq!(state.last_failed_at, Some(Millis(5_000)));
}

#[test]
fn without_an_event_id_step_status_and_time_tell_duplicates() {
    let nameless = |offset, at, step| Event {
        event_id: "".into(),
        ..event(offset, at, step, InProgress)
    };
    let state = folded(&[
        nameless(0, 1, "A"),
        nameless(1, 1, "A"),
        nameless(2, 1, "B"),
        nameless(3, 2, "A"),
    ]);
    assert_eq!((state.step_count, state.duplicates), (3, 1));
}

#[test]
fn an_operators_event_sets_the_status_unless_it_was_decided_on_another() {
    let operator = |offset, at, status, expected: &str| Event {
        metadata: Some(format!(r#"{{"operator":"kim","expectedStatus":"{expected}"}}"#).into()),
        metadata_form: MetadataForm::Object,
        ..event(offset, at, OPERATOR_STATUS_CHANGE, status)
    };
    let created = event(0, 1, "ORDER_CREATED", Started);
    let done = event(1, 2, "ORDER_CONFIRMED", Completed);
    let state = folded(&[
        created.clone(),
        done.clone(),
        operator(2, 3, InProgress, "COMPLETED"),
    ]);
    assert_eq!((state.status, state.anomalies.total), (InProgress, 0));
    let state = folded(&[created, done, operator(2, 3, InProgress, "FAILED")]);
    assert_eq!(state.status, Completed);
    assert_eq!(state.anomalies.kept[0].kind, AnomalyKind::OperatorChangeRefused);
}

#[test]
fn the_last_known_trace_id_stays() {
    let traced = |offset, trace: &str| Event {
        trace_id: Some(trace.into()),
        ..event(offset, offset as i64, "STEP", InProgress)
    };
    let state = folded(&[traced(0, "a"), traced(1, "b"), event(2, 2, "STEP", InProgress)]);
    assert_eq!(state.last_trace_id.as_deref(), Some("b"));
}

/// Deliveries of one saga as producers make them: few distinct times, ids that repeat, any step.
pub(crate) fn deliveries(max: usize) -> impl Strategy<Value = Vec<Event>> {
    let one = (
        0i64..12,
        select(vec!["", "a", "b", "c", "d", "e", "f", "g", "h", "i"]),
        select(vec![
            "ORDER_CREATION",
            "ORDER_CREATION",
            "ORDER_CREATION",
            "REFUND",
        ]),
        select(vec![
            "ORDER_CREATED",
            "ORDER_CONFIRMED",
            "STOCK_RESERVED",
            "PAYMENT_FAILED",
        ]),
        select(SagaStatus::ALL.to_vec()),
        select(vec!["o1", "o1", "o1", "o2"]),
        proptest::option::of(select(vec!["t1", "t2"])),
        0u32..3,
    );
    proptest::collection::vec(one, 1..max).prop_map(|rows| {
        let mut next = [0u64; 3];
        rows.into_iter()
            .map(|(at, id, saga_type, step, status, order, trace, partition)| {
                let offset = next[partition as usize];
                next[partition as usize] += 1;
                Event {
                    position: Position::new(partition, offset),
                    event_id: id.into(),
                    saga_type: saga_type.into(),
                    order_id: order.into(),
                    trace_id: trace.map(Into::into),
                    ..event(offset, at, step, status)
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_order_of_arrival_folds_to_the_same_state(
        events in deliveries(30),
        swaps in proptest::collection::vec((any::<Index>(), any::<Index>()), 0..60),
    ) {
        let mut shuffled = events.clone();
        for (a, b) in swaps {
            let (a, b) = (a.index(events.len()), b.index(events.len()));
            shuffled.swap(a, b);
        }
        prop_assert_eq!(folded(&shuffled), folded(&events));
    }

    #[test]
    fn a_redelivery_of_any_event_changes_only_the_count_of_duplicates(
        events in deliveries(20), which in any::<Index>(),
    ) {
        let mut again = events[which.index(events.len())].clone();
        again.position = Position::new(9, 0);
        let before = folded(&events);
        let mut more = events;
        more.push(again);
        let after = folded(&more);
        prop_assert_eq!(after.duplicates, before.duplicates + 1);
        prop_assert_eq!(SagaState { duplicates: 0, ..after }, SagaState { duplicates: 0, ..before });
    }

    #[test]
    fn applying_where_the_state_accepts_equals_folding_all(events in deliveries(30)) {
        let definitions = SagaDefinitions::default();
        let mut seen: Vec<Event> = Vec::new();
        let mut state: Option<SagaState> = None;
        for event in events {
            seen.push(event.clone());
            state = match state {
                Some(mut state) if state.accepts(&event) => {
                    state.apply(&event, &definitions);
                    Some(state)
                }
                _ => fold(&seen, &definitions),
            };
            let folded = fold(&seen, &definitions);
            prop_assert_eq!(state.as_ref(), folded.as_ref());
        }
    }

    #[test]
    fn entering_failed_or_compensated_is_never_taken_back_by_a_later_arrival(
        events in deliveries(20), late in deliveries(2),
    ) {
        // What the counters of the contract rest on: they may only grow.
        let before = folded(&events);
        let mut more = events;
        let mut late = late[0].clone();
        late.event_id = "late".into();
        late.position = Position::new(9, 9);
        late.saga_type = "ORDER_CREATION".into();
        for event in &mut more { event.saga_type = "ORDER_CREATION".into(); }
        let before_same_type = folded(&more);
        more.push(late);
        let after = folded(&more);
        prop_assert!(after.failures >= before_same_type.failures);
        prop_assert!(after.compensations >= before_same_type.compensations);
        prop_assert!(before.step_count <= after.step_count);
    }
}
