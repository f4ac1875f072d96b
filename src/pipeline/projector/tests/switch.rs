//! Who reads while other projections come to serve, and who wants one moment of both log and projections.

use super::super::rebuild::{Progress, Rebuild};
use super::super::tests::sample;
use super::super::*;
use crate::domain::{Cut, Event, Position, SagaState};
use crate::pipeline::verify::{Digest, Digests, digest};
use crate::store::rocks::{RocksSettings, RocksStore};
use crate::store::stoppable::Stop;
use crate::store::{Batch, Durability, ProjectionTable, SharedStore, StoreRead, Table, purged, reads};
use crate::testkit::{TOPIC, append, behind, project, settings, store};
use std::sync::Arc;
use std::time::Duration;

fn rebuild(store: &SharedStore, handle: &ProjectorHandle) {
    let rebuild = Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::default(),
        settings: settings(2),
        progress: Arc::new(Progress::default()),
    };
    rebuild.online(handle).unwrap();
}

/// Partition key, sort key and value.
type Row = (Vec<u8>, Vec<u8>, Vec<u8>);

/// All that answers are made of: states, and rows of every projection.
#[derive(Debug, PartialEq)]
struct Answers {
    states: Vec<Option<SagaState>>,
    rows: Vec<(ProjectionTable, Row)>,
    cursor: Cut,
}

fn answers(store: &dyn StoreRead, events: &[Event]) -> Answers {
    let generation = reads::active_generation(store).unwrap();
    let states = events
        .iter()
        .map(|event| reads::instance(store, generation, &event.saga_id).unwrap());
    let mut rows = Vec::new();
    for table in ProjectionTable::ALL {
        reads::try_scan_table(
            store,
            Table::Projection(generation, table),
            |partition, sort, value| {
                rows.push((table, (partition.to_vec(), sort.to_vec(), value.to_vec())));
                Ok(())
            },
        )
        .unwrap();
    }
    Answers {
        states: states.collect(),
        rows,
        cursor: reads::cursor(store, generation).unwrap(),
    }
}

fn a_reader_is_answered_from_what_it_began_with(store: &SharedStore) {
    let events = sample();
    project(store, &events, &[50], 1);
    let (handle, thread) = spawn(store.clone(), TOPIC, Arc::default(), settings(1)).unwrap();
    // What a rebuild loaded lies in files, which the next one drops.
    rebuild(store, &handle);
    let snapshot = store.snapshot();
    let before = answers(&*snapshot, &events);
    assert!(before.states.iter().all(Option::is_some) && before.rows.len() > 100);
    rebuild(store, &handle);
    assert!(
        answers(&*snapshot, &events) == before,
        "rows were taken from under a reader"
    );
    // And again, into the very tables that are being read.
    rebuild(store, &handle);
    assert!(
        answers(&*snapshot, &events) == before,
        "rows were taken from under a reader"
    );
    drop(snapshot);
    rebuild(store, &handle);
    assert_eq!(answers(&**store, &events).states, before.states);
    drop(handle);
    thread.join().unwrap();
}

#[test]
fn a_reader_in_memory_is_answered_from_what_it_began_with() {
    a_reader_is_answered_from_what_it_began_with(&store());
}

#[test]
fn a_reader_on_disk_is_answered_from_what_it_began_with() {
    let directory = tempfile::tempdir().unwrap();
    let small = RocksSettings {
        block_cache_mib: 8,
        write_buffer_mib: 8,
        max_wal_mib: 8,
        longest_read: Duration::ZERO,
        ..RocksSettings::default()
    };
    let store: SharedStore = Arc::new(RocksStore::open(directory.path(), &small).unwrap());
    a_reader_is_answered_from_what_it_began_with(&store);
}

fn delivery(events: &[Event]) -> Delivery {
    let after = behind(events, Cut::default());
    Delivery {
        events: events.to_vec(),
        after: after.iter().filter(|(_, next)| *next > 0).collect(),
    }
}

fn at_rest(
    handle: &ProjectorHandle,
    store: &SharedStore,
    settings: ProjectorSettings,
) -> Result<Digest, AtRestError> {
    let digests = Digests {
        store: store.clone(),
        projector: handle.clone(),
        topic: TOPIC.to_owned(),
        settings,
    };
    digests.digest(Stop::default())
}

/// The digest of a store that holds the events inside a cut, and nothing else.
fn digest_of(events: &[Event], cut: &Cut) -> Digest {
    let store = store();
    let inside: Vec<Event> = events
        .iter()
        .filter(|event| cut.contains(event.position))
        .cloned()
        .collect();
    project(&store, &inside, &[50], 1);
    digest(&store, TOPIC).unwrap()
}

#[test]
fn a_digest_of_a_log_that_is_ahead_is_of_projections_that_are_as_far() {
    let store = store();
    let events = sample();
    let (first, rest) = events.split_at(events.len() / 2);
    project(&store, first, &[10], 1);
    let (handle, thread) = spawn(store.clone(), TOPIC, Arc::default(), settings(1)).unwrap();
    // In the log, and on its way to the projector.
    append(&store, rest);
    let found = at_rest(&handle, &store, settings(1)).unwrap();
    assert_eq!(found, digest_of(&events, &behind(&events, Cut::default())));
    handle.deliver(delivery(rest)).unwrap();
    drop(handle);
    thread.join().unwrap();
    assert_eq!(digest(&store, TOPIC).unwrap(), found);
}

#[test]
fn digests_taken_while_events_come_are_each_of_one_moment() {
    let store = store();
    let events = sample();
    let one_by_one = ProjectorSettings {
        window_ms: 0,
        ..settings(1)
    };
    let (handle, thread) = spawn(store.clone(), TOPIC, Arc::default(), one_by_one.clone()).unwrap();
    std::thread::scope(|scope| {
        let consuming = scope.spawn(|| {
            for event in &events {
                append(&store, std::slice::from_ref(event));
                handle.deliver(delivery(std::slice::from_ref(event))).unwrap();
            }
        });
        loop {
            let last = consuming.is_finished();
            let found = at_rest(&handle, &store, one_by_one.clone()).unwrap();
            assert_eq!(found, digest_of(&events, &found.at));
            if last {
                assert!(
                    found
                        .at
                        .contains(events.last().map_or(Position::new(0, 0), |e| e.position))
                );
                break;
            }
        }
    });
    drop(handle);
    thread.join().unwrap();
}

fn note_begun(store: &SharedStore, decision: Option<u64>) {
    let mut batch = Batch::new();
    purged::put_begun(&mut batch, decision);
    store.write(&batch, Durability::Process).unwrap();
}

#[test]
fn a_digest_is_not_of_the_middle_of_a_decision() {
    let store = store();
    project(&store, &sample(), &[10], 1);
    let (handle, thread) = spawn(store.clone(), TOPIC, Arc::default(), settings(1)).unwrap();
    let deciding = handle.deciding();
    let told = at_rest(&handle, &store, settings(1));
    assert!(matches!(told, Err(AtRestError::Busy)), "{told:?}");
    drop(deciding);
    // Nor of one that a process before left there, and that nobody does yet.
    note_begun(&store, Some(7));
    let told = at_rest(&handle, &store, settings(1));
    assert!(matches!(told, Err(AtRestError::Busy)), "{told:?}");
    note_begun(&store, None);
    at_rest(&handle, &store, settings(1)).unwrap();
    drop(handle);
    thread.join().unwrap();
}
