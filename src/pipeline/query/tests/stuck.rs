//! The stuck sagas of an instant are those of a fold of what had happened by then; those of now, of a fold of all.

use super::as_of::{arriving, as_of, known_at, moment_of, stood};
use super::*;
use crate::domain::{Stuck, StuckRule, stuck};

/// Stuck sagas by brute force, in order.
fn expected(events: &[Event], request: &StuckRequest) -> Vec<(SagaId, Stuck)> {
    let definitions = SagaDefinitions::default();
    let moment = Moment {
        as_of: (!request.moment.is_now()).then(|| request.at()),
        ..request.moment
    };
    let mut found: Vec<_> = stood(events, moment)
        .into_iter()
        .filter_map(|view| {
            let definition = definitions.of(&view.state.saga_type)?;
            let stuck = stuck(&view.state, definition, request.at())?;
            Some((view, stuck))
        })
        .filter(|(view, stuck)| {
            request.rule.is_none_or(|rule| rule == stuck.rule)
                && request
                    .saga_type
                    .as_ref()
                    .is_none_or(|of| *of == view.state.saga_type)
                && request.to.is_none_or(|to| view.state.started_at <= to)
        })
        .collect();
    found.sort_by_key(|(view, stuck)| {
        let state = &view.state;
        (
            stuck.rule,
            state.saga_type.clone(),
            stuck.since,
            view.saga_id.clone(),
        )
    });
    if request.newest_first {
        let of_one_type = |(a, by_a): &(SagaView, Stuck), (b, by_b): &(SagaView, Stuck)| {
            (by_a.rule, &a.state.saga_type) == (by_b.rule, &b.state.saga_type)
        };
        found.chunk_by_mut(of_one_type).for_each(<[_]>::reverse);
    }
    found
        .into_iter()
        .map(|(view, stuck)| (view.saga_id, stuck))
        .collect()
}

fn request(at: Millis) -> StuckRequest {
    StuckRequest {
        moment: as_of(at.0),
        now: Millis(i64::MAX),
        saga_type: None,
        rule: None,
        from: None,
        to: None,
        page: 0,
        size: 20,
        newest_first: false,
    }
}

/// The same of sagas as they stand, where that instant is now.
fn live(request: &StuckRequest) -> StuckRequest {
    StuckRequest {
        moment: Moment::default(),
        now: request.at(),
        ..request.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stuck_sagas_are_those_of_a_fold_of_what_had_happened(
        events in crowd(), place in 0usize..400, by in select(vec![-1i64, 0, 1, 60_000]),
        waited in select(vec![0i64, 300_000, 1_800_000]), size in select(vec![1usize, 3, 30]),
        rule in proptest::option::of(select(vec![StuckRule::PastDeadline, StuckRule::CompensationOverdue])),
        saga_type in proptest::option::of(select(vec!["ORDER_CREATION", "REFUND"])), cut in any::<bool>(),
        now in any::<bool>(), newest_first in any::<bool>(),
    ) {
        let query = query(&events);
        let at = events[place % events.len()].recorded_at;
        let request = StuckRequest {
            newest_first,
            saga_type: saga_type.map(SagaType::from),
            rule,
            to: cut.then_some(at),
            ..request(Millis(at.0 + waited + by))
        };
        let request = if now { live(&request) } else { request };
        same_pages(&query, &events, &StuckRequest { size, ..request })?;
    }

    #[test]
    fn stuck_sagas_as_they_were_known_are_those_of_a_fold_of_what_had_arrived(
        events in crowd(), when in known_at(), place in 0usize..400, by in select(vec![-1i64, 0, 1, 60_000]),
        waited in select(vec![0i64, 300_000, 1_800_000]), size in select(vec![1usize, 3, 30]),
        rule in proptest::option::of(select(vec![StuckRule::PastDeadline, StuckRule::CompensationOverdue])),
        saga_type in proptest::option::of(select(vec!["ORDER_CREATION", "REFUND"])), cut in any::<bool>(),
    ) {
        let events = arriving(events);
        let query = query(&events);
        let known = moment_of(&events, when);
        let at = events[place % events.len()].recorded_at;
        let request = StuckRequest {
            moment: Moment { as_of: known.as_of.map(|at| Millis(at.0 + waited)), ..known },
            now: Millis(at.0 + waited + by),
            saga_type: saga_type.map(SagaType::from),
            rule,
            to: cut.then_some(at),
            size,
            ..request(at)
        };
        same_pages(&query, &events, &request)?;
    }
}

/// Every page of the answer is that of the list by brute force.
fn same_pages(query: &Query, events: &[Event], request: &StuckRequest) -> Result<(), TestCaseError> {
    let (all, size) = (expected(events, request), request.size);
    for page in 0..=(all.len() / size) {
        let asked = StuckRequest {
            page: page as u64,
            ..request.clone()
        };
        let found = match query.stuck(&asked) {
            Err(QueryError::TooManyFailed { found, limit }) => {
                prop_assert!(found > limit);
                break;
            }
            found => found.unwrap(),
        };
        prop_assert_eq!(found.total, all.len() as u64);
        let sagas = found.sagas.into_iter();
        let sagas: Vec<(SagaId, Stuck)> = sagas.map(|(view, stuck)| (view.saga_id, stuck)).collect();
        let wanted: Vec<_> = all.iter().skip(page * size).take(size).cloned().collect();
        prop_assert_eq!(sagas, wanted);
    }
    Ok(())
}

/// So many sagas that reserved stock before they failed, and one that had nothing to undo.
fn failures(sagas: u64) -> Vec<Event> {
    let mut events = Vec::new();
    let mut add = |saga: &str, step: &str, status| {
        let offset = events.len() as u64;
        events.push(crate::testkit::event_at(saga, offset, step, status));
    };
    for n in 0..sagas {
        let saga = format!("s{n:03}");
        add(&saga, "ORDER_CREATED", SagaStatus::Started);
        add(&saga, "STOCK_RESERVED", SagaStatus::InProgress);
        add(&saga, "PAYMENT_FAILED", SagaStatus::Failed);
    }
    add("nothing", "ORDER_CREATED", SagaStatus::Started);
    add("nothing", "STOCK_RESERVATION_FAILED", SagaStatus::Failed);
    events
}

#[test]
fn what_failed_is_overdue_only_where_something_is_owed_and_only_after_its_time() {
    let events = failures(3);
    let query = query(&events);
    let failed_at = events[2].recorded_at;
    let definition = SagaDefinitions::default();
    let definition = definition.of(&events[2].saga_type).unwrap();
    let due = failed_at.0 + definition.compensation_seconds as i64 * 1_000;
    let total = |at: i64| {
        let rule = Some(StuckRule::CompensationOverdue);
        query
            .stuck(&StuckRequest {
                rule,
                ..request(Millis(at))
            })
            .unwrap()
    };
    assert_eq!(total(due - 1).total, 0);
    let found = total(due);
    assert_eq!(found.sagas[0].0.saga_id.as_str(), "s000");
    assert_eq!(found.sagas[0].1.since, Millis(due));
    assert!(!found.sagas[0].1.awaited.is_empty());
    let all = total(due + 60_000_000);
    assert_eq!((all.total, all.sagas.len()), (3, 3));
}

#[test]
fn any_number_of_overdue_sagas_is_told_now_and_counted_by_type() {
    let events = failures(80);
    let query = query(&events);
    let later = live(&request(Millis(events[0].recorded_at.0 + 1_000_000_000)));
    for (page, sagas) in [(0, 20), (3, 20), (4, 0)] {
        let found = query
            .stuck(&StuckRequest {
                page,
                ..later.clone()
            })
            .unwrap();
        assert_eq!((found.total, found.sagas.len()), (80, sagas), "{page}");
        for (n, (view, stuck)) in found.sagas.iter().enumerate() {
            assert_eq!(view.saga_id.as_str(), format!("s{:03}", 20 * page as usize + n));
            assert_eq!(stuck.rule, StuckRule::CompensationOverdue);
        }
    }
    let counts = query.rule_counts(later.now).unwrap().stuck;
    let expected = StuckCounts {
        past_deadline: 0,
        compensation_overdue: 80,
    };
    assert_eq!(counts["ORDER_CREATION"], expected);
    assert_eq!(counts["PAYMENT_COMPLETION"], StuckCounts::default());
    // Which of them started in a period only their states tell.
    let dated = StuckRequest {
        to: Some(events[150].recorded_at),
        ..later.clone()
    };
    assert_eq!(query.stuck(&dated).unwrap().total, 51);
    let refused = query
        .stuck(&StuckRequest {
            from: Some(events[0].recorded_at),
            ..later
        })
        .unwrap_err();
    assert!(
        matches!(refused, QueryError::TooManyFailed { found: 81, .. }),
        "{refused}"
    );
}

#[test]
fn more_failed_sagas_than_are_looked_through_are_refused_and_deadlines_are_still_told() {
    let events = failures(80);
    let query = query(&events);
    let later = request(Millis(events[0].recorded_at.0 + 1_000_000_000));
    let refused = query.stuck(&later).unwrap_err();
    assert!(
        matches!(refused, QueryError::TooManyFailed { found: 81, .. }),
        "{refused}"
    );
    let rule = Some(StuckRule::PastDeadline);
    assert_eq!(
        query
            .stuck(&StuckRequest {
                rule,
                ..later.clone()
            })
            .unwrap()
            .total,
        0
    );
    let narrow = StuckRequest {
        to: Some(events[30].recorded_at),
        ..later
    };
    assert_eq!(query.stuck(&narrow).unwrap().total, 11);
}
