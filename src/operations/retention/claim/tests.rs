use super::*;
use crate::domain::{MetadataForm, SagaStatus};
use crate::testkit::{behind, project, store};
use proptest::prelude::*;

const NOW: i64 = 1_795_000_000_000;

fn event(partition: u32, offset: u64, recorded_at: i64, arrived_at: i64) -> Event {
    Event {
        position: Position::new(partition, offset),
        arrived_at: Millis(arrived_at),
        recorded_at: Millis(recorded_at),
        event_timestamp: Millis(recorded_at),
        event_id: format!("{partition}-{offset}").into(),
        saga_id: "s".into(),
        saga_type: "REFUND".into(),
        step: "S".into(),
        status: SagaStatus::Completed,
        order_id: "o".into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

fn seen_at(partition: u32, at: i64) -> SeenAll {
    SeenAll::from([(partition, seen(&event(partition, 9, at, at)))])
}

#[test]
fn what_arrived_lately_stays_however_old_it_is() {
    let old = Deliveries::of(&[event(0, 0, 1_000_000_000_000, NOW - 23 * HOUR_MILLIS)]).unwrap();
    let due = |now: i64| Claim::new(90, 24, &seen_at(0, now), Millis(i64::MAX)).is_due(&old, None);
    assert!(!due(NOW));
    assert!(due(NOW + HOUR_MILLIS));
}

#[test]
fn nothing_is_due_in_a_partition_of_which_nothing_was_seen_or_by_a_time_ahead_of_it() {
    let one = Deliveries::of(&[event(0, 0, NOW - 91 * DAY_MILLIS, NOW - 91 * DAY_MILLIS)]).unwrap();
    let both = Deliveries::of(&[
        event(0, 0, NOW - 91 * DAY_MILLIS, 0),
        event(1, 0, NOW - 91 * DAY_MILLIS, 0),
    ])
    .unwrap();
    let claim = |all: &SeenAll, at: i64| Claim::new(90, 24, all, Millis(at));
    assert!(claim(&seen_at(0, NOW), NOW).is_due(&one, None));
    assert!(!claim(&seen_at(0, NOW), NOW).is_due(&both, None));
    assert!(!claim(&SeenAll::new(), NOW).is_due(&one, None));
    // By a clock a year ahead; by a partition whose time is.
    assert!(!claim(&seen_at(0, NOW - 2 * DAY_MILLIS), NOW + 365 * DAY_MILLIS).is_due(&one, None));
    assert!(!claim(&seen_at(0, NOW + 365 * DAY_MILLIS), NOW - 2 * DAY_MILLIS).is_due(&one, None));
}

#[test]
fn one_that_came_back_counts_from_then_on() {
    let old = Deliveries::of(&[event(0, 0, NOW - 400 * DAY_MILLIS, NOW - 400 * DAY_MILLIS)]).unwrap();
    let claim = Claim::new(90, 24, &seen_at(0, NOW), Millis(NOW));
    assert!(claim.is_due(&old, Some(Millis(NOW - 90 * DAY_MILLIS))));
    assert!(!claim.is_due(&old, Some(Millis(NOW - 90 * DAY_MILLIS + 1))));
}

proptest! {
    #[test]
    fn a_saga_is_due_from_the_very_millisecond_on(
        days in 0u64..4_000, updated_at in 0i64..1_900_000_000_000,
    ) {
        let saga = Deliveries::of(&[event(2, 0, updated_at, 0)]).unwrap();
        let due_at = updated_at + i64::try_from(days).unwrap() * DAY_MILLIS;
        let due = |at: i64| Claim::new(days, 0, &seen_at(2, at), Millis(i64::MAX)).is_due(&saga, None);
        prop_assert!(due(due_at));
        prop_assert!(!due(due_at - 1));
    }

    #[test]
    fn what_is_read_of_the_log_is_what_lies_inside_the_cut(edge in 0u64..9) {
        let events: Vec<Event> = (0..8).map(|n| event(1, n, 1_000 - n as i64, 5_000 + n as i64)).collect();
        let store = store();
        project(&store, &events, &[3], 1);
        let cut = Cut::from_iter([(1, edge)]);
        let inside: Vec<Event> = events.iter().filter(|event| cut.contains(event.position)).cloned().collect();
        prop_assert_eq!(Deliveries::read(&*store, &"s".into(), &cut.clone().into()).unwrap(), Deliveries::of(&inside));
        let all = seen_within(&*store, &cut).unwrap();
        prop_assert_eq!(all.get(&1).map(|seen| seen.offset), edge.min(8).checked_sub(1));
    }
}

#[test]
fn another_topic_is_known_by_what_stands_where_something_else_was_seen() {
    let events: Vec<Event> = (0..4).map(|n| event(0, n, 1_000, 2_000)).collect();
    let cut = behind(&events, Cut::default());
    let (ours, theirs) = (store(), store());
    project(&ours, &events, &[4], 1);
    let mut others = events;
    others[3].arrived_at = Millis(2_001);
    project(&theirs, &others, &[4], 1);
    let all = seen_within(&*ours, &cut).unwrap();
    assert_eq!(stranger(&*ours, &all, &cut).unwrap(), None);
    assert_eq!(stranger(&*theirs, &all, &cut).unwrap(), Some(Position::new(0, 3)));
    // Where nothing stands any more, or nothing yet, nobody can tell, and it tells no time either.
    let nothing = store();
    assert_eq!(stranger(&*nothing, &all, &cut).unwrap(), None);
    let checked = Claim::checked(0, 0, &all, (0, Millis(9_000)), &*nothing).unwrap();
    assert_eq!(checked.latest(), None);
    let checked = Claim::checked(0, 0, &all, (0, Millis(9_000)), &*ours).unwrap();
    assert_eq!(checked.latest(), Some(Millis(2_000)));
}
