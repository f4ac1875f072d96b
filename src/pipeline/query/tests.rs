use super::*;
use crate::domain::{Event, SagaDefinitions, fold};
use crate::store::SharedStore;
use crate::testkit::{DAY, project, store, traffic};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod as_of;
mod broken_rules;
mod details;
mod edges;
mod inside;
mod known_at;
mod ledger;
mod past;
mod purged;
mod stuck;

/// The answer by brute force: fold every saga, filter, sort.
fn expected(events: &[Event], filter: &Filter, sort: Sort) -> Vec<SagaView> {
    let definitions = SagaDefinitions::default();
    let ids: BTreeSet<&str> = events.iter().map(|event| event.saga_id.as_str()).collect();
    let mut views: Vec<SagaView> = ids
        .into_iter()
        .map(|id| {
            let own: Vec<Event> = events
                .iter()
                .filter(|e| e.saga_id.as_str() == id)
                .cloned()
                .collect();
            SagaView {
                saga_id: id.into(),
                state: fold(&own, &definitions).unwrap(),
            }
        })
        .filter(|view| {
            filter
                .order_id
                .as_ref()
                .is_none_or(|order| *order == view.state.order_id)
                && filter
                    .saga_type
                    .as_ref()
                    .is_none_or(|wanted| *wanted == view.state.saga_type)
                && filter.status.is_none_or(|wanted| wanted == view.state.status)
                && filter.from.is_none_or(|from| view.state.started_at >= from)
                && filter.to.is_none_or(|to| view.state.started_at <= to)
        })
        .collect();
    views.sort_by_key(|view| {
        let at = match sort.key {
            SortKey::StartedAt => view.state.started_at,
            SortKey::UpdatedAt => view.state.updated_at,
        };
        (at, view.saga_id.clone())
    });
    if sort.descending {
        views.reverse();
    }
    views
}

fn query(events: &[Event]) -> Query {
    let store = store();
    project(&store, events, &[13], 1);
    Query::new(store, Arc::new(SagaDefinitions::default()))
}

fn filters() -> impl Strategy<Value = Filter> {
    let date = || {
        proptest::option::of(
            prop_oneof![0i64..20, 0i64..20_000, 0i64..400_000_000].prop_map(|at| Millis(DAY + at)),
        )
    };
    (
        proptest::option::weighted(0.2, select(vec!["o1", "o2", "none"])),
        proptest::option::of(select(vec!["ORDER_CREATION", "REFUND", "UNKNOWN"])),
        proptest::option::of(select(SagaStatus::ALL.to_vec())),
        date(),
        date(),
    )
        .prop_map(|(order, saga_type, status, from, to)| Filter {
            order_id: order.map(Into::into),
            saga_type: saga_type.map(Into::into),
            status,
            from,
            to,
            ..Filter::default()
        })
}

fn sorts() -> impl Strategy<Value = Sort> {
    (
        select(vec![SortKey::StartedAt, SortKey::UpdatedAt]),
        any::<bool>(),
    )
        .prop_map(|(key, descending)| Sort { key, descending })
}

/// Many sagas, each of a few events, so that cells hold several and pages are many.
fn crowd() -> impl Strategy<Value = Vec<Event>> {
    (traffic(120), select(vec![1usize, 10, 40])).prop_map(|(mut events, spread)| {
        for (index, event) in events.iter_mut().enumerate() {
            event.saga_id = format!("{}-{}", event.saga_id, index % spread).into();
        }
        events
    })
}

/// Hundreds of types, some of which begin with others, in few cells: so that rows are jumped over.
fn many_types() -> impl Strategy<Value = Vec<Event>> {
    (
        traffic(300),
        select(vec![1i64, 100_000, 10_000_000]),
        select(vec![10usize, 200]),
    )
        .prop_map(|(mut events, spread, types)| {
            for (index, event) in events.iter_mut().enumerate() {
                let of = index * 7 % types;
                event.saga_id = format!("{}-{}", event.saga_id, index % 250).into();
                event.saga_type = match of % 4 {
                    0 => format!("REFUND{of}"),
                    1 => format!("{}REFUND", of % 10),
                    2 => format!("REFUND\u{0}{}", "\u{80}".repeat(of % 5)),
                    _ => "REFUND".to_owned(),
                }
                .into();
                event.recorded_at.0 += index as i64 * spread;
            }
            events
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pages_and_sums_of_many_types_are_those_of_a_sorted_list(
        events in many_types(), filter in filters(), sort in sorts(), size in select(vec![1usize, 7, 30]), at in 0usize..40,
    ) {
        let query = query(&events);
        let all = expected(&events, &filter, sort);
        for number in [0, 1, at, all.len() / size] {
            let window = Window::Page { number: number as u64, size };
            let page = query.search(&SearchRequest { filter: filter.clone(), sort, window }).unwrap();
            prop_assert_eq!(page.total, all.len() as u64);
            let wanted: Vec<SagaView> = all.iter().skip(number * size).take(size).cloned().collect();
            prop_assert_eq!(page.sagas, wanted);
        }
        let mut request = SearchRequest { filter: filter.clone(), sort, window: Window::Page { number: 0, size } };
        let mut seen = Vec::new();
        loop {
            let page = query.search(&request).unwrap();
            seen.extend(page.sagas);
            match page.next_cursor {
                Some(cursor) => request.window = Window::After { cursor, size },
                None => break,
            }
        }
        prop_assert_eq!(&seen, &all);
        let statistics = query.statistics(&filter).unwrap();
        let mut by_type = BTreeMap::new();
        for view in &all {
            *by_type.entry(view.state.saga_type.as_str().to_owned()).or_insert(0) += 1;
        }
        prop_assert_eq!(statistics.by_type, by_type);
    }

    #[test]
    fn pages_are_those_of_a_sorted_list(
        events in crowd(), filter in filters(), sort in sorts(), size in 1usize..12,
    ) {
        let query = query(&events);
        let all = expected(&events, &filter, sort);
        for number in 0..=(all.len() / size + 1) {
            let window = Window::Page { number: number as u64, size };
            let page = query.search(&SearchRequest { filter: filter.clone(), sort, window }).unwrap();
            prop_assert_eq!(page.total, all.len() as u64);
            let wanted: Vec<SagaView> = all.iter().skip(number * size).take(size).cloned().collect();
            prop_assert_eq!(page.next_cursor.is_some(), number * size + wanted.len() < all.len() && !wanted.is_empty());
            prop_assert_eq!(page.sagas, wanted);
        }
    }

    #[test]
    fn cursors_lead_through_the_same_list(
        events in crowd(), filter in filters(), sort in sorts(), size in 1usize..12,
    ) {
        let query = query(&events);
        let request = |window| SearchRequest { filter: filter.clone(), sort, window };
        let mut page = query.search(&request(Window::Page { number: 0, size })).unwrap();
        let mut seen = page.sagas;
        while let Some(cursor) = page.next_cursor {
            page = query.search(&request(Window::After { cursor, size })).unwrap();
            seen.extend(page.sagas);
        }
        prop_assert_eq!(seen, expected(&events, &filter, sort));
    }

    #[test]
    fn statistics_are_sums_over_the_matching_sagas(events in crowd(), filter in filters()) {
        let query = query(&events);
        let sort = Sort { key: SortKey::StartedAt, descending: false };
        let all = expected(&events, &filter, sort);
        let statistics = query.statistics(&filter).unwrap();
        prop_assert_eq!(statistics.total(), all.len() as u64);
        for status in SagaStatus::ALL {
            let count = all.iter().filter(|view| view.state.status == status).count();
            prop_assert_eq!(statistics.in_status(status), count as u64);
        }
        let completed: u64 = all
            .iter()
            .filter(|view| view.state.status == SagaStatus::Completed)
            .map(|view| view.state.updated_at.since(view.state.started_at))
            .sum();
        prop_assert_eq!(statistics.completed_millis, completed);
        let definitions = SagaDefinitions::default();
        let nothing = all.iter().filter(|view| {
            let definition = definitions.of(&view.state.saga_type);
            let state = definition.map(|definition| crate::domain::compensation(&view.state, definition).state);
            state == Some(crate::domain::CompensationState::NothingToCompensate)
        });
        prop_assert_eq!(statistics.nothing_to_compensate, Some(nothing.count() as u64));
        let types: BTreeSet<&str> = all.iter().map(|view| view.state.saga_type.as_str()).collect();
        prop_assert_eq!(statistics.by_type.keys().map(String::as_str).collect::<BTreeSet<_>>(), types);
    }

    #[test]
    fn totals_are_sums_over_all_sagas(events in crowd()) {
        let all = expected(&events, &Filter::default(), Sort { key: SortKey::StartedAt, descending: false });
        let totals = query(&events).totals().unwrap();
        let sum = |of: fn(&SagaState) -> u64| all.iter().map(|view| of(&view.state)).sum::<u64>();
        prop_assert_eq!(totals.failed, sum(|s| s.failures.into()));
        prop_assert_eq!(totals.compensated, sum(|s| s.compensations.into()));
        prop_assert_eq!(totals.duplicates, sum(|s| s.duplicates.into()));
        prop_assert_eq!(totals.processed.values().sum::<u64>(), sum(|s| s.step_count.into()));
        prop_assert_eq!(totals.compensation_buckets.iter().sum::<u64>(), sum(|s| s.compensation_times.counts.iter().map(|(_, count)| u64::from(*count)).sum()));
        prop_assert_eq!(totals.last_failed_at, all.iter().filter_map(|v| v.state.last_failed_at).max());
        prop_assert_eq!(totals.active.values().sum::<u64>(), all.len() as u64);
    }
}

#[test]
fn of_steps_without_end_the_known_and_the_most_frequent_are_told_apart() {
    let events: Vec<Event> = (0..1_000u64)
        .map(|n| {
            let step = if n % 4 == 0 {
                "OFTEN".to_owned()
            } else {
                format!("STEP_{n}")
            };
            crate::testkit::event_at(&format!("s{n}"), n, &step, SagaStatus::Started)
        })
        .collect();
    let query = query(&events);
    let all = query.totals().unwrap();
    assert_eq!((all.processed.len(), all.processed_elsewhere.len()), (751, 0));
    let some = query.totals_of(&|step| step == "STEP_999", 3).unwrap();
    let told = |step: &str| {
        some.processed
            .get(&(SagaStatus::Started, step.to_owned()))
            .copied()
    };
    assert_eq!(some.processed.len(), 4);
    assert_eq!((told("OFTEN"), told("STEP_999")), (Some(250), Some(1)));
    assert_eq!(
        some.processed_elsewhere,
        BTreeMap::from([(SagaStatus::Started, 1_000 - 250 - 3)])
    );
}

#[test]
fn a_cursor_of_another_search_is_refused() {
    let query = query(&[]);
    let sort = Sort {
        key: SortKey::StartedAt,
        descending: true,
    };
    for cursor in ["", "zz", "0123", &"0".repeat(40)] {
        let window = Window::After {
            cursor: cursor.to_owned(),
            size: 5,
        };
        let answer = query.search(&SearchRequest {
            filter: Filter::default(),
            sort,
            window,
        });
        assert!(
            matches!(answer, Err(QueryError::BadCursor)),
            "{cursor:?}: {answer:?}"
        );
    }
}
