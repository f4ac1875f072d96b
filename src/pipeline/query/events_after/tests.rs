use super::*;
use crate::domain::SagaDefinitions;
use crate::pipeline::query::Query;
use crate::testkit::{event_at, project, store};
use SagaStatus::{Completed, Started};
use std::sync::Arc;

fn events(count: u64) -> Vec<Event> {
    let one = |n: u64| {
        let (step, status) = if n.is_multiple_of(2) {
            ("CREATED", Started)
        } else {
            ("PAID", Completed)
        };
        let mut event = event_at(&format!("s{}", n / 2), n, step, status);
        event.producer_service = Some(format!("service-{}", n % 3).into());
        event
    };
    (0..count).map(one).collect()
}

fn query(events: &[Event]) -> Query {
    let store = store();
    project(&store, events, &[13], 1);
    Query::new(store, Arc::new(SagaDefinitions::default()))
}

fn from_start(limit: usize) -> EventsRequest {
    EventsRequest {
        after: Some(Cut::default()),
        limit,
        ..EventsRequest::default()
    }
}

#[test]
fn who_follows_sees_every_event_once() {
    let query = query(&events(30));
    let (mut request, mut seen) = (from_start(4), Vec::new());
    loop {
        let found = query.events_after(&request).unwrap();
        seen.extend(found.events.iter().map(|of| of.event.position.offset));
        request.after = Some(found.next);
        if !found.more {
            break;
        }
    }
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
    let now = query
        .events_after(&EventsRequest {
            limit: 4,
            ..EventsRequest::default()
        })
        .unwrap();
    assert_eq!((now.events.len(), now.next.next(0), now.more), (0, 30, false));
}

#[test]
fn what_is_not_wanted_is_passed_over_and_so_much_at_a_time() {
    let query = query(&events(30));
    let request = EventsRequest {
        step: Some("PAID".to_owned()),
        status: Some(Completed),
        service: Some("service-1".to_owned()),
        ..from_start(100)
    };
    let found = query.events_after(&request).unwrap();
    let offsets: Vec<u64> = found.events.iter().map(|of| of.event.position.offset).collect();
    assert_eq!((offsets, found.next.next(0), found.more), (vec![1, 7], 12, true));
    assert!(
        found
            .events
            .iter()
            .all(|of| of.effective == SagaStatus::InProgress)
    );
    let of_saga = EventsRequest {
        saga: Some("s3".into()),
        ..from_start(100)
    };
    assert_eq!(query.events_after(&of_saga).unwrap().events.len(), 2);
}

#[test]
fn an_answer_has_no_more_events_than_were_asked_for_however_many_partitions_there_are() {
    let of_three = |n: u64| {
        let mut event = event_at(&format!("s{n}"), n / 3, "CREATED", Started);
        event.position.partition = u32::try_from(n % 3).unwrap();
        event
    };
    let query = query(&(0..9).map(of_three).collect::<Vec<_>>());
    for limit in 1..5 {
        let (mut request, mut seen) = (from_start(limit), Vec::new());
        loop {
            let found = query.events_after(&request).unwrap();
            assert!(found.events.len() <= limit, "{limit}");
            seen.extend(found.events.iter().map(|of| of.event.position));
            request.after = Some(found.next);
            if !found.more {
                break;
            }
        }
        seen.sort_unstable();
        let all = (0..3).flat_map(|partition| (0..3).map(move |offset| Position::new(partition, offset)));
        assert_eq!(seen, all.collect::<Vec<_>>(), "each once, {limit} at a time");
    }
}

#[test]
fn of_several_partitions_none_keeps_the_others_back() {
    let mut all = events(12);
    for event in &mut all[6..] {
        event.position = Position::new(1, event.position.offset - 6);
    }
    let query = query(&all);
    let (mut request, mut partitions) = (from_start(1), Vec::new());
    for _ in 0..4 {
        let found = query.events_after(&request).unwrap();
        partitions.extend(found.events.iter().map(|of| of.event.position.partition));
        request.after = Some(found.next);
    }
    assert_eq!(partitions, [0, 1, 0, 1]);
}

#[test]
fn an_answer_ends_by_bytes_too_and_holds_no_metadata() {
    let mut all = events(10);
    for event in &mut all {
        event.metadata = Some("m".repeat(MAX_BYTES / 4).into());
    }
    let query = query(&all);
    let (mut request, mut seen, mut calls) = (from_start(100), 0, 0);
    loop {
        let found = query.events_after(&request).unwrap();
        assert!(found.events.iter().all(|of| of.event.metadata.is_none()));
        assert!(found.events.len() <= 4, "{}", found.events.len());
        (seen, calls) = (seen + found.events.len(), calls + 1);
        request.after = Some(found.next);
        if !found.more {
            break;
        }
    }
    assert_eq!((seen, calls), (10, 3));
}

#[test]
fn several_who_follow_are_answered_from_one_reading_as_each_would_be_alone() {
    let query = query(&events(10));
    let behind = |offset: u64, limit: usize, step: Option<&str>| EventsRequest {
        after: Some([(0, offset)].into_iter().collect()),
        step: step.map(str::to_owned),
        limit,
        ..EventsRequest::default()
    };
    let requests = [
        behind(0, 100, None),
        behind(4, 2, None),
        behind(7, 100, Some("PAID")),
        behind(10, 100, None),
    ];
    let together = query.events_after_each(&requests).unwrap();
    let alone: Vec<_> = requests
        .iter()
        .map(|request| query.events_after(request).unwrap())
        .collect();
    assert_eq!(together, alone);
    assert_eq!(
        together.iter().map(|of| of.events.len()).collect::<Vec<_>>(),
        [10, 2, 2, 0]
    );
}

#[test]
fn an_event_means_what_the_type_of_its_saga_says() {
    let mut events = vec![
        event_at("s", 0, "ASKED", Started),
        event_at("s", 1, "PAID", Completed),
    ];
    // The producer of the second names another type than the saga has: one in which this step completes nothing.
    events[0].saga_type = "WITHOUT_DEFINITION".into();
    let found = query(&events).events_after(&from_start(10)).unwrap();
    let told: Vec<_> = found.events.iter().map(|of| of.effective).collect();
    assert_eq!(told, [Started, Completed]);
}

#[test]
fn an_operators_change_that_was_refused_is_told() {
    let change = |offset: u64, expected: &str| {
        let mut event = event_at("s", offset, crate::domain::OPERATOR_STATUS_CHANGE, Completed);
        event.metadata = Some(format!("{{\"expectedStatus\":\"{expected}\"}}").into());
        event
    };
    let mut events = vec![event_at("s", 0, "ASKED", Started)];
    events.push(change(1, "FAILED"));
    events.push(change(2, "STARTED"));
    let found = query(&events).events_after(&from_start(10)).unwrap();
    let told: Vec<_> = found.events.iter().map(|of| of.refused).collect();
    assert_eq!(told, [false, true, false]);
}
