use super::*;
use crate::domain::{DAY_MILLIS, Event as Delivered, Position, SagaDefinitions, SagaStatus};
use crate::pipeline::query::past_state::Past;
use crate::pipeline::query::trees::Trees;
use crate::pipeline::query::{Moment, OverviewRequest, Query};
use crate::store::SharedStore;
use crate::testkit::{DAY, event_at, project, store};
use SagaStatus::{Completed, Started};
use std::sync::Arc;

const SECOND: i64 = 1_000;

/// Deliveries that arrive when they happen, in their order: saga, time behind [`DAY`], step.
fn delivered(mut events: Vec<(String, i64, &str)>) -> Vec<Delivered> {
    events.sort_by_key(|(_, at, _)| *at);
    let one = |(offset, (saga, at, step)): (u64, (String, i64, &str))| {
        let status = if step == "ASKED" { Started } else { Completed };
        let mut event = event_at(&saga, offset, step, status);
        event.recorded_at = Millis(DAY + at);
        event.event_timestamp = event.recorded_at;
        event.arrived_at = event.recorded_at;
        event
    };
    (0..).zip(events).map(one).collect()
}

/// So many sagas a second for so long, from an instant on; what a saga asks for comes 15 seconds later, of each tenth
/// saga 40 seconds later.
fn steady(per_second: i64, seconds: i64, from: i64) -> Vec<(String, i64, &'static str)> {
    let mut events = Vec::new();
    for n in 0..per_second * seconds {
        let (saga, at) = (format!("s{from}-{n}"), from + n * SECOND / per_second);
        let later = if n % 10 == 9 { 40 } else { 15 };
        events.push((saga.clone(), at, "ASKED"));
        events.push((saga, at + later * SECOND, "ANSWERED"));
    }
    events
}

fn projected(events: &[Delivered]) -> SharedStore {
    let store = store();
    project(&store, events, &[500], 1);
    store
}

fn read(store: &SharedStore, period: (i64, i64), bounds: FlowBounds) -> Option<RecentFlow> {
    let generation = reads::active_generation(&**store).unwrap();
    let past = Past {
        trees: Trees {
            store: &**store,
            generation,
        },
        definitions: &SagaDefinitions::default(),
        cursor: &reads::cursor(&**store, generation).unwrap(),
        moment: Moment::default(),
    };
    let period = (Millis(DAY + period.0), Millis(DAY + period.1));
    let saga_type = event_at("s", 0, "ASKED", Started).saga_type;
    Arrived::read(&past, period, bounds).unwrap().flow(&saga_type)
}

const MUCH: FlowBounds = FlowBounds {
    events: 100_000,
    bytes: 1 << 30,
};

fn count(flow: &RecentFlow, from: &str, to: &str) -> u64 {
    let pair = (from.to_owned(), to.to_owned());
    flow.flow.edges.get(&pair).map_or(0, Times::count)
}

#[test]
fn what_comes_late_in_a_saga_is_counted_as_often_as_it_comes() {
    let mut events = steady(20, 121, 0);
    events.retain(|(_, at, _)| *at <= 120 * SECOND);
    let store = projected(&delivered(events));
    let found = read(&store, (60 * SECOND, 120 * SECOND), MUCH).unwrap();
    assert_eq!(
        (count(&found, "ASKED", "ANSWERED"), found.is_whole, found.left_out),
        (20 * 60, true, 0)
    );
    let step = &found.flow.steps["ASKED"];
    assert_eq!((step.events, step.first), (20 * 60, 20 * 60));
    // Of as many events as are looked at, too: only the stretch is shorter.
    let some = FlowBounds { events: 400, ..MUCH };
    let found = read(&store, (60 * SECOND, 120 * SECOND), some).unwrap();
    let rate = count(&found, "ASKED", "ANSWERED") as f64 * 1_000.0 / found.to.since(found.from) as f64;
    assert!(!found.is_whole && (18.0..22.0).contains(&rate), "{rate}");
}

#[test]
fn the_live_stream_shows_what_comes_late_in_a_saga() {
    let mut events = steady(20, 75, 0);
    events.retain(|(_, at, _)| *at <= 75 * SECOND);
    let query = Query::new(
        projected(&delivered(events)),
        Arc::new(SagaDefinitions::default()),
    );
    let found = query.live_figures(&[None], Millis(DAY + 75 * SECOND)).unwrap();
    let flow = found[0].flow.as_ref().unwrap();
    let rate = count(flow, "ASKED", "ANSWERED") as f64 * 1_000.0 / flow.to.since(flow.from) as f64;
    assert!((18.0..22.0).contains(&rate), "{rate}");
}

#[test]
fn the_same_traffic_a_day_before_took_as_long() {
    let mut events = steady(5, 120, 0);
    events.extend(steady(5, 120, DAY_MILLIS));
    events.retain(|(_, at, _)| *at <= DAY_MILLIS + 120 * SECOND);
    let query = Query::new(
        projected(&delivered(events)),
        Arc::new(SagaDefinitions::default()),
    );
    let now = Millis(DAY + DAY_MILLIS + 120 * SECOND);
    let request = OverviewRequest {
        saga_type: None,
        now,
        period: (Millis(now.0 - 60 * SECOND), now),
        edges: Vec::new(),
        counted: Vec::new(),
    };
    let found = query.overview(&request).unwrap();
    let times = |flow: Option<RecentFlow>| {
        let flow = flow.unwrap();
        let pair = ("ASKED".to_owned(), "ANSWERED".to_owned());
        let times = &flow.flow.edges[&pair];
        (times.count(), times.percentile(95), flow.is_whole)
    };
    let today = times(found.flow);
    assert_eq!(today, (5 * 60, 40 * 1_000, true));
    assert_eq!(times(found.day_before), today);
}

#[test]
fn a_big_saga_takes_no_flow_from_others() {
    let mut events = steady(2, 30, 0);
    events.extend((0..3_000).map(|n| ("big".to_owned(), 50 * SECOND + n, "AGAIN")));
    let store = projected(&delivered(events));
    let found = read(&store, (0, 60 * SECOND), MUCH).unwrap();
    assert_eq!((count(&found, "AGAIN", "AGAIN"), found.is_whole), (2_999, true));
    assert_eq!(count(&found, "ASKED", "ANSWERED"), 60 - 2);
}

#[test]
fn of_too_many_pairs_of_steps_the_further_ones_are_left_out_and_counted() {
    let names: Vec<String> = (0..MAX_EDGES + 10).map(|n| format!("STEP_{n}")).collect();
    let mut events: Vec<(String, i64, &str)> = (0..)
        .zip(&names)
        .map(|(n, name)| ("z-many".to_owned(), 20 * SECOND + n, name.as_str()))
        .collect();
    events.extend([("a".to_owned(), 1, "ASKED"), ("a".to_owned(), 2, "ANSWERED")]);
    let store = projected(&delivered(events));
    let found = read(&store, (0, 60 * SECOND), MUCH).unwrap();
    assert_eq!(count(&found, "ASKED", "ANSWERED"), 1);
    assert_eq!(
        found.flow.edges.len() as u64 + found.left_out,
        MAX_EDGES as u64 + 10
    );
    assert!(!found.is_whole && found.left_out > 0);
    assert_eq!(found.flow.events, MAX_EDGES as u64 + 12);
}

#[test]
fn deliveries_that_do_not_stand_are_not_counted_and_each_pair_is_that_of_the_timeline() {
    // Long enough to have rows of its own for its events.
    let own = ["A", "B", "C", "D", "E", "F", "G"];
    let mut events = delivered(
        (0..)
            .zip(own)
            .map(|(n, step)| ("s".to_owned(), n, step))
            .collect(),
    );
    for n in [2usize, 5] {
        let mut again = events[n].clone();
        again.position = Position::new(0, events.len() as u64);
        again.arrived_at = Millis(DAY + 100 + n as i64);
        events.push(again);
    }
    let store = projected(&events);
    let found = read(&store, (-1, SECOND), MUCH).unwrap();
    let mut pairs = found.flow.edges.iter();
    let expected = own.windows(2).map(|two| (two[0].to_owned(), two[1].to_owned()));
    assert!(pairs.all(|(_, times)| times.count() == 1));
    assert_eq!(
        found.flow.edges.keys().cloned().collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
    // Only what arrived at the end: the first of a pair need not have.
    let found = read(&store, (5, SECOND), MUCH).unwrap();
    assert_eq!((count(&found, "F", "G"), found.flow.events), (1, 1));
    assert_eq!(found.flow.steps["G"].last, 1);
}
