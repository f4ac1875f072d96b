//! A surface over deliveries that are stored and projected as the tracker does it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use saga_tracker::api::admin::{
    Admin, AdminError, Digest, NewStatus, PartitionProgress, Progress, RebuildStatus, StatusSet,
};
use saga_tracker::api::{Caller, Context, Parts, ServerSettings, router};
use saga_tracker::audit::Audit;
use saga_tracker::clock::Clock;
use saga_tracker::dead_letter::{Desk, Sources};
use saga_tracker::domain::{Cut, Event, MetadataForm, Millis, Position, SagaDefinitions, SagaStatus};
use saga_tracker::ingest::origin::LetterTopics;
use saga_tracker::ingest::registry::BundledSchema;
use saga_tracker::ingest::status::IngestStatus;
use saga_tracker::metrics::{Metrics, MetricsSettings};
use saga_tracker::ops::OpsError;
use saga_tracker::projector::{Projector, ProjectorSettings};
use saga_tracker::query::Query;
use saga_tracker::snapshot::{Known, LastFailure, Pruned, Running, SnapshotId, Summary, Trigger};
use saga_tracker::store::codec::Record;
use saga_tracker::store::memory::MemoryStore;
use saga_tracker::store::records::LogRecord;
use saga_tracker::store::stoppable::Stop;
use saga_tracker::store::{Batch, Durability, Generation, Key, SharedStore, Table, keys};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use tower::ServiceExt;

/// 2026-01-31T09:30:00Z.
pub(crate) const START: i64 = 1_769_851_800_000;
pub(crate) const TOPIC: &str = "topic";

/// 2026-02-01T00:00:00Z, at every request.
pub(crate) const NOW: Millis = Millis(1_769_904_000_000);

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Millis {
        NOW
    }
}

/// A tracker of which a test decides what it does.
#[derive(Default)]
pub(crate) struct FakeAdmin {
    pub(crate) progress: Mutex<Progress>,
    pub(crate) rebuild: Mutex<RebuildStatus>,
    pub(crate) started_by: Mutex<Vec<Caller>>,
    /// Digests, rebuilds, lists of snapshots and changes of a status wait until this is free.
    gate: Mutex<()>,
    /// How many rebuilds were asked for.
    pub(crate) rebuilds_asked: AtomicUsize,
    pub(crate) panics: Mutex<bool>,
    /// What tells each digest that nobody waits for it.
    pub(crate) digests: Mutex<Vec<Stop>>,
    /// What setting a status comes to, when a test decides that.
    pub(crate) set_status: Mutex<Option<fn() -> OpsError>>,
    /// Snapshots have nowhere to go.
    pub(crate) nowhere: Mutex<bool>,
}

impl FakeAdmin {
    /// Closes the gate; returns when it is closed.
    pub(crate) fn close_gate(self: &Arc<Self>) -> ClosedGate {
        let admin = self.clone();
        let (closed, is_closed) = mpsc::channel();
        let (open, opened) = mpsc::channel();
        let holder = std::thread::spawn(move || {
            let _gate = admin.gate.lock().unwrap();
            closed.send(()).unwrap();
            // A test that fails drops the other end, which opens the gate too.
            let _opened: Result<(), mpsc::RecvError> = opened.recv();
        });
        is_closed.recv().unwrap();
        ClosedGate { open, holder }
    }
}

/// Digests, rebuilds, lists of snapshots and changes of a status wait while this is there.
pub(crate) struct ClosedGate {
    open: mpsc::Sender<()>,
    holder: std::thread::JoinHandle<()>,
}

impl ClosedGate {
    pub(crate) fn open(self) {
        self.open.send(()).unwrap();
        self.holder.join().unwrap();
    }
}

impl Admin for FakeAdmin {
    fn progress(&self) -> Progress {
        assert!(!*self.panics.lock().unwrap(), "the test wants a panic");
        self.progress.lock().unwrap().clone()
    }

    fn start_rebuild(&self, by: &Caller) -> Result<RebuildStatus, AdminError> {
        self.rebuilds_asked.fetch_add(1, Ordering::SeqCst);
        let _free = self.gate.lock().unwrap();
        let mut rebuild = self.rebuild.lock().unwrap();
        if rebuild.running {
            return Err(AdminError::Busy(
                "a rebuild runs; GET this path tells how far it is".to_owned(),
            ));
        }
        self.started_by.lock().unwrap().push(by.clone());
        *rebuild = RebuildStatus {
            running: true,
            phase: "folding".to_owned(),
            total: 5,
            ..rebuild.clone()
        };
        Ok(rebuild.clone())
    }

    fn rebuild_status(&self) -> RebuildStatus {
        self.rebuild.lock().unwrap().clone()
    }

    fn start_snapshot(&self, by: &Caller) -> Result<SnapshotId, AdminError> {
        if *self.nowhere.lock().unwrap() {
            return Err(AdminError::Unavailable("objects.url is not set".to_owned()));
        }
        self.started_by.lock().unwrap().push(by.clone());
        Ok(SnapshotId::new(NOW, 1))
    }

    fn snapshot_status(&self) -> Known {
        let mut known = Known::default();
        known.running = Some(Running {
            id: SnapshotId::new(NOW, 1),
            trigger: Trigger::Schedule,
            progress: Arc::default(),
        });
        known.failure = Some(LastFailure {
            at: NOW,
            why: "the bucket is gone".to_owned(),
            trigger: Trigger::Request,
        });
        known
    }

    fn snapshots(&self, limit: usize) -> Result<Vec<Summary>, AdminError> {
        let _free = self.gate.lock().unwrap();
        let one = Summary {
            id: SnapshotId::new(NOW, 2),
            created_at: NOW.to_string(),
            files: 3,
            bytes: 4,
            sent_bytes: 5,
            took_ms: 6,
            sagas: 7,
            offsets: 8,
            next: vec![(0, 9)],
        };
        Ok(vec![one; limit.min(2)])
    }

    fn prune_snapshots(&self, dry_run: bool) -> Result<Pruned, AdminError> {
        Ok(Pruned {
            kept: vec![SnapshotId::new(NOW, 1)],
            deleted_files: usize::from(!dry_run),
            waiting_files: usize::from(dry_run),
            ..Pruned::default()
        })
    }

    fn set_status(&self, _: &NewStatus, _: &Caller) -> Result<StatusSet, AdminError> {
        let _free = self.gate.lock().unwrap();
        match *self.set_status.lock().unwrap() {
            Some(error) => Err(error().into()),
            None => Err(AdminError::Unavailable(
                "this tracker publishes nothing".to_owned(),
            )),
        }
    }

    fn digest(&self, stop: Stop) -> Result<Digest, AdminError> {
        self.digests.lock().unwrap().push(stop);
        let _free = self.gate.lock().unwrap();
        Ok(Digest {
            at: BTreeMap::from([(0, 7)]),
            topics: BTreeMap::from([("ops".to_owned(), BTreeMap::from([(0, 3)]))]),
            applied: 2,
            waiting_letters: 4,
            rules: r#"{"ORDER_CREATION":["ORDER_CONFIRMED"]}"#.to_owned(),
            total: "ab".to_owned(),
            tables: BTreeMap::from([("log".to_owned(), "cd".to_owned())]),
        })
    }
}

/// The surface and what stands behind it.
pub(crate) struct Surface {
    pub(crate) context: Context,
    pub(crate) router: Router,
    pub(crate) admin: Arc<FakeAdmin>,
    pub(crate) ingest: Arc<IngestStatus>,
}

impl Surface {
    pub(crate) fn over(events: &[Event]) -> Self {
        Self::with(ServerSettings::default(), events)
    }

    pub(crate) fn with(settings: ServerSettings, events: &[Event]) -> Self {
        Self::on(settings, stored(events))
    }

    pub(crate) fn on(settings: ServerSettings, store: SharedStore) -> Self {
        let audit = Audit::new(store.clone(), Arc::new(StoppedClock));
        let query = Query::new(store, Arc::new(SagaDefinitions::default()));
        let (admin, ingest) = (Arc::new(FakeAdmin::default()), Arc::new(IngestStatus::default()));
        let metrics = Metrics::new(&MetricsSettings::default(), query.clone(), ingest.clone());
        let letters = Desk::new(Sources {
            store: query.store().clone(),
            schemas: Arc::new(BundledSchema::new().unwrap()),
            topics: LetterTopics {
                topic: TOPIC.to_owned(),
                dlt_topic: String::new(),
            },
        });
        metrics.follow_snapshots(Arc::default());
        metrics.follow_decisions(Arc::default());
        metrics.follow_retention(Arc::default());
        let parts = Parts {
            query,
            letters,
            ingest: ingest.clone(),
            admin: admin.clone(),
            audit,
            metrics,
            clock: Arc::new(StoppedClock),
            data_dir: None,
        };
        let context = Context::new(settings, parts);
        Self {
            router: router(&context),
            context,
            admin,
            ingest,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str) -> Reply {
        self.request(
            Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn request(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// All partitions are stored and projected up to there.
    pub(crate) fn set_progress(&self, projected: &[u64]) {
        let partitions = (0u32..).zip(projected).map(|(partition, at)| PartitionProgress {
            partition,
            next: *at,
            projected: *at,
            end: None,
        });
        *self.admin.progress.lock().unwrap() = Progress {
            partitions: partitions.collect(),
            ..Progress::default()
        };
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An event at so many milliseconds after [`START`].
pub(crate) fn event(saga: &str, offset: u64, after: i64, step: &str, status: SagaStatus) -> Event {
    Event {
        position: Position::new(0, offset),
        arrived_at: Millis(START + after),
        recorded_at: Millis(START + after),
        event_timestamp: Millis(START + after),
        event_id: format!("event-{offset}").into(),
        saga_id: saga.into(),
        saga_type: "ORDER_CREATION".into(),
        step: step.into(),
        status,
        order_id: format!("order-of-{saga}").into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

/// A store that holds these, projected.
pub(crate) fn stored(events: &[Event]) -> SharedStore {
    let store: SharedStore = Arc::new(MemoryStore::new());
    project(&store, events);
    store
}

fn project(store: &SharedStore, events: &[Event]) {
    let mut batch = Batch::new();
    let mut key = Key::default();
    let mut cut = Cut::default();
    for event in events {
        keys::log(&mut key, &event.saga_id, event.timeline_key());
        batch.put_with(Table::Log, &key, |bytes| LogRecord::of(event).write(bytes));
        let next = cut.next(event.position.partition).max(event.position.offset + 1);
        cut.set(event.position.partition, next);
    }
    store.write(&batch, Durability::Process).unwrap();
    let settings = ProjectorSettings {
        shards: 1,
        ..ProjectorSettings::default()
    };
    let definitions = Arc::new(SagaDefinitions::default());
    let mut projector = Projector::open(store.clone(), Generation::A, definitions, &settings).unwrap();
    projector.advance(events, &cut).unwrap();
}
