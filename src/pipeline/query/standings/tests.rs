use super::*;
use crate::domain::{Event, SagaDefinitions};
use crate::pipeline::query::overview::OverviewRequest;
use crate::pipeline::query::{Overview, Query};
use crate::testkit::{DAY, event_at, project, store};
use SagaStatus::{Compensated, Failed};
use std::sync::Arc;

const SECOND: i64 = 1_000;

/// Sagas that fail and are compensated by turns, once a second, twenty times each.
fn flapping(sagas: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for saga in 0..sagas {
        for n in 0..20u64 {
            let status = [Failed, Compensated][(n % 2) as usize];
            let mut event = event_at(&format!("s{saga}"), saga * 20 + n, "STEP", status);
            event.recorded_at = Millis(DAY + n as i64 * SECOND);
            event.arrived_at = event.recorded_at;
            events.push(event);
        }
    }
    events
}

fn overview(events: &[Event], saga_type: Option<&str>, edges: &[i64]) -> Overview {
    let store = store();
    project(&store, events, &[50], 1);
    let query = Query::new(store, Arc::new(SagaDefinitions::default()));
    let now = Millis(DAY + 100 * SECOND);
    let request = OverviewRequest {
        saga_type: saga_type.map(SagaType::from),
        now,
        period: (Millis(DAY), now),
        edges: edges.iter().map(|at| Millis(DAY + at)).collect(),
        counted: Vec::new(),
    };
    query.overview(&request).unwrap()
}

#[test]
fn what_too_many_flapping_sagas_hide_is_unknown_and_the_rest_of_an_overview_is_told() {
    let found = overview(&flapping(21), None, &[-1, 10 * SECOND, 100 * SECOND]);
    assert_eq!((found.series, found.figures.failed_last_hour), (None, None));
    assert_eq!(found.figures.total(), 21);
}

#[test]
fn flapping_sagas_of_another_type_hide_nothing() {
    let mut events = flapping(21);
    for n in 0..3 {
        let mut event = event_at(&format!("calm{n}"), 10_001 + n, "STEP", Failed);
        event.saga_type = "CALM".into();
        events.push(event);
    }
    let found = overview(&events, Some("CALM"), &[-1, 10 * SECOND, 100 * SECOND]);
    let series = found.series.unwrap();
    assert_eq!(found.figures.failed_last_hour, Some(3));
    assert_eq!(
        series.iter().map(|of| of.entered(Failed)).collect::<Vec<_>>(),
        [0, 3]
    );
}

/// Of twenty changes the first six and the last are kept: behind the last one the index counts three failures, and in
/// the middle, after a failure, four.
#[test]
fn no_saga_takes_entries_away_from_others() {
    let mut events = flapping(2);
    // Another saga that fails where the others fall from four to three.
    let mut other = event_at("other", 5_000, "STEP", Failed);
    other.recorded_at = Millis(DAY + 19 * SECOND);
    other.arrived_at = other.recorded_at;
    events.push(other);
    let edges = [-1, 500, 10 * SECOND, 11 * SECOND, 18 * SECOND, 100 * SECOND];
    let series = overview(&events, None, &edges).series.unwrap();
    let failed: Vec<u64> = series.iter().map(|of| of.entered(Failed)).collect();
    assert_eq!(failed, [2, 6, 0, 2, 1]);
    let place = usize::from(Failed.tag());
    let standing: Vec<u64> = series.iter().map(|of| of.standing[place]).collect();
    assert_eq!(standing, [2, 2, 0, 2, 1]);
}

#[test]
fn failures_of_the_last_hour_are_known_where_a_saga_flapped_an_hour_ago() {
    let store = store();
    let mut events = flapping(1);
    events.push(event_at("late", 9_000, "STEP", Failed));
    let last = events.len() - 1;
    events[last].recorded_at = Millis(DAY + 30 * SECOND);
    events[last].arrived_at = events[last].recorded_at;
    project(&store, &events, &[50], 1);
    let query = Query::new(store, Arc::new(SagaDefinitions::default()));
    // An hour before, the flapping saga had just failed once more.
    let now = Millis(DAY + 10 * SECOND + 60 * 60 * SECOND);
    let found = query.live_figures(&[None], now).unwrap();
    assert_eq!(found[0].figures.failed_last_hour, Some(1));
}

/// The same of the census, which tells each moment by itself.
#[test]
fn a_census_says_what_single_sagas_count_less_than_at_the_moment_before() {
    let mut events = flapping(2);
    let mut other = event_at("other", 5_000, "STEP", Failed);
    other.recorded_at = Millis(DAY + 19 * SECOND);
    other.arrived_at = other.recorded_at;
    events.push(other);
    let store = store();
    project(&store, &events, &[50], 1);
    let query = Query::new(store, Arc::new(SagaDefinitions::default()));
    let moments = [10, 11, 18, 100].map(|at| Moment {
        as_of: Some(Millis(DAY + at * SECOND)),
        known_at: None,
    });
    let found = query
        .censuses(&crate::pipeline::query::Filter::default(), &moments)
        .unwrap();
    let place = usize::from(Failed.tag());
    let entered = |of: &[crate::pipeline::query::Census]| {
        of[1].all().entered[place] - of[0].all().entered[place] + of[1].fallen().entered[place]
    };
    assert_eq!(found.windows(2).map(entered).collect::<Vec<_>>(), [0, 2, 1]);
}
