use super::body::*;
use super::claim::seen_within;
use super::*;
use crate::domain::text::hex;
use crate::domain::{
    Cut, Event, Millis, Position, SagaDefinitions, SagaId, SagaStatus, SharedDefinitions, evidence,
};
use crate::operations::decisions::{Decided, Decision, OpsStatus, Verdict};
use crate::pipeline::ingest::late_schemas::AskedFor;
use crate::pipeline::ingest::space::Boundless;
use crate::pipeline::kafka::TopicBounds;
use crate::pipeline::kafka::Topics;
use crate::pipeline::projector::{self, ProjectorHandle, ProjectorSettings};
use crate::pipeline::query::Query;
use crate::pipeline::verify::digest;
use crate::store::codec::Record;
use crate::store::records::{DecisionOutcome, DecisionRecord};
use crate::store::rocks::{RocksSettings, RocksStore};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys, purged};
use crate::testkit::{DAY, TOPIC, append, behind, differences, project, settings, store, traffic};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Deliveries of some sagas, which arrived one after the other when all of them were over.
fn events() -> Vec<Event> {
    let mut events = traffic(150)
        .prop_filter("several sagas", |events| sagas(events).len() > 4)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    for (event, at) in events.iter_mut().zip(500_000_000..) {
        event.arrived_at = Millis(DAY + at);
    }
    events
}

/// The same, and in each partition something of another saga that arrived so many days later.
fn later(events: &[Event], days: i64) -> Vec<Event> {
    let cut = behind(events, Cut::default());
    let at = Millis(DAY + 500_000_000 + days * 86_400_000);
    let last = cut.iter().map(|(partition, next)| Event {
        position: Position::new(partition, next),
        arrived_at: at,
        recorded_at: at,
        saga_id: "later".into(),
        event_id: format!("later-{partition}").into(),
        status: SagaStatus::Started,
        ..events[0].clone()
    });
    events.iter().cloned().chain(last).collect()
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

/// A decision about these sagas, by whoever has seen just these deliveries.
fn purge_of(events: &[Event], sagas: &[SagaId]) -> Value {
    serde_json::to_value(purge_body(events, sagas)).unwrap()
}

fn purge_body(events: &[Event], sagas: &[SagaId]) -> PurgeBody {
    let cut = behind(events, Cut::default());
    let whole = store();
    append(&whole, events);
    let seen = seen_within(&*whole, &cut).unwrap();
    PurgeBody {
        topic: TOPIC.to_owned(),
        seen: seen
            .iter()
            .map(|(number, seen)| (*number, SeenBody::from(seen)))
            .collect(),
        unread: None,
        days: 0,
        quiet_hours: 0,
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
                row_groups: 1,
            })
            .collect(),
    }
}

fn restore_of(events: &[Event], saga: &SagaId, purge: u64) -> RestoreBody {
    let mut own = own(events, saga);
    own.sort_by_key(Event::timeline_key);
    let mut pieces = parts::cut(&own, parts::PIECE_BYTES).unwrap();
    RestoreBody {
        topic: TOPIC.to_owned(),
        saga: saga.as_str().to_owned(),
        purge,
        events: u32::try_from(own.len()).unwrap(),
        parts: Vec::new(),
        data: pieces.pop().unwrap(),
    }
}

/// What a broker says that a test made up.
#[derive(Default)]
struct Said {
    bounds: Mutex<std::collections::BTreeMap<String, TopicBounds>>,
    /// Whether only markers of transactions are still to be read.
    markers: std::sync::atomic::AtomicBool,
}

impl Said {
    fn of(topic: &str, cut: &Cut) -> Self {
        let bounds = cut.iter().map(|(number, end)| (number, (0, end))).collect();
        Self {
            bounds: Mutex::new([(topic.to_owned(), bounds)].into()),
            ..Self::default()
        }
    }

    fn set(&self, topic: &str, partition: u32, low: u64, end: u64) {
        let mut all = self.bounds.lock().unwrap();
        all.entry(topic.to_owned())
            .or_default()
            .insert(partition, (low, end));
    }
}

impl Topics for Said {
    fn bounds(&self, topic: &str) -> Result<TopicBounds, String> {
        let all = self.bounds.lock().unwrap();
        all.get(topic).cloned().ok_or_else(|| "nobody answers".to_owned())
    }

    fn nothing_from(&self, _: &str, _: Position) -> Result<bool, String> {
        Ok(self.markers.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// Decisions as the ops topic has them, read into a store one by one.
struct Topic {
    decisions: Vec<Decision>,
    said: Arc<Said>,
    /// How long it waits for dead letters.
    letters: Duration,
}

impl Topic {
    fn new(list: Vec<(&str, Value)>) -> Self {
        let decision = |(number, (kind, body)): (usize, (&str, Value))| Decision {
            version: 1,
            kind: kind.to_owned(),
            id: format!("d{number}"),
            by: "kim".to_owned(),
            from: "here".to_owned(),
            at: "now".to_owned(),
            reason: "case 7".to_owned(),
            body,
        };
        Self {
            decisions: list.into_iter().enumerate().map(decision).collect(),
            said: Arc::default(),
            letters: Duration::from_secs(60),
        }
    }

    /// The same, where the tracker topic ends behind these deliveries.
    fn beside(mut self, events: &[Event]) -> Self {
        self.said = Arc::new(Said::of(TOPIC, &behind(events, Cut::default())));
        self
    }

    fn read_into(&self, store: &SharedStore) -> Vec<Verdict> {
        let appliers = appliers(TOPIC);
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
            self.put(store, &mut rows, offset, outcome);
            verdicts.push(verdict);
        }
        verdicts
    }

    fn put(&self, store: &SharedStore, rows: &mut Batch, offset: u64, outcome: DecisionOutcome) {
        let decision = &self.decisions[usize::try_from(offset).unwrap()];
        let message = serde_json::to_vec(decision).unwrap();
        let record = DecisionRecord {
            arrived_at: 1_795_000_000_000 + i64::try_from(offset).unwrap(),
            outcome: outcome as u8,
            kind: &decision.kind,
            detail: "",
            message: &message,
        };
        let mut key = Key::default();
        keys::decision(&mut key, offset);
        rows.put_with(Table::Decisions, &key, |bytes| record.write(bytes));
        store.write(rows, Durability::Process).unwrap();
    }

    /// Puts every decision into the store as one that holds, as a version did that checked nothing.
    fn store_unchecked(&self, store: &SharedStore) {
        for offset in 0..self.decisions.len() as u64 {
            self.put(store, &mut Batch::new(), offset, DecisionOutcome::Applied);
        }
    }

    /// Runs the worker until it has done everything. What it then tells.
    fn work(&self, store: &SharedStore) -> RetentionSnapshot {
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
            edge: Edge {
                letters: self.letters,
                ..edge(&self.said, &handle, &ops, &status)
            },
            projector: handle,
            ops,
            status: status.clone(),
            space: Arc::new(Boundless),
            configured: Arc::default(),
            definitions: SharedDefinitions::default(),
            reclaim_percent: 1,
            shutdown: shutdown.clone(),
        };
        let working = worker.spawn().unwrap();
        let done = status.wait_for(self.decisions.len() as u64 - 1, Duration::from_secs(60));
        let told = status.snapshot();
        assert!(done, "{told:?}");
        assert_eq!(told.failed, None);
        shutdown.cancel();
        working.join().unwrap();
        projecting.join().unwrap();
        told
    }
}

fn edge(
    said: &Arc<Said>,
    projector: &ProjectorHandle,
    ops: &Arc<OpsStatus>,
    status: &Arc<RetentionStatus>,
) -> Edge {
    Edge {
        topics: said.clone(),
        topic: TOPIC.to_owned(),
        ops_topic: "ops".to_owned(),
        projector: projector.clone(),
        ops: ops.clone(),
        status: status.clone(),
        settle: Duration::ZERO,
        timeout: Duration::ZERO,
        letters: Duration::from_secs(60),
        asked_for: Arc::default(),
        asked: Arc::default(),
    }
}

fn is_gone(store: &SharedStore, saga: &SagaId) -> bool {
    purged::purged(&**store, saga)
        .unwrap()
        .is_some_and(|purged| purged.is_gone())
}

#[test]
fn holds_stop_what_is_decided_while_they_are_in_force_and_nothing_else() {
    let before = events();
    let (events, ids) = (later(&before, 1), sagas(&before));
    let restore = restore_of(&events, &ids[2], 3);
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
        assert!(!is_gone(store, &ids[2]), "it was restored");
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
    crate::store::reads::put_meta(&mut batch, crate::store::totals::RETENTION_CURSOR, "7");
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
fn a_plan_names_what_is_due_what_is_held_and_what_is_recently_active() {
    let sagas_only = events();
    let all = sagas(&sagas_only).len() as u64;
    let events = later(&sagas_only, 3);
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
        let plan = plan(&query, &rules, Millis(now), &AskedFor::default()).unwrap();
        plan.lines.iter().map(of).sum::<u64>()
    };
    let first = events.iter().map(|event| event.recorded_at.0).min().unwrap();
    let last = events.iter().map(|event| event.arrived_at.0).max().unwrap();
    assert_eq!(
        sum(first, |line| line.sagas + line.recently_active + line.held),
        0
    );
    assert_eq!(sum(last, |line| line.sagas), all);
    assert_eq!(sum(last, |line| line.events), sagas_only.len() as u64);
    // Hours after they arrived: due, and not quiet yet.
    assert_eq!(sum(DAY + 510_000_000, |line| line.recently_active), all);
    Topic::new(vec![(HOLD, json!({"saga": sagas(&sagas_only)[0].as_str()}))]).read_into(&store);
    assert_eq!(sum(last, |line| line.held), 1);
    assert_eq!(sum(last, |line| line.sagas), all - 1);
    // A clock that jumped makes nothing due that was not.
    assert_eq!(sum(last + 400 * 86_400_000, |line| line.sagas), all - 1);
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
        event.position = Position::new(0, filled.len() as u64);
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

mod half;
mod large;
mod left;
mod sweeps;
mod unread;
