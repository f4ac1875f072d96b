use super::*;
use crate::domain::{RowGroups, SagaDefinitions, evidence};
use crate::pipeline::projector::{ProjectorSettings, Restore, RestoreOutcome, catch_up_offline};
use crate::pipeline::query::Query;
use crate::pipeline::verify::digest;
use crate::store::ledger::OffsetSums;
use crate::store::records::OffsetClass;
use crate::store::rocks::{RocksSettings, RocksStore};
use crate::store::{SharedStore, totals};
use crate::testkit::{TOPIC, append, behind, differences, project, rebuild, settings, store, traffic};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn definitions() -> Arc<SagaDefinitions> {
    Arc::new(SagaDefinitions::default())
}

fn open(store: &SharedStore) -> Projector {
    let generation = reads::active_generation(&**store).unwrap();
    Projector::open(store.clone(), generation, definitions(), &settings(2)).unwrap()
}

fn tables(store: &SharedStore) -> BTreeMap<String, String> {
    digest(store, TOPIC).unwrap().tables
}

/// What a decision over these deliveries lists: all sagas but the first.
fn listed(inside: &[Event]) -> Vec<PurgeSaga> {
    let sagas: BTreeSet<SagaId> = inside.iter().map(|event| event.saga_id.clone()).collect();
    sagas
        .into_iter()
        .skip(1)
        .map(|saga| {
            let own: Vec<Event> = inside.iter().filter(|e| e.saga_id == saga).cloned().collect();
            PurgeSaga {
                events: u32::try_from(own.len()).unwrap(),
                hash: evidence(&own),
                row_groups: Some(RowGroups { first: 1, count: 2 }),
                saga,
            }
        })
        .collect()
}

fn decision(inside: &[Event]) -> Purge {
    Purge {
        decision: 17,
        at: Millis(1_795_000_000_000),
        rule: "COMPLETED after 90 days".into(),
        extent: behind(inside, Cut::default()).into(),
        definitions: Arc::default(),
    }
}

fn purge(store: &SharedStore, inside: &[Event]) -> Vec<PurgeOutcome> {
    let mut projector = open(store);
    let outcomes = start_to_purge(&mut projector, inside);
    while projector.remove_more().unwrap() {}
    outcomes
}

/// Rows of large sagas are left.
fn start_to_purge(projector: &mut Projector, inside: &[Event]) -> Vec<PurgeOutcome> {
    projector
        .purge(&decision(inside), &listed(inside), &|_, _| false)
        .unwrap()
}

/// A store on disk, for the same list of behaviours.
fn on_disk() -> (tempfile::TempDir, SharedStore) {
    let directory = tempfile::tempdir().unwrap();
    let small = RocksSettings {
        block_cache_mib: 8,
        write_buffer_mib: 8,
        max_wal_mib: 8,
        ..RocksSettings::default()
    };
    let store = RocksStore::open(directory.path(), &small).unwrap();
    (directory, Arc::new(store))
}

fn purge_and_late_events_commute(events: &[Event], split: usize, other: &SharedStore) {
    let (inside, rest) = events.split_at(split);
    let early = store();
    project(&early, inside, &[5], 2);
    let outcomes = purge(&early, inside);
    assert!(outcomes.iter().all(|outcome| *outcome == PurgeOutcome::Purged));
    project(&early, rest, &[3], 2);
    assert_eq!(differences(&early), Vec::<String>::new());

    // Elsewhere everything is folded before the decision is heard of.
    project(other, inside, &[7], 1);
    append(other, rest);
    catch_up_offline(other, TOPIC, &definitions(), &settings(2)).unwrap();
    // The process ends in the middle of it; what is left goes at the next start.
    let mut interrupted = open(other);
    start_to_purge(&mut interrupted, inside);
    interrupted.remove_more().unwrap();
    drop(interrupted);
    assert_eq!(differences(other), Vec::<String>::new());
    assert_eq!(tables(&early), tables(other));

    // Heard twice, it changes nothing; and a rebuild comes to the same.
    let before = tables(&early);
    let again = purge(&early, inside);
    assert!(again.iter().all(|outcome| *outcome == PurgeOutcome::Already));
    assert_eq!(tables(&early), before);
    rebuild(&early);
    assert_eq!(tables(&early), before);

    // Brought back, all is as if nothing had happened, except that it is recorded.
    let untouched = store();
    project(&untouched, events, &[11], 1);
    for (number, entry) in listed(inside).into_iter().enumerate() {
        let own = inside.iter().filter(|event| event.saga_id == entry.saga);
        let mut own: Vec<Event> = own.cloned().collect();
        own.sort_by_key(Event::timeline_key);
        let restore = Restore {
            decision: 18 + number as u64,
            at: Millis(1_795_000_000_001),
            saga: entry.saga.clone(),
        };
        for store in [&early, other] {
            let mut projector = open(store);
            assert_eq!(
                projector.restore(&restore, &own).unwrap(),
                RestoreOutcome::Restored
            );
            while projector.remove_more().unwrap() {}
            assert_eq!(
                open(store).restore(&restore, &own).unwrap(),
                RestoreOutcome::NotGone
            );
        }
    }
    assert_eq!(differences(other), Vec::<String>::new());
    assert_eq!(tables(&early), tables(other));
    let (mut back, mut never) = (tables(&early), tables(&untouched));
    back.remove("purged");
    never.remove("purged");
    assert_eq!(back, never);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn purges_and_late_events_come_to_the_same_in_any_order(
        events in traffic(80), split in any::<prop::sample::Index>(),
    ) {
        let split = split.index(events.len()) + 1;
        purge_and_late_events_commute(&events, split, &store());
    }

    #[test]
    fn the_same_of_sagas_with_many_deliveries(
        events in crate::pipeline::projector::tests::timeline::hot(120), split in any::<prop::sample::Index>(),
    ) {
        let split = split.index(events.len()) + 1;
        purge_and_late_events_commute(&events, split, &store());
    }
}

/// Puts events into the log that were letters until now.
fn become_readable(store: &SharedStore, events: &[Event]) {
    let (mut rows, mut accounted) = (Batch::new(), OffsetSums::default());
    for event in events {
        let partition = event.position.partition;
        accounted.add(partition, event.arrived_at, OffsetClass::Logged, 1);
    }
    accounted.put(&**store, Table::Accounted, &mut rows).unwrap();
    open(store).fill(events, &rows).unwrap();
}

/// All but the clock, which is told of what is ingested alone.
fn tables_but_the_clock(store: &SharedStore) -> BTreeMap<String, String> {
    let mut tables = tables(store);
    tables.remove("clock");
    tables
}

fn what_was_not_read_stays(events: &[Event]) {
    let (read, unread): (Vec<_>, Vec<_>) = (0..).zip(events).partition(|(number, _)| number % 5 != 2);
    let [read, unread] = [read, unread].map(|all| -> Vec<Event> {
        all.into_iter()
            .map(|(_, event): (i32, &Event)| event.clone())
            .collect()
    });
    let cut = behind(&read, Cut::default());
    let unread: Vec<Event> = unread
        .into_iter()
        .filter(|event| cut.contains(event.position))
        .collect();
    let decision = Purge {
        extent: Extent {
            cut,
            unread: Arc::new(unread.iter().map(|event| event.position).collect()),
        },
        ..decision(&read)
    };
    let goes = |projector: &mut Projector| {
        let outcomes = projector.purge(&decision, &listed(&read), &|_, _| false).unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == PurgeOutcome::Purged));
    };
    // Where it was decided they become events afterwards; elsewhere they were read at once.
    let (here, there) = (store(), store());
    project(&here, &read, &[5], 2);
    let mut projector = open(&here);
    goes(&mut projector);
    while projector.remove_more().unwrap() {}
    become_readable(&here, &unread);
    project(&there, &read, &[7], 1);
    become_readable(&there, &unread);
    // The process ends in the middle of it; what is left goes at the next start.
    let mut interrupted = open(&there);
    goes(&mut interrupted);
    interrupted.remove_more().unwrap();
    drop(interrupted);
    for store in [&here, &there] {
        assert_eq!(differences(store), Vec::<String>::new());
    }
    assert_eq!(tables_but_the_clock(&here), tables_but_the_clock(&there));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_not_read_where_it_was_decided_stays_wherever_it_can_be(events in traffic(80)) {
        what_was_not_read_stays(&events);
    }

    #[test]
    fn what_was_not_read_of_sagas_with_many_deliveries_stays(
        events in crate::pipeline::projector::tests::timeline::hot(120),
    ) {
        what_was_not_read_stays(&events);
    }
}

fn sample(max: usize) -> Vec<Event> {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    traffic(max)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current()
}

#[test]
fn the_same_on_disk() {
    let events = sample(200);
    for split in [events.len() / 3, events.len()] {
        let (_directory, store) = on_disk();
        purge_and_late_events_commute(&events, split, &store);
    }
}

#[test]
fn what_only_grows_stays_and_what_is_there_now_shrinks() {
    let events = sample(200);
    let store = store();
    project(&store, &events, &[7], 1);
    let query = Query::new(store.clone(), definitions());
    let outcomes = || query.outcomes(&|_| true, 0).unwrap();
    let (before, outcomes_before) = (query.totals().unwrap(), outcomes());
    assert!(outcomes_before.by_type.values().any(|of| of.entries() > 0));
    purge(&store, &events);
    let after = query.totals().unwrap();
    assert_eq!(outcomes(), outcomes_before);
    assert_eq!(after.active.values().sum::<u64>(), 1);
    assert!(before.active.values().sum::<u64>() > 1);
    assert_eq!(
        (after.failed, after.compensated, after.duplicates, after.conflicts),
        (
            before.failed,
            before.compensated,
            before.duplicates,
            before.conflicts
        )
    );
    assert_eq!(after.processed, before.processed);
    assert_eq!(after.anomalies, before.anomalies);
    assert_eq!(after.compensation_buckets, before.compensation_buckets);
    assert_eq!(after.last_failed_at, before.last_failed_at);
}

#[test]
fn a_late_event_of_a_purged_saga_makes_no_new_saga() {
    let events = sample(200);
    let store = store();
    project(&store, &events, &[7], 1);
    purge(&store, &events);
    let gone = listed(&events).remove(0).saga;
    let mut late = events
        .iter()
        .find(|event| event.saga_id == gone)
        .cloned()
        .unwrap();
    late.position = Position::new(0, 10_000);
    late.event_id = "late".into();
    project(&store, std::slice::from_ref(&late), &[1], 1);
    let generation = reads::active_generation(&*store).unwrap();
    assert_eq!(reads::instance(&*store, generation, &gone).unwrap(), None);
    assert_eq!(reads::total(&*store, generation, totals::LATE).unwrap(), 1);
    let query = Query::new(store.clone(), definitions());
    assert!(!query.steps(&gone, None, |_| ControlFlow::Continue(())).unwrap());
    let cursor = reads::cursor(&*store, generation).unwrap();
    assert_eq!(purged::count_deliveries(&*store, &gone, &cursor).unwrap(), 1);
    rebuild(&store);
    let generation = reads::active_generation(&*store).unwrap();
    assert_eq!(reads::instance(&*store, generation, &gone).unwrap(), None);
    assert_eq!(reads::total(&*store, generation, totals::LATE).unwrap(), 1);
}

#[test]
fn held_sagas_and_those_that_differ_from_the_decision_stay() {
    let events = sample(200);
    let store = store();
    project(&store, &events, &[7], 1);
    let before = tables(&store);
    let mut list = listed(&events);
    let held = list[0].saga.clone();
    let mut projector = open(&store);
    for entry in &mut list[1..] {
        entry.hash[0] ^= 1;
    }
    list.push(PurgeSaga {
        saga: "never seen".into(),
        events: 0,
        hash: evidence(&[]),
        row_groups: None,
    });
    let outcomes = projector
        .purge(&decision(&events), &list, &|saga, _| *saga == held)
        .unwrap();
    assert_eq!(outcomes[0], PurgeOutcome::Held);
    assert!(
        outcomes[1..]
            .iter()
            .all(|outcome| *outcome == PurgeOutcome::Differs)
    );
    assert_eq!(tables(&store), before);
}

#[test]
fn a_running_projector_purges_between_windows_and_a_rebuild_keeps_it_waiting() {
    let events = sample(120);
    let store = store();
    project(&store, &events, &[7], 1);
    let (handle, thread) =
        crate::pipeline::projector::spawn(store.clone(), TOPIC, definitions(), ProjectorSettings::default())
            .unwrap();
    let held = handle.try_no_purges().unwrap();
    assert!(handle.try_no_purges().is_none());
    drop(held);
    let (purge, list) = (decision(&events), listed(&events));
    let outcomes = handle
        .between_windows(move |projector| projector.purge(&purge, &list, &|_, _| false))
        .unwrap()
        .unwrap();
    assert!(outcomes.contains(&PurgeOutcome::Purged));
    drop(handle);
    thread.join().unwrap();
    assert_eq!(differences(&store), Vec::<String>::new());
}

#[test]
fn a_purge_of_few_deliveries_with_many_behind_its_cut_is_no_large_write() {
    let event = |saga: &str, offset: u64| Event {
        position: Position::new(0, offset),
        event_id: format!("e{offset}").into(),
        saga_id: saga.into(),
        recorded_at: Millis(crate::testkit::DAY + offset as i64),
        ..sample(20).remove(0)
    };
    let inside = [event("a", 0), event("b", 1), event("b", 2)];
    let behind: Vec<Event> = (3..60).map(|offset| event("b", offset)).collect();
    let store = store();
    project(&store, &inside, &[3], 1);
    project(&store, &behind, &[10], 1);
    let mut projector = open(&store);
    assert_eq!(start_to_purge(&mut projector, &inside), [PurgeOutcome::Purged]);
    let mut writes = 0;
    while projector.remove_more().unwrap() {
        writes += 1;
    }
    // As the index of all 59 goes, a few rows at a time.
    assert!(writes > 10, "{writes} writes after that of the purge");
    assert_eq!(differences(&store), Vec::<String>::new());
}

/// Two replicas meet a decision before and after their projections were made under other definitions. What
/// remains is told by those that were in force where it was decided, so it is the same.
#[test]
fn what_remains_does_not_depend_on_when_the_projections_are_made_anew() {
    let text = "[types.ORDER_CREATION]\ncompleting_steps = [\"STOCK_RESERVED\"]\n\
                edges = [[\"ORDER_CREATED\", \"PAYMENT_COMPLETED\"]]\n\
                compensates = { \"ORDER_CONFIRMED\" = \"ORDER_CREATED\" }\n";
    let other = Arc::new(SagaDefinitions::from_toml(text).unwrap());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..20 {
        let events = traffic(120).new_tree(&mut runner).unwrap().current();
        let (inside, rest) = events.split_at(events.len() * 3 / 4);
        let [early, late] = [(), ()].map(|()| {
            let store = store();
            project(&store, inside, &[5], 2);
            project(&store, rest, &[5], 2);
            store
        });
        let renew = |store: &SharedStore| {
            let rebuild = crate::pipeline::projector::rebuild::Rebuild {
                store: store.clone(),
                topic: TOPIC.to_owned(),
                definitions: other.clone(),
                settings: settings(2),
                progress: Arc::default(),
            };
            rebuild.offline().unwrap();
        };
        purge(&early, inside);
        renew(&early);
        renew(&late);
        purge(&late, inside);
        assert_eq!(tables(&early), tables(&late));
        assert_eq!(differences(&late), Vec::<String>::new());
    }
}
