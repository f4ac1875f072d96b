use super::*;
use crate::domain::{Event, SagaDefinitions};
use crate::pipeline::query::Query;
use crate::testkit::{DAY, event_at, project, store};
use SagaStatus::{Completed, Failed, InProgress, Started};
use std::sync::Arc;

/// A saga each second for so many seconds; every third one fails.
fn events(sagas: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for n in 0..sagas {
        for (place, step) in ["CREATED", "RESERVED", "ENDED"].into_iter().enumerate() {
            let status = match (place, n % 3) {
                (0, _) => Started,
                (1, _) => InProgress,
                (_, 0) => Failed,
                _ => Completed,
            };
            let mut event = event_at(&format!("s{n}"), n * 3 + place as u64, step, status);
            event.recorded_at = Millis(DAY + n as i64 * 1_000 + place as i64 * 10);
            event.arrived_at = event.recorded_at;
            events.push(event);
        }
    }
    events
}

fn query(events: &[Event]) -> Query {
    let store = store();
    project(&store, events, &[13], 1);
    Query::new(store, Arc::new(SagaDefinitions::default()))
}

#[test]
fn an_overview_says_how_things_stand_and_what_failed_last() {
    let (query, now) = (query(&events(30)), Millis(DAY + 40_000));
    let request = OverviewRequest {
        saga_type: None,
        now,
        period: (Millis(DAY + 10_000), now),
        edges: vec![Millis(DAY - 1), Millis(DAY + 14_999), now],
        counted: [Failed, Completed]
            .map(|status| Filter {
                status: Some(status),
                from: Some(Millis(0)),
                ..Filter::default()
            })
            .to_vec(),
    };
    let found = query.overview(&request).unwrap();
    assert_eq!(
        found.counts,
        [Failed, Completed].map(|status| found.figures.by_status[&status])
    );
    assert_eq!(query.counts(&request.counted).unwrap(), found.counts);
    assert_eq!(found.figures.total(), 30);
    assert_eq!(found.figures.by_status[&Failed], 10);
    assert_eq!(found.figures.failed_last_hour, Some(10));
    let series = found.series.unwrap();
    let failed: Vec<u64> = series.iter().map(|stretch| stretch.entered(Failed)).collect();
    assert_eq!(failed, [5, 5]);
    let newest: Vec<&str> = found
        .newest_failed
        .iter()
        .map(|saga| saga.saga_id.as_str())
        .collect();
    assert_eq!(newest, ["s27", "s24", "s21", "s18", "s15", "s12", "s9", "s6"]);
    let flow = found.flow.unwrap();
    assert_eq!(
        (flow.flow.sagas, flow.is_whole, found.day_before),
        (20, true, None)
    );
    let pair = ("CREATED".to_owned(), "RESERVED".to_owned());
    assert_eq!(flow.flow.edges[&pair].count(), 20);
}

#[test]
fn live_figures_are_of_each_type_that_is_watched() {
    let mut events = events(9);
    for event in &mut events[..9] {
        event.saga_type = "ANOTHER".into();
    }
    let (query, now) = (query(&events), Millis(DAY + 40_000));
    let types = [None, Some("ANOTHER".into()), Some(SagaType::new("ELSE"))];
    let found = query.live_figures(&types, now).unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|of| (of.figures.total(), of.flow.as_ref().map(|flow| flow.flow.sagas)))
        .collect();
    assert_eq!(
        told,
        [(9, Some(6)), (3, Some(3)), (0, None)],
        "of all, the flow of the type with the most events"
    );
}
