use super::decision::*;
use super::*;
use crate::domain::{Cut, Event, Millis, SagaDefinitions, evidence};
use crate::ingest::space::Boundless;
use crate::ops::{Applier, Decided, Decision, OpsStatus, Verdict};
use crate::projector::{self, ProjectorSettings};
use crate::query::Query;
use crate::store::codec::Record;
use crate::store::records::{DecisionOutcome, DecisionRecord};
use crate::store::rocks::{RocksSettings, RocksStore};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys, purged};
use crate::testkit::{TOPIC, behind, project, settings, store, traffic};
use crate::verify::{Verify, digest};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn events() -> Vec<Event> {
    traffic(150)
        .prop_filter("several sagas", |events| sagas(events).len() > 4)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current()
}

fn sagas(events: &[Event]) -> Vec<SagaId> {
    let ids: BTreeSet<SagaId> = events.iter().map(|event| event.saga_id.clone()).collect();
    ids.into_iter().collect()
}

fn own(events: &[Event], saga: &SagaId) -> Vec<Event> {
    events
        .iter()
        .filter(|event| event.saga_id == *saga)
        .cloned()
        .collect()
}

fn purge_of(events: &[Event], sagas: &[SagaId]) -> Value {
    let cut = behind(events, Cut::default());
    let body = PurgeBody {
        cut: cut.iter().collect(),
        rule: "COMPLETED 90 days after the last event, by the default".to_owned(),
        saga_type: "ORDER_CREATION".to_owned(),
        day: "2025-11-20".to_owned(),
        object: Some(ObjectBody {
            name: "archive/x.parquet".to_owned(),
            size: 10,
            hash: hex(&[7; 32]),
        }),
        sagas: sagas
            .iter()
            .map(|saga| PurgeSagaBody {
                id: saga.as_str().to_owned(),
                events: u32::try_from(own(events, saga).len()).unwrap(),
                hash: hex(&evidence(&own(events, saga))),
                row_group: Some(0),
            })
            .collect(),
    };
    serde_json::to_value(body).unwrap()
}

/// Decisions as the operations topic has them, read into a store one by one.
struct Topic {
    decisions: Vec<Decision>,
}

impl Topic {
    fn new(list: Vec<(&str, Value)>) -> Self {
        let decision = |(kind, body): (&str, Value)| Decision {
            version: 1,
            kind: kind.to_owned(),
            id: "d".to_owned(),
            by: "kim".to_owned(),
            from: "here".to_owned(),
            at: "now".to_owned(),
            reason: "case 7".to_owned(),
            body,
        };
        Self {
            decisions: list.into_iter().map(decision).collect(),
        }
    }

    fn read_into(&self, store: &SharedStore) -> Vec<Verdict> {
        let news = Arc::new(Notify::new());
        let appliers: [&dyn Applier; 4] = [&Keep, &Release, &Remove(news.clone()), &BringBack(news)];
        let mut verdicts = Vec::new();
        for (offset, decision) in (0..).zip(&self.decisions) {
            let mut rows = Batch::new();
            let applier = appliers
                .iter()
                .find(|applier| applier.kind() == decision.kind)
                .unwrap();
            let decided = Decided {
                offset,
                arrived_at: Millis(1_795_000_000_000 + i64::try_from(offset).unwrap()),
                decision,
            };
            let verdict = applier.apply(decided, None, &**store, &mut rows).unwrap();
            let outcome = match verdict {
                Verdict::Applied(_) => DecisionOutcome::Applied,
                Verdict::Refused(_) => DecisionOutcome::Refused,
            };
            let message = serde_json::to_vec(decision).unwrap();
            let record = DecisionRecord {
                arrived_at: decided.arrived_at.0,
                outcome: outcome as u8,
                kind: &decision.kind,
                detail: "",
                message: &message,
            };
            let mut key = Key::default();
            keys::decision(&mut key, offset);
            rows.put_with(Table::Decisions, &key, |bytes| record.write(bytes));
            store.write(&rows, Durability::Process).unwrap();
            verdicts.push(verdict);
        }
        verdicts
    }

    /// Runs the worker until it has done everything.
    fn work(&self, store: &SharedStore) {
        let definitions = Arc::new(SagaDefinitions::default());
        let (handle, projecting) =
            projector::spawn(store.clone(), TOPIC, definitions, ProjectorSettings::default()).unwrap();
        let (status, ops) = (
            Arc::new(RetentionStatus::default()),
            Arc::new(OpsStatus::default()),
        );
        ops.update(|status| status.next = self.decisions.len() as u64);
        let shutdown = CancellationToken::new();
        let worker = Worker {
            store: store.clone(),
            projector: handle,
            ops,
            status: status.clone(),
            space: Arc::new(Boundless),
            reclaim_percent: 1,
            shutdown: shutdown.clone(),
        };
        let working = worker.spawn().unwrap();
        assert!(status.wait_for(self.decisions.len() as u64 - 1, Duration::from_secs(60)));
        assert_eq!(status.snapshot().failed, None);
        shutdown.cancel();
        working.join().unwrap();
        projecting.join().unwrap();
    }
}

fn differences(store: &SharedStore) -> Vec<String> {
    let verify = Verify {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::new(SagaDefinitions::default()),
        settings: settings(2),
        progress: Arc::default(),
    };
    verify.run().unwrap().differences.told
}

fn is_gone(store: &SharedStore, saga: &SagaId) -> bool {
    purged::purged(&**store, saga)
        .unwrap()
        .is_some_and(|purged| purged.is_gone())
}

#[test]
fn holds_stop_what_is_decided_while_they_are_in_force_and_nothing_else() {
    let events = events();
    let ids = sagas(&events);
    let restore = RestoreBody {
        saga: ids[2].as_str().to_owned(),
        purge: 3,
        events: own(&events, &ids[2]).iter().map(EventBody::of).collect(),
    };
    let topic = Topic::new(vec![
        (HOLD, json!({"saga": ids[0].as_str()})),
        (HOLD, json!({"saga": ids[1].as_str()})),
        (LIFT, json!({"hold": 1})),
        (PURGE, purge_of(&events, &ids[..3])),
        // Too late to stop the purge before it, on any replica.
        (HOLD, json!({"saga": ids[1].as_str()})),
        (LIFT, json!({"hold": 0})),
        (RESTORE, serde_json::to_value(restore).unwrap()),
        (PURGE, purge_of(&events, &ids[..1])),
    ]);
    let (first, directory) = (store(), tempfile::tempdir().unwrap());
    let small = RocksSettings {
        block_cache_mib: 8,
        write_buffer_mib: 8,
        max_wal_mib: 8,
        ..RocksSettings::default()
    };
    let second: SharedStore = Arc::new(RocksStore::open(directory.path(), &small).unwrap());
    for store in [&first, &second] {
        project(store, &events, &[9], 1);
        let verdicts = topic.read_into(store);
        assert!(
            verdicts
                .iter()
                .all(|verdict| matches!(verdict, Verdict::Applied(_)))
        );
        topic.work(store);
        assert!(
            is_gone(store, &ids[0]),
            "its hold was lifted before the second purge"
        );
        assert!(is_gone(store, &ids[1]), "its second hold came after the purge");
        assert!(!is_gone(store, &ids[2]), "it was brought back");
        assert_eq!(differences(store), Vec::<String>::new());
        let objects = archived::list(&**store, 0, 10).unwrap();
        let decisions: Vec<u64> = objects.iter().map(|object| object.decision).collect();
        assert_eq!(decisions, [3, 7]);
    }
    let tables = |store: &SharedStore| digest(store, TOPIC).unwrap().tables;
    assert_eq!(tables(&first), tables(&second));
    // The last decision once more, as after a crash before the cursor was written.
    let before = tables(&first);
    let mut batch = Batch::new();
    crate::store::read::put_meta(&mut batch, crate::store::totals::RETENTION_CURSOR, "7");
    first.write(&batch, Durability::Process).unwrap();
    topic.work(&first);
    assert_eq!(tables(&first), before);
}

#[test]
fn decisions_of_another_form_are_refused() {
    let store = store();
    let topic = Topic::new(vec![
        (HOLD, json!({})),
        (HOLD, json!({"saga": "s", "order": "o"})),
        (HOLD, json!({"query": {}})),
        (HOLD, json!({"query": {"status": "DONE"}})),
        (LIFT, json!({"hold": 0})),
        (PURGE, json!({"sagas": "all"})),
        (RESTORE, json!(null)),
    ]);
    for (verdict, decision) in topic.read_into(&store).iter().zip(&topic.decisions) {
        assert!(matches!(verdict, Verdict::Refused(_)), "{decision:?}");
    }
    assert_eq!(Holds::read(&*store).unwrap().all(), []);
}

#[test]
fn a_plan_names_what_is_due_what_is_held_and_what_is_restless() {
    let events = events();
    let store = store();
    project(&store, &events, &[9], 1);
    let definitions = Arc::new(SagaDefinitions::default());
    let query = Query::new(store.clone(), definitions.clone());
    let settings = RetentionSettings {
        finished_days: 1,
        unfinished_days: 1,
        ..RetentionSettings::default()
    };
    let rules = Rules::new(&settings, definitions);
    let sum = |now: i64, of: fn(&PlanLine) -> u64| {
        let plan = plan(&query, &rules, Millis(now)).unwrap();
        plan.lines.iter().map(of).sum::<u64>()
    };
    let all = sagas(&events).len() as u64;
    let first = events.iter().map(|event| event.recorded_at.0).min().unwrap();
    let last = events.iter().map(|event| event.recorded_at.0).max().unwrap();
    let day = 86_400_000;
    assert_eq!(sum(first, |line| line.sagas + line.restless + line.held), 0);
    let later = last + 3 * day;
    assert_eq!(sum(later, |line| line.sagas), all);
    assert_eq!(sum(later, |line| line.events), events.len() as u64);
    Topic::new(vec![(HOLD, json!({"saga": sagas(&events)[0].as_str()}))]).read_into(&store);
    assert_eq!(sum(later, |line| line.held), 1);
    assert_eq!(sum(later, |line| line.sagas), all - 1);
}

#[test]
fn the_room_of_what_went_comes_back() {
    let sample = events();
    let sagas: Vec<SagaId> = (0..2_000)
        .map(|number| SagaId::from(format!("saga-{number:06}")))
        .collect();
    let mut filled = Vec::new();
    for (saga, event) in sagas
        .iter()
        .flat_map(|saga| sample[..5].iter().map(move |event| (saga, event)))
    {
        let mut event = event.clone();
        event.saga_id = saga.clone();
        event.position = crate::domain::Position::new(0, filled.len() as u64);
        event.event_id = format!("{}", filled.len()).into();
        // Random bytes: nothing that compression could take away.
        let random = blake3::hash(&event.position.offset.to_be_bytes()).to_hex();
        event.metadata = Some(format!("{{\"traceId\":\"{random}{random}{random}\"}}").into());
        filled.push(event);
    }
    let directory = tempfile::tempdir().unwrap();
    let store: SharedStore = Arc::new(RocksStore::open(directory.path(), &RocksSettings::default()).unwrap());
    project(&store, &filled, &[4_000], 2);
    let bytes = || store.table_bytes(Table::Log).unwrap() + store.table_bytes(Table::Feed).unwrap();
    for table in [Table::Log, Table::Feed] {
        store.reclaim(table).unwrap();
    }
    let before = bytes();
    Topic::new(vec![(PURGE, purge_of(&filled, &sagas[..1_800]))]).read_into(&store);
    Topic::new(vec![(PURGE, purge_of(&filled, &sagas[..1_800]))]).work(&store);
    let after = bytes();
    println!("{before} bytes, after nine sagas of ten went {after}");
    assert!(after < before / 4, "{before} bytes, then {after}");
    assert_eq!(differences(&store), Vec::<String>::new());
}
