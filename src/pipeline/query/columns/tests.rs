use super::*;
use crate::domain::{Event, EventRef, Position, SagaDefinitions};
use crate::pipeline::query::{Moment, Query};
use crate::testkit::{event_at, project, store};
use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::Arc;

fn ask(events: &[Event], moment: Moment, request: ColumnsRequest) -> TimelineColumns {
    let store = store();
    project(&store, events, &[13], 1);
    let query = Query::new(store, Arc::new(SagaDefinitions::default()));
    let found = query.timeline(&"s".into(), |timeline| timeline.columns(moment, request));
    found.unwrap().unwrap().unwrap()
}

fn all(max: usize) -> ColumnsRequest {
    ColumnsRequest {
        from: None,
        to: None,
        max,
    }
}

/// A long saga: every tenth event fails, every seventh arrives late, every fifth came twice.
fn long(events: u64) -> Vec<Event> {
    let mut all = Vec::new();
    for n in 0..events {
        let status = if n % 10 == 9 { Failed } else { InProgress };
        let mut event = event_at("s", n * 2, &format!("STEP_{}", n % 4), status);
        event.producer_service = (n % 3 != 0).then(|| format!("service-{}", n % 3).into());
        if n % 7 == 3 {
            event.arrived_at.0 += 5_000;
        }
        all.push(event.clone());
        if n % 5 == 0 {
            event.position = Position::new(0, n * 2 + 1);
            all.push(event);
        }
    }
    all
}

#[test]
fn each_event_is_a_row_with_what_is_worth_knowing_about_it() {
    let mut events = vec![
        event_at("s", 0, "ORDER_CREATED", Started),
        event_at("s", 1, "STOCK_RESERVED", Completed),
        event_at("s", 2, "PAYMENT_FAILED", Failed),
        event_at("s", 3, "ORDER_CREATED", Started),
        event_at("s", 4, "COMPENSATION_ORDER", Compensated),
    ];
    events[1].arrived_at.0 += 1_000;
    events[1].producer_service = Some("product-service".into());
    events[3].event_id = events[0].event_id.clone();
    events[3].recorded_at = events[0].recorded_at;
    events[3].event_timestamp = events[0].event_timestamp;
    let found = ask(&events, Moment::default(), all(100));
    let rows: Vec<_> = found
        .rows
        .iter()
        .map(|row| {
            let step = &*found.names.steps[row.step as usize];
            let service = row
                .service
                .map(|service| &*found.names.services[service as usize]);
            (
                row.number,
                step,
                service,
                row.effective,
                row.deliveries,
                row.flags,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (1, "ORDER_CREATED", None, Started, 2, 0),
            (
                2,
                "STOCK_RESERVED",
                Some("product-service"),
                InProgress,
                1,
                Flag::Late.bit()
            ),
            (3, "PAYMENT_FAILED", None, Failed, 1, 0),
            (4, "COMPENSATION_ORDER", None, Compensated, 1, 0),
        ]
    );
    let states: Vec<_> = found.states.iter().map(|state| state.status).collect();
    assert_eq!(states, [Started, InProgress, Failed, Compensated]);
    assert_eq!((found.whole, found.total, found.density), (4, 4, None));
}

#[test]
fn of_more_events_than_fit_the_notable_ones_stand_beside_the_density_of_the_others() {
    let events = long(200);
    let found = ask(&events, Moment::default(), all(50));
    let density = found.density.unwrap();
    assert_eq!((found.whole, found.total), (200, 200));
    let counted: u64 = density.cells.iter().map(|cell| cell.count).sum();
    assert_eq!(counted + found.rows.len() as u64, 200);
    assert!(
        found
            .rows
            .iter()
            .all(|row| row.flags != 0 || row.deliveries > 1 || row.status == Failed)
    );
    assert!(found.rows.len() <= 2 * MAX_NOTABLE && found.notable_left_out > 0);
    assert!(density.cells.len() <= 24);
    assert_eq!(found.states.len(), 2);
}

#[test]
fn the_part_that_is_asked_for_is_exact_where_it_fits() {
    let events = long(200);
    let at = |n: usize| {
        events
            .iter()
            .find(|event| event.position.offset == 2 * n as u64)
            .unwrap()
            .recorded_at
    };
    let request = ColumnsRequest {
        from: Some(at(100)),
        to: Some(at(119)),
        max: 20,
    };
    let found = ask(&events, Moment::default(), request);
    let numbers: Vec<u32> = found.rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (101..=120).collect::<Vec<_>>());
    assert_eq!((found.whole, found.total, found.density), (200, 20, None));
}

/// The same by looking at every event.
fn naive_late(events: &[EventRef<'_>]) -> Vec<bool> {
    let late = |at: usize| {
        let behind = events[at + 1..].iter().map(|event| event.arrived_at).min();
        behind.is_some_and(|first| events[at].arrived_at > first)
    };
    (0..events.len()).map(late).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn columns_hold_what_the_steps_do(
        delays in proptest::collection::vec(0i64..40, 1..60), known in proptest::option::of(0i64..80),
    ) {
        let events: Vec<Event> = (0u64..).zip(&delays).map(|(n, delay)| {
            let mut event = event_at("s", n, "STEP", if n % 6 == 5 { Failed } else { InProgress });
            event.arrived_at.0 += *delay;
            event
        }).collect();
        let moment = Moment { as_of: None, known_at: known.map(|at| Millis(events[0].recorded_at.0 + at)) };
        let store = store();
        project(&store, &events, &[13], 1);
        let query = Query::new(store, Arc::new(SagaDefinitions::default()));
        query.timeline(&"s".into(), |timeline| {
            let columns = timeline.columns(moment, all(1_000))?;
            let mut steps = Vec::new();
            let mut refs = Vec::new();
            timeline.steps(moment, None, &mut |step| {
                steps.push((step.number, step.event.place, step.event.status, step.effective));
                ControlFlow::Continue(())
            })?;
            timeline.events(moment, &mut |event| {
                refs.push((event.place, event.arrived_at));
                ControlFlow::Continue(())
            })?;
            let own: Vec<EventRef<'_>> = refs.iter().map(|(place, _)| {
                events.iter().find(|event| event.timeline_key() == *place).unwrap().view()
            }).collect();
            let late = naive_late(&own);
            let rows: Vec<_> = columns.iter().flat_map(|found| &found.rows).collect();
            let told: Vec<_> = rows.iter().map(|row| (row.number, row.place, row.status, row.effective)).collect();
            assert_eq!(told, steps);
            let told: Vec<_> = rows.iter().map(|row| row.flags & Flag::Late.bit() != 0).collect();
            assert_eq!(told, late);
            Ok(())
        }).unwrap();
    }
}
