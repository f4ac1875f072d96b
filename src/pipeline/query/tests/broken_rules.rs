//! Who breaks which rule, and when they last did, is what judging every saga finds: counts, pages, order.

use super::*;
use crate::domain::{CompensationState, ConformanceRule, Violation, compensation, conformance};
use crate::testkit::{differences, event_at, rebuild};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Each saga once for each rule that it breaks, in the order of answers.
fn broken(events: &[Event]) -> Vec<(Millis, SagaId, ConformanceRule, SagaType, Vec<Violation>)> {
    let definitions = SagaDefinitions::default();
    let mut found = Vec::new();
    for view in as_of::stood(events, Moment::default()) {
        let Some(definition) = definitions.of(&view.state.saga_type) else {
            continue;
        };
        let mut by_rule: BTreeMap<ConformanceRule, Vec<Violation>> = BTreeMap::new();
        for violation in conformance(&view.state, definition) {
            by_rule.entry(violation.rule).or_default().push(violation);
        }
        for (rule, violations) in by_rule {
            let at = violations.iter().map(|violation| violation.at).max().unwrap();
            let (saga, saga_type) = (view.saga_id.clone(), view.state.saga_type.clone());
            found.push((at, saga, rule, saga_type, violations));
        }
    }
    found.sort_by_key(|(at, saga, rule, ..)| (Reverse((*at, saga.clone())), *rule));
    found
}

fn request(page: u64, size: usize) -> BrokenRulesRequest {
    BrokenRulesRequest {
        saga_type: None,
        rule: None,
        from: None,
        to: None,
        page,
        size,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn counts_and_pages_are_what_judging_every_saga_finds(
        events in prop_oneof![traffic(60), crowd(), past::deliveries(40), busy(60)], size in select(vec![1usize, 2, 5, 50]),
        saga_type in proptest::option::of(select(vec!["ORDER_CREATION", "PAYMENT_COMPLETION", "REFUND"])),
        rule in proptest::option::of(select(ConformanceRule::ALL.to_vec())),
        edges in (0usize..400, 0i64..1_000_000), dated in any::<[bool; 2]>(),
    ) {
        let query = query(&events);
        let from = events[edges.0 % events.len()].recorded_at;
        let narrowed = BrokenRulesRequest {
            saga_type: saga_type.map(SagaType::from),
            rule,
            from: dated[0].then_some(from),
            to: dated[1].then_some(Millis(from.0 + edges.1)),
            ..request(0, size)
        };
        let mut wanted = broken(&events);
        wanted.retain(|(at, _, rule, saga_type, _)| {
            narrowed.saga_type.as_ref().is_none_or(|of| of == saga_type)
                && narrowed.rule.is_none_or(|of| of == *rule)
                && narrowed.from.is_none_or(|from| from <= *at)
                && narrowed.to.is_none_or(|to| *at <= to)
        });
        let mut counts = BrokenCounts::new();
        for (_, _, rule, saga_type, _) in &wanted {
            *counts.entry((saga_type.to_string(), *rule)).or_default() += 1;
        }
        for page in 0..=(wanted.len() / size) {
            let found = query.broken_rules(&BrokenRulesRequest { page: page as u64, ..narrowed.clone() }).unwrap();
            prop_assert_eq!(&found.counts, &counts);
            prop_assert_eq!(found.total(), wanted.len() as u64);
            let rows: Vec<_> = found.rows.into_iter().map(|row| {
                let saga_type = row.saga.state.saga_type;
                (row.at, row.saga.saga_id, row.rule, saga_type, row.violations)
            }).collect();
            let part: Vec<_> = wanted.iter().skip(page * size).take(size).cloned().collect();
            prop_assert_eq!(rows, part);
        }
    }

    #[test]
    fn rows_and_sums_are_those_of_a_rebuild_whatever_came_in_whichever_order(
        events in prop_oneof![busy(60), past::deliveries(40)], windows in proptest::collection::vec(1usize..9, 1..4),
    ) {
        let store = store();
        project(&store, &events, &windows, 2);
        prop_assert_eq!(differences(&store), Vec::<String>::new());
        let ask = || {
            let query = Query::new(store.clone(), Arc::default());
            (query.broken_rules(&request(0, 100)).unwrap(), query.rule_counts(Millis(DAY)).unwrap())
        };
        let before = ask();
        rebuild(&store);
        prop_assert_eq!(ask(), before);
    }
}

/// Sagas of two types that break rules all the time, some several at one instant.
fn busy(max: usize) -> impl Strategy<Value = Vec<Event>> {
    let steps = select(vec![
        "ORDER_CREATED",
        "STOCK_RESERVED",
        "STOCK_RELEASED",
        "PAYMENT_REFUNDED",
        "ORDER_CONFIRMED",
        "GIFT_WRAPPED",
        "COMPENSATION_SHIPPING",
    ]);
    let one = (0u64..5, steps, select(SagaStatus::ALL.to_vec()), 0i64..12);
    proptest::collection::vec(one, 1..max).prop_map(|rows| {
        (0u64..)
            .zip(rows)
            .map(|(offset, (saga, step, status, at))| {
                let mut event = event_at(&format!("s{saga}"), offset, step, status);
                event.recorded_at = Millis(DAY + 1_000 * at);
                if saga == 0 {
                    event.saga_type = "PAYMENT_COMPLETION".into();
                }
                event
            })
            .collect()
    })
}

/// A saga that owes stock, and had a release of it fail; it is settled by what comes then.
fn owing(saga: &str, first: u64) -> Vec<Event> {
    use SagaStatus::{Failed, InProgress, Started};
    vec![
        event_at(saga, first, "ORDER_CREATED", Started),
        event_at(saga, first + 1, "STOCK_RESERVED", InProgress),
        event_at(saga, first + 2, "PAYMENT_FAILED", Failed),
    ]
}

#[test]
fn a_saga_is_found_as_long_as_it_breaks_a_rule() {
    let store = store();
    let mut events = owing("s", 0);
    project(&store, &events, &[10], 1);
    let query = Query::new(store.clone(), Arc::default());
    let rules = || {
        let found = query.broken_rules(&request(0, 9)).unwrap();
        found
            .rows
            .into_iter()
            .map(|row| (row.rule, row.at))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rules(),
        [(ConformanceRule::NeverCompensated, events[2].recorded_at)]
    );
    let failing = event_at("s", 3, "STOCK_RELEASED", SagaStatus::Failed);
    project(&store, std::slice::from_ref(&failing), &[1], 1);
    assert_eq!(
        rules(),
        [(ConformanceRule::CompensationFailed, failing.recorded_at)]
    );
    events.push(failing);
    assert_eq!(differences(&store), Vec::<String>::new());
}

#[test]
fn a_failed_compensation_counts_once_however_often_it_is_delivered_and_stays_counted() {
    let store = store();
    let mut events = owing("s", 0);
    events.push(event_at("s", 3, "STOCK_RELEASED", SagaStatus::Failed));
    events.push(event_at("s", 4, "STOCK_RELEASED", SagaStatus::Failed));
    let mut again = event_at("s", 5, "STOCK_RELEASED", SagaStatus::Failed);
    again.event_id = "event-4".into();
    events.push(again);
    // To fail is how an order is cancelled well, and of this type nobody knows what compensates.
    events.push(event_at("s", 6, "ORDER_CANCELLED", SagaStatus::Failed));
    let mut other = event_at("t", 7, "STOCK_RELEASED", SagaStatus::Failed);
    other.saga_type = "REFUND".into();
    events.push(other);
    project(&store, &events, &[3], 1);
    let counts = || {
        Query::new(store.clone(), Arc::default())
            .rule_counts(Millis(DAY))
            .unwrap()
    };
    assert_eq!(
        counts().failed_compensations,
        BTreeMap::from([("ORDER_CREATION".to_owned(), 2)])
    );
    rebuild(&store);
    assert_eq!(
        counts().failed_compensations,
        BTreeMap::from([("ORDER_CREATION".to_owned(), 2)])
    );
}

#[test]
fn sagas_are_searched_by_the_rule_that_they_break_now_and_at_any_moment() {
    let mut events = owing("a", 0);
    events.extend(owing("b", 3));
    events.push(event_at("a", 6, "STOCK_RELEASED", SagaStatus::InProgress));
    let query = query(&events);
    let search = |rule, moment| {
        let filter = Filter {
            inside: Inside {
                rule: Some(rule),
                ..Inside::default()
            },
            moment,
            ..Filter::default()
        };
        let sort = Sort {
            key: SortKey::StartedAt,
            descending: false,
        };
        let window = Window::Page { number: 0, size: 10 };
        let page = query.search(&SearchRequest { filter, sort, window }).unwrap();
        assert_eq!(page.total, page.sagas.len() as u64);
        page.sagas
            .iter()
            .map(|view| view.saga_id.to_string())
            .collect::<Vec<_>>()
    };
    let owes = ConformanceRule::NeverCompensated;
    assert_eq!(search(owes, Moment::default()), ["b"]);
    assert_eq!(search(owes, as_of::as_of(events[5].recorded_at.0)), ["a", "b"]);
    assert_eq!(search(owes, as_of::as_of(events[4].recorded_at.0)), ["a"]);
    assert_eq!(
        search(ConformanceRule::OutOfOrder, Moment::default()),
        Vec::<String>::new()
    );
}

#[test]
fn a_row_of_a_rule_that_its_saga_does_not_break_is_told_and_not_served() {
    use crate::store::codec::Record;
    use crate::store::records::PresenceRecord;
    use crate::store::{Batch, Durability, Generation, Key, ProjectionTable, Table, keys};
    let store = store();
    project(&store, &owing("s", 0), &[10], 1);
    let at = Millis(DAY + 2);
    let (mut batch, mut key) = (Batch::new(), Key::default());
    let table = Table::Projection(Generation::A, ProjectionTable::ByRule);
    keys::by_time(
        &mut key,
        &"ORDER_CREATION".into(),
        ConformanceRule::NeverCompensated,
        at,
        &"s".into(),
    );
    assert!(store.get(table, &key).unwrap().is_some());
    batch.delete(table, &key);
    keys::by_time(
        &mut key,
        &"ORDER_CREATION".into(),
        ConformanceRule::NeverCompensated,
        Millis(at.0 + 1),
        &"s".into(),
    );
    batch.put_with(table, &key, |bytes| PresenceRecord.write(bytes));
    store.write(&batch, Durability::Process).unwrap();
    let query = Query::new(store.clone(), Arc::default());
    let error = query.broken_rules(&request(0, 9)).unwrap_err().to_string();
    assert!(error.contains("by_rule: saga s"), "{error}");
    assert!(!differences(&store).is_empty());
}

/// How many sagas failed with nothing to compensate, by brute force.
fn nothing_to_compensate(events: &[Event]) -> BTreeMap<String, u64> {
    let definitions = SagaDefinitions::default();
    let mut counts = BTreeMap::new();
    for view in as_of::stood(events, Moment::default()) {
        let definition = definitions.of(&view.state.saga_type);
        let state = definition.map(|definition| compensation(&view.state, definition).state);
        if state == Some(CompensationState::NothingToCompensate) {
            *counts.entry(view.state.saga_type.to_string()).or_default() += 1;
        }
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_failed_with_nothing_to_compensate_is_counted_apart_by_type(
        events in prop_oneof![traffic(60), crowd(), past::deliveries(40), busy(60)],
    ) {
        let query = query(&events);
        let wanted = nothing_to_compensate(&events);
        prop_assert_eq!(&query.rule_counts(Millis(DAY)).unwrap().nothing_to_compensate, &wanted);
        prop_assert_eq!(&query.broken_rules(&request(0, 1)).unwrap().nothing_to_compensate, &wanted);
    }
}

#[test]
fn a_saga_has_nothing_to_compensate_until_it_is_known_that_something_was_done_before() {
    use SagaStatus::{Failed, InProgress, Started};
    let store = store();
    let query = Query::new(store.clone(), Arc::default());
    let counted = || query.rule_counts(Millis(DAY)).unwrap().nothing_to_compensate;
    let one = BTreeMap::from([("ORDER_CREATION".to_owned(), 1)]);
    let mut events = vec![
        event_at("s", 0, "ORDER_CREATED", Started),
        event_at("s", 1, "STOCK_RESERVATION_FAILED", Failed),
    ];
    let project_last = |events: &[Event]| project(&store, &events[events.len() - 1..], &[1], 1);
    project(&store, &events, &[10], 1);
    assert_eq!(counted(), one);
    // It comes again, and what comes late says that it began earlier.
    let mut again = event_at("s", 2, "STOCK_RESERVATION_FAILED", Failed);
    again.event_id = "event-1".into();
    events.push(again);
    project_last(&events);
    let mut earlier = event_at("s", 3, "ORDER_CREATED", Started);
    earlier.recorded_at = Millis(events[0].recorded_at.0 - 90_000_000);
    events.push(earlier);
    project_last(&events);
    assert_eq!(counted(), one);
    let dated = Filter {
        to: Some(Millis(events[0].recorded_at.0 - 1)),
        ..Filter::default()
    };
    assert_eq!(query.statistics(&dated).unwrap().nothing_to_compensate, Some(1));
    // So does that something was done before.
    let mut late = event_at("s", 4, "STOCK_RESERVED", InProgress);
    late.recorded_at = events[0].recorded_at;
    events.push(late);
    project_last(&events);
    assert_eq!(counted(), BTreeMap::new());
    assert_eq!(query.broken_rules(&request(0, 1)).unwrap().total(), 1);
    assert_eq!(differences(&store), Vec::<String>::new());
    rebuild(&store);
    assert_eq!(counted(), BTreeMap::new());
}
