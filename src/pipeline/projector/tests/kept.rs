//! Projections that are switched off have no rows, are missed by nobody, and come back with a rebuild.

use super::super::rebuild::{self, Progress, Rebuild};
use super::super::tests::sample;
use super::super::*;
use crate::domain::{Cut, Millis, SagaDefinitions, SagaId};
use crate::pipeline::query::{
    Filter, Inside, LedgerRequest, Moment, Query, QueryError, SearchRequest, Sort, SortKey, Window,
};
use crate::pipeline::verify::{Verify, digest};
use crate::store::{ProjectionTable, SharedStore, Table, reads};
use crate::testkit::{TOPIC, append, behind, settings, store};
use std::ops::ControlFlow;
use std::sync::Arc;

const PAST: [ProjectionTable; 4] = [
    ProjectionTable::Moves,
    ProjectionTable::ManyChanges,
    ProjectionTable::Contradicted,
    ProjectionTable::Census,
];

fn without() -> ProjectorSettings {
    ProjectorSettings {
        past: false,
        ledger: false,
        ..settings(2)
    }
}

fn definitions() -> Arc<SagaDefinitions> {
    Arc::new(SagaDefinitions::default())
}

/// A store that took the sample under these settings.
fn filled(settings: &ProjectorSettings) -> SharedStore {
    let (store, events) = (store(), sample());
    append(&store, &events);
    let (handle, thread) = spawn(store.clone(), TOPIC, definitions(), settings.clone()).unwrap();
    drop(handle);
    thread.join().unwrap();
    let cursor = reads::cursor(&*store, reads::active_generation(&*store).unwrap()).unwrap();
    assert_eq!(cursor, behind(&events, Cut::default()));
    store
}

fn job(store: &SharedStore, settings: ProjectorSettings) -> Rebuild {
    Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: definitions(),
        settings,
        progress: Arc::new(Progress::default()),
    }
}

fn rows(store: &SharedStore, table: ProjectionTable) -> usize {
    let serving = reads::active_generation(&**store).unwrap();
    let mut rows = 0;
    let table = Table::Projection(serving, table);
    store
        .scan_table(table, &mut |_, _, _| {
            rows += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn differences(store: &SharedStore, settings: ProjectorSettings) -> (Vec<String>, bool) {
    let verify = Verify {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: definitions(),
        settings,
        progress: Arc::new(Progress::default()),
    };
    let report = verify.run().unwrap();
    (report.differences.told, report.rebuild_due)
}

/// What the answers that need a projection say: the option that is off, or nothing.
fn refused(store: &SharedStore) -> [Option<&'static str>; 2] {
    let query = Query::new(store.clone(), definitions()).of_topic(TOPIC);
    let then = Moment {
        as_of: Some(Millis(i64::MAX)),
        known_at: None,
    };
    let census = query.censuses(&Filter::default(), &[then]).map(drop);
    let ledger = query.ledger(&LedgerRequest::default()).map(drop);
    [census, ledger].map(|answer| match answer {
        Ok(()) => None,
        Err(QueryError::SwitchedOff { option }) => Some(option),
        Err(error) => panic!("{error}"),
    })
}

#[test]
fn what_is_switched_off_has_no_rows_and_the_rest_is_as_ever() {
    let (all, some) = (filled(&settings(2)), filled(&without()));
    for table in PAST.into_iter().chain([ProjectionTable::Ledger]) {
        assert_eq!(rows(&some, table), 0, "{table:?}");
    }
    assert!(rows(&all, ProjectionTable::Moves) > 0 && rows(&all, ProjectionTable::Ledger) > 0);
    for table in ProjectionTable::ALL {
        if !PAST.contains(&table) && table != ProjectionTable::Ledger {
            assert_eq!(rows(&some, table), rows(&all, table), "{table:?}");
        }
    }
    assert_eq!(refused(&all), [None, None]);
    assert_eq!(refused(&some), [Some("past"), Some("ledger")]);
    let statistics = |store: &SharedStore| {
        let query = Query::new(store.clone(), definitions());
        query.statistics(&Filter::default()).unwrap()
    };
    let (whole, part) = (statistics(&all), statistics(&some));
    assert_eq!(
        (&part.by_status, &part.by_type),
        (&whole.by_status, &whole.by_type)
    );
    assert!(part.without_past && !whole.without_past && part.ever_failed == 0);
    assert_eq!(differences(&some, without()), (Vec::new(), false));
    // A proof is of what there is, whatever is configured now.
    assert_eq!(differences(&some, settings(2)), (Vec::new(), true));
}

/// The sagas of a trace.
fn traced(store: &SharedStore, trace: &str) -> (u64, Vec<SagaId>) {
    let page = Query::new(store.clone(), definitions()).search(&SearchRequest {
        filter: Filter {
            inside: Inside {
                trace_id: Some(trace.into()),
                ..Inside::default()
            },
            ..Filter::default()
        },
        sort: Sort {
            key: SortKey::StartedAt,
            descending: false,
        },
        window: Window::Page { number: 0, size: 100 },
    });
    let page = page.unwrap();
    (
        page.total,
        page.sagas.into_iter().map(|view| view.saga_id).collect(),
    )
}

#[test]
fn without_the_index_of_traces_a_search_by_trace_looks_at_every_saga() {
    let without = || ProjectorSettings {
        traces: false,
        ..settings(2)
    };
    let (all, some) = (filled(&settings(2)), filled(&without()));
    assert_eq!(rows(&some, ProjectionTable::ByTrace), 0);
    assert!(rows(&all, ProjectionTable::ByTrace) > 0);
    for trace in ["trace 1", "trace 2", "trace 4", "none"] {
        assert_eq!(traced(&some, trace), traced(&all, trace));
    }
    assert!(traced(&all, "trace 1").0 > 0);
    assert_eq!(differences(&some, without()), (Vec::new(), false));
}

#[test]
fn a_rebuild_makes_what_is_switched_on_and_nothing_else() {
    let (all, some) = (filled(&settings(2)), filled(&without()));
    assert!(rebuild::is_due(&some, &definitions(), &settings(2)).unwrap());
    assert!(!rebuild::is_due(&some, &definitions(), &without()).unwrap());
    job(&some, settings(2)).offline().unwrap();
    assert!(!rebuild::is_due(&some, &definitions(), &settings(2)).unwrap());
    assert_eq!(refused(&some), [None, None]);
    let tables = |store| digest(store, TOPIC).unwrap().tables;
    assert_eq!(tables(&some), tables(&all));

    job(&some, without()).offline().unwrap();
    assert_eq!(refused(&some), [Some("past"), Some("ledger")]);
    assert!(PAST.iter().all(|table| rows(&some, *table) == 0));
    assert_eq!(differences(&some, without()), (Vec::new(), false));
}

#[test]
fn what_is_switched_on_is_not_made_before_the_rebuild() {
    let some = filled(&without());
    let (handle, thread) = spawn(some.clone(), TOPIC, definitions(), settings(2)).unwrap();
    assert_eq!(refused(&some), [Some("past"), Some("ledger")]);
    job(&some, settings(2)).online(&handle).unwrap();
    assert_eq!(refused(&some), [None, None]);
    drop(handle);
    thread.join().unwrap();
    assert_eq!(differences(&some, settings(2)), (Vec::new(), false));
}
