use super::rebuild::{Progress, Rebuild};
use super::*;
use crate::domain::{Cut, Event, SagaDefinitions, SagaId, fold};
use crate::pipeline::verify::digest;
use crate::store::{Batch, Durability, Generation, ProjectionTable, SharedStore, Table, reads};
use crate::testkit::{TOPIC, append, behind, differences, project, settings, store, traffic};
use proptest::prelude::*;
use std::sync::Arc;

fn rebuild(store: &SharedStore) -> Rebuild {
    Rebuild {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::new(SagaDefinitions::default()),
        settings: settings(1),
        progress: Arc::new(Progress::default()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn projections_are_the_fold_of_the_log_whatever_the_windows(
        events in traffic(80), windows in proptest::collection::vec(1usize..25, 1..5), shards in 1usize..4,
    ) {
        let store = store();
        project(&store, &events, &windows, shards);
        prop_assert_eq!(differences(&store), Vec::<String>::new());
        let generation = reads::active_generation(&*store).unwrap();
        for saga in ["s", "s1", "s2", "s3", "s\u{0}4", "속5"] {
            let own: Vec<Event> = events.iter().filter(|e| e.saga_id.as_str() == saga).cloned().collect();
            let folded = fold(&own, &SagaDefinitions::default());
            prop_assert_eq!(reads::instance(&*store, generation, &SagaId::from(saga)).unwrap(), folded);
        }
    }

    #[test]
    fn the_digest_depends_on_neither_windows_nor_interleaving_nor_crashes(
        events in traffic(60), windows in proptest::collection::vec(1usize..25, 1..5), cut in any::<prop::sample::Index>(),
    ) {
        let plain = store();
        project(&plain, &events, &[7], 1);

        // The same records, partition by partition, and a restart in between that lost the window
        // under way: its events are in the log, and in no projection.
        let other = store();
        let mut by_partition = events;
        by_partition.sort_by_key(|event| event.position);
        let (first, rest) = by_partition.split_at(cut.index(by_partition.len()));
        project(&other, first, &windows, 3);
        append(&other, rest);
        catch_up_offline(&other, TOPIC, &Arc::new(SagaDefinitions::default()), &settings(2)).unwrap();
        prop_assert_eq!(digest(&plain, TOPIC).unwrap(), digest(&other, TOPIC).unwrap());

        rebuild(&other).offline().unwrap();
        prop_assert_eq!(digest(&plain, TOPIC).unwrap(), digest(&other, TOPIC).unwrap());
    }
}

pub(super) fn sample() -> Vec<Event> {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    traffic(200)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current()
}

#[test]
fn verification_names_a_row_that_was_tampered_with() {
    let store = store();
    project(&store, &sample(), &[10], 1);
    let mut batch = Batch::new();
    let mut key = crate::store::Key::default();
    crate::store::keys::total(&mut key, crate::store::totals::FAILED);
    let generation = reads::active_generation(&*store).unwrap();
    batch.delete(Table::Projection(generation, ProjectionTable::Totals), &key);
    store.write(&batch, Durability::Process).unwrap();
    let told = differences(&store);
    assert!(
        told.iter().any(|line| line.contains("Totals [failed |")),
        "{told:?}"
    );
}

#[test]
fn verification_names_an_offset_that_is_not_accounted_for() {
    let store = store();
    let events = sample();
    project(&store, &events, &[10], 1);
    let mut batch = Batch::new();
    let mut key = crate::store::Key::default();
    let lost = events[events.len() / 2].position;
    crate::store::keys::by_offset(&mut key, lost);
    batch.delete(Table::Feed, &key);
    store.write(&batch, Durability::Process).unwrap();
    let told = differences(&store);
    assert!(
        told.iter()
            .any(|line| line.contains("the entry before it leads to offset")),
        "{told:?}"
    );
}

#[test]
fn a_live_projector_switches_to_rebuilt_projections_and_goes_on() {
    let store = store();
    let events = sample();
    let (first, rest) = events.split_at(events.len() / 2);
    append(&store, first);
    let definitions = Arc::new(SagaDefinitions::default());
    let (handle, thread) = spawn(store.clone(), TOPIC, definitions, settings(2)).unwrap();
    let before = reads::active_generation(&*store).unwrap();
    rebuild(&store).online(&handle).unwrap();
    let after = reads::active_generation(&*store).unwrap();
    assert_ne!(before, after);
    for table in ProjectionTable::ALL {
        reads::try_scan_table(&*store, Table::Projection(before, table), |_, _, _| {
            panic!("{table:?} of the old generation has rows")
        })
        .unwrap();
    }
    append(&store, rest);
    let cut = behind(rest, Cut::default());
    let edges = cut.iter().filter(|(_, next)| *next > 0).collect();
    handle
        .deliver(Delivery {
            events: rest.to_vec(),
            after: edges,
        })
        .unwrap();
    drop(handle);
    thread.join().unwrap();
    assert_eq!(differences(&store), Vec::<String>::new());
}

#[test]
fn who_asked_a_projector_that_stopped_before_answering_is_told() {
    let definitions = Arc::new(SagaDefinitions::default());
    let (handle, stepped) = Stepped::open(store(), TOPIC, definitions, settings(1), 4).unwrap();
    let asking = [
        std::thread::spawn({
            let handle = handle.clone();
            move || handle.between_windows(|_| ()).is_err()
        }),
        std::thread::spawn(move || handle.switch(Generation::B).is_err()),
    ];
    while stepped.waiting() < asking.len() {
        std::thread::yield_now();
    }
    stepped.fail("the disk is gone");
    for asked in asking {
        assert!(asked.join().unwrap(), "nobody answers any more");
    }
}

mod kept;
mod rules;
mod stood_in;

mod switch;

pub(super) mod timeline;
