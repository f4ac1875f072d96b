//! Search by what happened inside of sagas is what looking at every event finds: now and at any moment, whatever else
//! is asked for.

use super::super::candidates::MAX_EXAMINED;
use super::super::examine::MAX_READ;
use super::*;
use crate::program::demo::rng::Rng;
use crate::simulator::oracle::inside::differences;
use crate::store::layer::{Layer, Layered};
use crate::store::{ProjectionTable, Scan, StoreRead, Table, VisitRow};
use crate::testkit::event_at;
use std::sync::atomic::{AtomicU64, Ordering};

fn by_saga(events: &[Event]) -> Vec<(SagaId, Vec<Event>)> {
    let ids: BTreeSet<&SagaId> = events.iter().map(|event| &event.saga_id).collect();
    let own = |id: &SagaId| {
        events
            .iter()
            .filter(|event| event.saga_id == *id)
            .cloned()
            .collect()
    };
    ids.into_iter().map(|id| (id.clone(), own(id))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_search_by_what_happened_inside_is_what_looking_at_every_event_finds(
        events in prop_oneof![traffic(60), crowd(), past::deliveries(40)], seed: u64,
    ) {
        let (query, sagas) = (query(&events), by_saga(&events));
        let sagas: Vec<(&SagaId, Vec<Event>)> = sagas.iter().map(|(id, own)| (id, own.clone())).collect();
        let mut rng = Rng::new(seed);
        for _ in 0..24 {
            let found = differences(&query, &sagas, &mut rng).unwrap_or_default();
            prop_assert!(found.is_empty(), "{found:#?}");
        }
    }
}

fn asked(query: &Query, filter: Filter) -> Result<Vec<String>, QueryError> {
    let page = query.search(&SearchRequest {
        filter,
        sort: Sort {
            key: SortKey::StartedAt,
            descending: false,
        },
        window: Window::Page {
            number: 0,
            size: 1_000,
        },
    })?;
    assert_eq!(page.total, page.sagas.len() as u64);
    Ok(page.sagas.iter().map(|view| view.saga_id.to_string()).collect())
}

fn inside(query: &Query, inside: Inside) -> Vec<String> {
    let filter = Filter {
        inside,
        ..Filter::default()
    };
    asked(query, filter).unwrap()
}

/// Three sagas: one paid and confirmed, one only paid, one neither.
fn shop() -> Vec<Event> {
    use SagaStatus::{Completed, InProgress, Started};
    let mut events = vec![
        event_at("both", 0, "ORDER_CREATED", Started),
        event_at("paid", 1, "ORDER_CREATED", Started),
        event_at("none", 2, "ORDER_CREATED", Started),
        event_at("both", 3, "PAYMENT_COMPLETED", Completed),
        event_at("paid", 4, "PAYMENT_COMPLETED", Completed),
        event_at("none", 5, "STOCK_RESERVED", InProgress),
        event_at("both", 6, "ORDER_CONFIRMED", Completed),
        event_at("paid", 7, "STOCK_RESERVED", InProgress),
    ];
    for (event, service) in events
        .iter_mut()
        .zip(["orders", "orders", "shop", "payments"].iter().cycle())
    {
        event.producer_service = Some((*service).into());
        event.trace_id = Some(format!("trace of {}", event.saga_id).into());
    }
    events
}

#[test]
fn each_filter_and_each_pair_of_them_finds_its_sagas() {
    let query = query(&shop());
    let step = |steps: &[&str]| Inside {
        steps: steps.iter().map(|step| (*step).into()).collect(),
        ..Inside::default()
    };
    let without = |wanted: Inside, steps: &[&str]| Inside {
        without_steps: steps.iter().map(|step| (*step).into()).collect(),
        ..wanted
    };
    let by = |wanted: Inside, service: &str| Inside {
        producer_service: Some(service.into()),
        ..wanted
    };
    let of = |wanted: Inside, trace: &str| Inside {
        trace_id: Some(trace.into()),
        ..wanted
    };
    let all = Inside::default;
    let cases = [
        (step(&["PAYMENT_COMPLETED"]), vec!["both", "paid"]),
        (step(&["PAYMENT_COMPLETED", "ORDER_CONFIRMED"]), vec!["both"]),
        (step(&["PAYMENT_COMPLETED", "STOCK_RESERVED"]), vec!["paid"]),
        (step(&["PAYMENT"]), vec![]),
        (step(&["payment_completed"]), vec![]),
        (without(all(), &["ORDER_CONFIRMED"]), vec!["paid", "none"]),
        (without(all(), &["ORDER_CONFIRMED", "STOCK_RESERVED"]), vec![]),
        (without(all(), &["NOBODY"]), vec!["both", "paid", "none"]),
        (by(all(), "orders"), vec!["both", "paid", "none"]),
        (by(all(), "shop"), vec!["both", "none"]),
        (by(all(), "sho"), vec![]),
        (of(all(), "trace of paid"), vec!["paid"]),
        (of(all(), "trace"), vec![]),
        (
            without(step(&["PAYMENT_COMPLETED"]), &["ORDER_CONFIRMED"]),
            vec!["paid"],
        ),
        (by(step(&["ORDER_CONFIRMED"]), "shop"), vec!["both"]),
        (of(step(&["ORDER_CONFIRMED"]), "trace of paid"), vec![]),
        (by(without(all(), &["ORDER_CONFIRMED"]), "shop"), vec!["none"]),
        (
            of(without(all(), &["ORDER_CONFIRMED"]), "trace of none"),
            vec!["none"],
        ),
        (of(by(all(), "shop"), "trace of both"), vec!["both"]),
    ];
    for (wanted, sagas) in cases {
        assert_eq!(inside(&query, wanted.clone()), sagas, "{wanted:?}");
    }
}

/// So many sagas of two events, none of which is told by a definition.
fn many(sagas: u64) -> Vec<Event> {
    let saga = |n: u64| {
        let two = [(2 * n, "A"), (2 * n + 1, "B")];
        two.map(|(offset, step)| {
            let mut event = event_at(&format!("s{n:04}"), offset, step, SagaStatus::InProgress);
            event.saga_type = "REFUND".into();
            event.order_id = format!("order-{}", n % 2).into();
            event.trace_id = Some(if n == 7 { "seven" } else { "all" }.into());
            event
        })
    };
    (0..sagas).flat_map(saga).collect()
}

fn by_step(step: &str) -> Filter {
    Filter {
        inside: Inside {
            steps: vec![step.into()],
            ..Inside::default()
        },
        ..Filter::default()
    }
}

#[test]
fn more_sagas_than_are_looked_at_are_refused_by_number_unless_something_narrows_them() {
    let most = query(&many(MAX_EXAMINED));
    assert_eq!(asked(&most, by_step("A")).unwrap().len() as u64, MAX_EXAMINED);
    let events = many(MAX_EXAMINED + 2);
    let query = query(&events);
    let refused = |filter: Filter| asked(&query, filter).unwrap_err().to_string();
    let too_many = MAX_EXAMINED + 2;
    for moment in [Moment::default(), as_of::as_of(DAY + 10_000_000)] {
        let said = refused(Filter {
            moment,
            ..by_step("A")
        });
        assert!(said.starts_with(&format!("{too_many} sagas")), "{said}");
        assert!(said.contains(&format!("most {MAX_EXAMINED} are")), "{said}");
        let narrowed = Filter {
            moment,
            to: Some(events.last().unwrap().recorded_at),
            from: Some(events[3].recorded_at),
            ..by_step("A")
        };
        assert_eq!(asked(&query, narrowed).unwrap().len() as u64, MAX_EXAMINED);
    }
    let of_order = Filter {
        order_id: Some("order-1".into()),
        ..by_step("A")
    };
    assert_eq!(
        asked(&query, of_order).unwrap().len() as u64,
        MAX_EXAMINED / 2 + 1
    );
    let traced = |trace: &str, filter: Filter| Filter {
        inside: Inside {
            trace_id: Some(trace.into()),
            ..filter.inside.clone()
        },
        ..filter
    };
    assert_eq!(asked(&query, traced("seven", by_step("A"))).unwrap(), ["s0007"]);
    let said = refused(traced("all", Filter::default()));
    assert!(
        said.starts_with(&format!("{} sagas or more", MAX_EXAMINED + 1)),
        "{said}"
    );
}

#[test]
fn only_sagas_that_can_be_stuck_are_looked_at() {
    // The others are of a type that has no deadline.
    let mut events = many(MAX_EXAMINED + 2);
    let next = events.len() as u64;
    events.push(event_at("late", next, "ORDER_CREATED", SagaStatus::Started));
    let query = query(&events);
    let later = DAY + 10_000_000_000;
    for moment in [Moment::default(), as_of::as_of(later)] {
        let stuck = Some(AskedStuck {
            rule: None,
            now: Millis(later),
        });
        let filter = Filter {
            inside: Inside {
                stuck,
                ..Inside::default()
            },
            moment,
            ..Filter::default()
        };
        assert_eq!(asked(&query, filter).unwrap(), ["late"], "{moment:?}");
    }
}

#[test]
fn only_sagas_that_failed_are_looked_at_for_nothing_to_compensate() {
    let mut events = many(MAX_EXAMINED + 2);
    let next = events.len() as u64;
    events.push(event_at(
        "out",
        next,
        "STOCK_RESERVATION_FAILED",
        SagaStatus::Failed,
    ));
    let query = query(&events);
    for moment in [Moment::default(), as_of::as_of(DAY + 10_000_000)] {
        let filter = Filter {
            inside: Inside {
                compensation: Some(crate::domain::CompensationState::NothingToCompensate),
                ..Inside::default()
            },
            moment,
            ..Filter::default()
        };
        assert_eq!(asked(&query, filter).unwrap(), ["out"], "{moment:?}");
    }
}

/// Counts the rows that are read of the index by trace.
#[derive(Clone, Default)]
struct TraceRows(Arc<AtomicU64>);

impl Layer for TraceRows {
    fn scan(
        &self,
        inner: &(impl StoreRead + ?Sized),
        scan: Scan<'_>,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        let is_ours = matches!(scan.table(), Table::Projection(_, ProjectionTable::ByTrace));
        scan.visit(inner, &mut |sort, value| {
            self.0.fetch_add(u64::from(is_ours), Ordering::Relaxed);
            visit(sort, value)
        })
    }
}

#[test]
fn an_index_is_not_read_beyond_what_is_looked_at() {
    let store = store();
    project(&store, &many(2 * MAX_EXAMINED), &[usize::MAX], 1);
    let rows = TraceRows::default();
    let counted: SharedStore = Arc::new(Layered::over(store, rows.clone()));
    let query = Query::new(counted, Arc::<SagaDefinitions>::default());
    let of_trace = Filter {
        inside: Inside {
            trace_id: Some("all".into()),
            ..Inside::default()
        },
        ..Filter::default()
    };
    let said = asked(&query, of_trace).unwrap_err().to_string();
    assert!(
        said.starts_with(&format!("{} sagas or more", MAX_EXAMINED + 1)),
        "{said}"
    );
    assert_eq!(rows.0.load(Ordering::Relaxed), MAX_EXAMINED + 1);
}

#[test]
fn more_events_than_are_read_are_refused_and_those_that_a_state_tells_are_not_read() {
    let long = |saga_type: &str| -> Vec<Event> {
        (0..=MAX_READ)
            .map(|n| {
                let step = if n == 0 {
                    "ORDER_CONFIRMED"
                } else {
                    "STOCK_RESERVED"
                };
                let mut event = event_at("long", n, step, SagaStatus::InProgress);
                event.saga_type = saga_type.into();
                event
            })
            .collect()
    };
    let of = |events: &[Event], step: &str| {
        let store = store();
        project(&store, events, &[1_000], 1);
        asked(
            &Query::new(store, Arc::new(SagaDefinitions::default())),
            by_step(step),
        )
    };
    let refused = of(&long("REFUND"), "ORDER_CONFIRMED").unwrap_err().to_string();
    assert!(
        refused.contains(&format!("more than {MAX_READ} events")),
        "{refused}"
    );
    let defined = long("ORDER_CREATION");
    assert_eq!(of(&defined, "ORDER_CANCELLED").unwrap(), Vec::<String>::new());
    assert_eq!(of(&defined, "STOCK_RESERVED").unwrap(), ["long"]);
}

#[test]
fn a_cursor_belongs_to_what_was_asked_for_inside() {
    let query = query(&many(5));
    let request = |filter: &Filter, window| SearchRequest {
        filter: filter.clone(),
        sort: Sort {
            key: SortKey::StartedAt,
            descending: false,
        },
        window,
    };
    let page = query
        .search(&request(&by_step("A"), Window::Page { number: 0, size: 2 }))
        .unwrap();
    let cursor = page.next_cursor.unwrap();
    let after = || Window::After {
        cursor: cursor.clone(),
        size: 2,
    };
    assert_eq!(
        query
            .search(&request(&by_step("A"), after()))
            .unwrap()
            .sagas
            .len(),
        2
    );
    for other in [by_step("B"), Filter::default()] {
        let refused = query.search(&request(&other, after())).unwrap_err();
        assert!(matches!(refused, QueryError::BadCursor), "{refused}");
    }
}

#[test]
fn what_an_operator_did_is_a_step_that_can_be_searched_for() {
    let mut events = shop();
    events.push(event_at("none", 8, "OPERATOR_STATUS_CHANGE", SagaStatus::Failed));
    events.push(event_at("none", 9, "STOCK_RELEASED", SagaStatus::InProgress));
    let filter = by_step("OPERATOR_STATUS_CHANGE");
    assert_eq!(asked(&query(&events), filter).unwrap(), ["none"]);
}
