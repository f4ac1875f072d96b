//! A surface over deliveries that are stored and projected as the tracker does it.

use super::gated::Gate;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use saga_tracker::domain::clock::{Clock, SharedClock};
use saga_tracker::domain::{
    Cut, Event, MetadataForm, Millis, Position, SagaDefinitions, SagaStatus, SharedDefinitions,
};
use saga_tracker::operations::audit::Audit;
use saga_tracker::operations::background::Background;
use saga_tracker::operations::dead_letters::redrive::{RedriveParts, Redrives};
use saga_tracker::operations::dead_letters::{Consumption, Sources};
use saga_tracker::operations::decisions::{Decisions, OpsStatus, StatusChanger};
use saga_tracker::operations::definitions::{Configured, Definitions};
use saga_tracker::operations::incidents::{IncidentSettings, Incidents, Token};
use saga_tracker::operations::objects::ObjectsSettings;
use saga_tracker::operations::rebuild::{RebuildParts, Rebuilds};
use saga_tracker::operations::retention::RetentionSettings;
use saga_tracker::operations::snapshot::{SnapshotParts, SnapshotSettings, Snapshots};
use saga_tracker::operations::topic_replay::{TopicReplayParts, TopicReplays};
use saga_tracker::operations::webhooks::WebhookStatus;
use saga_tracker::pipeline::ingest::origin::DeadLetterTopics;
use saga_tracker::pipeline::ingest::space::FreeSpace;
use saga_tracker::pipeline::ingest::status::IngestStatus;
use saga_tracker::pipeline::kafka::{KafkaSettings, Message, OutError, Outlet};
use saga_tracker::pipeline::projector::{Projector, ProjectorHandle, ProjectorSettings, spawn};
use saga_tracker::pipeline::query::Query;
use saga_tracker::pipeline::registry::{BundledSchema, SchemaSource};
use saga_tracker::pipeline::verify::Digests;
use saga_tracker::server::api::{Context, OptionInForce, OptionSource, Parts, ServerSettings, router};
use saga_tracker::server::metrics::{Metrics, MetricsSettings};
use saga_tracker::store::codec::Record;
use saga_tracker::store::dead_letters::{
    DeadLetterChanges, DeadLetterLock, DeadLetterMark, Happened, Returned, ValueHash,
};
use saga_tracker::store::layer::Layered;
use saga_tracker::store::memory::MemoryStore;
use saga_tracker::store::records::{DeadLetterRecord, DeadLetterSummaryRecord, LogRecord};
use saga_tracker::store::{Batch, Durability, Generation, Key, SharedStore, Table, keys};
use saga_tracker_sdk::publishing::RandomEventIds;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::{CancellationToken, DropGuard};
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

/// A broker of which a test decides what it says, and when.
pub(crate) struct Broker {
    pub(crate) says: Mutex<OutError>,
    pub(crate) gate: Gate,
}

impl Outlet for Broker {
    fn publish(&self, _: &Message) -> Result<Position, OutError> {
        self.gate.pass();
        Err(self.says.lock().unwrap().clone())
    }
}

/// The surface and what stands behind it.
pub(crate) struct Surface {
    pub(crate) context: Context,
    pub(crate) router: Router,
    pub(crate) store: SharedStore,
    /// Where digests, rebuilds and questions about purged sagas pass.
    pub(crate) gate: Gate,
    pub(crate) broker: Arc<Broker>,
    pub(crate) ingest: Arc<IngestStatus>,
    pub(crate) ops: Arc<OpsStatus>,
    projector: ProjectorHandle,
    redrives: Redrives,
    shutdown: CancellationToken,
    /// The room on the disk, as rebuilds see it.
    pub(crate) room: Arc<Room>,
}

impl Surface {
    pub(crate) fn over(events: &[Event]) -> Self {
        Self::with(ServerSettings::default(), events)
    }

    pub(crate) fn with(settings: ServerSettings, events: &[Event]) -> Self {
        Self::snapping(settings, events, ObjectsSettings::default(), PathBuf::new())
    }

    /// One whose snapshots go to these objects.
    pub(crate) fn snapping(
        settings: ServerSettings,
        events: &[Event],
        objects: ObjectsSettings,
        scratch: PathBuf,
    ) -> Self {
        let gate = Gate::default();
        let store: SharedStore = Arc::new(Layered::over(stored(events), gate.clone()));
        Self::made_of(settings, (store.clone(), store), gate, (objects, scratch, None))
    }

    /// One that takes alerts of whoever shows this token.
    pub(crate) fn trusting(token: Token) -> Self {
        let objects = (ObjectsSettings::default(), PathBuf::new(), Some(token));
        let store = stored(&[]);
        Self::made_of(
            ServerSettings::default(),
            (store.clone(), store),
            Gate::default(),
            objects,
        )
    }

    /// One whose questions about sagas go to this store, which need not work.
    pub(crate) fn asking(settings: ServerSettings, asked: SharedStore) -> Self {
        let objects = (ObjectsSettings::default(), PathBuf::new(), None);
        Self::made_of(settings, (asked, stored(&[])), Gate::default(), objects)
    }

    /// One all of whose parts read this store.
    pub(crate) fn on(store: SharedStore) -> Self {
        let objects = (ObjectsSettings::default(), PathBuf::new(), None);
        let stores = (store.clone(), store);
        Self::made_of(ServerSettings::default(), stores, Gate::default(), objects)
    }

    fn made_of(
        settings: ServerSettings,
        (asked, store): (SharedStore, SharedStore),
        gate: Gate,
        (objects, scratch, token): (ObjectsSettings, PathBuf, Option<Token>),
    ) -> Self {
        let clock: SharedClock = Arc::new(StoppedClock);
        let (topic, shutdown) = (TOPIC.to_owned(), CancellationToken::new());
        let definitions = SharedDefinitions::default();
        let schemas: Arc<dyn SchemaSource> = Arc::new(BundledSchema::new().unwrap());
        let projecting = one_shard();
        let spawned = spawn(store.clone(), TOPIC, definitions.get(), projecting.clone());
        let (projector, _thread) = spawned.unwrap();
        let ingest = Arc::new(IngestStatus::default());
        let audit = Audit::new(store.clone(), clock.clone());
        let background = Background::new(audit.clone());
        let broker = Arc::new(Broker {
            says: Mutex::new(OutError::Unreachable("no broker".to_owned())),
            gate: Gate::default(),
        });
        let decisions = Decisions {
            out: broker.clone(),
            topic: "ops".to_owned(),
            status: Arc::default(),
            store: store.clone(),
            clock: clock.clone(),
            ids: Arc::new(RandomEventIds),
        };
        let ops = decisions.status.clone();
        let room = Arc::new(Room(AtomicU64::new(u64::MAX)));
        let query = Query::new(asked, definitions.clone()).of_topic(TOPIC);
        let metrics = Metrics::new(
            &MetricsSettings::default(),
            query.clone(),
            ingest.clone(),
            clock.clone(),
        );
        let snapshots = Snapshots::new(SnapshotParts {
            store: store.clone(),
            objects,
            settings: SnapshotSettings::default(),
            scratch,
            topic: topic.clone(),
            audit: audit.clone(),
            clock: clock.clone(),
            random: || 1,
            shutdown: shutdown.clone(),
        });
        metrics.follow_snapshots(snapshots.status().clone());
        metrics.follow_decisions(ops.clone());
        metrics.follow_retention(Arc::default());
        metrics.follow_projector(projector.watch());
        let webhooks = Arc::new(WebhookStatus::default());
        metrics.follow_webhooks(webhooks.clone());
        let redrives = Redrives::new(RedriveParts {
            sources: Sources {
                store: store.clone(),
                schemas: schemas.clone(),
                topics: DeadLetterTopics {
                    topic: topic.clone(),
                    dlt_topic: String::new(),
                },
            },
            definitions: definitions.clone(),
            out: broker.clone(),
            deciding: Arc::new(decisions.clone()),
            consumption: Consumption::new(ingest.clone(), decisions.status.clone()),
            audit: audit.clone(),
            replay_events: 1_000,
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        });
        let parts = Parts {
            query,
            ingest: ingest.clone(),
            projected: projector.watch(),
            digests: Digests {
                store: store.clone(),
                projector: projector.clone(),
                topic: topic.clone(),
                settings: projecting.clone(),
            },
            redrives: redrives.clone(),
            statuses: StatusChanger {
                store: store.clone(),
                definitions: definitions.clone(),
                topic: topic.clone(),
                out: broker.clone(),
                schemas: schemas.clone(),
                projected: projector.watch(),
                clock: clock.clone(),
                ids: Arc::new(RandomEventIds),
            },
            definitions: Definitions {
                configured: Configured::default(),
                default_days: RetentionSettings::default().default_days(),
                decisions: decisions.clone(),
            },
            decisions,
            retention: None,
            rebuilds: Rebuilds::new(
                RebuildParts {
                    store: store.clone(),
                    topic,
                    definitions,
                    settings: projecting,
                    projector: projector.clone(),
                    space: room.clone(),
                },
                background.clone(),
            ),
            topic_replays: TopicReplays::new(
                TopicReplayParts {
                    store: store.clone(),
                    kafka: KafkaSettings::default(),
                    schemas,
                    projector: projector.clone(),
                    book: DeadLetterLock::default(),
                    asked_for: Arc::default(),
                },
                background,
            ),
            snapshots,
            incidents: Incidents::open(store.clone(), IncidentSettings::default(), token).unwrap(),
            webhooks,
            ended: Arc::default(),
            audit,
            metrics,
            clock,
            health: Default::default(),
            options: vec![OptionInForce {
                name: "kafka.topic".to_owned(),
                value: TOPIC.into(),
                source: OptionSource::Environment,
                source_name: Some("KAFKA_TOPIC".to_owned()),
            }],
            data_dir: None,
        };
        let context = Context::new(settings, parts);
        Self {
            router: router(&context),
            context,
            store,
            gate,
            broker,
            ingest,
            ops,
            projector,
            redrives,
            shutdown,
            room,
        }
    }

    /// Works off what redrives are asked for, until what is returned is dropped.
    pub(crate) fn work_off(&self) -> DropGuard {
        self.redrives.spawn().unwrap();
        self.shutdown.clone().drop_guard()
    }

    /// Stores a dead letter that arrived so many milliseconds after [`START`].
    pub(crate) fn add_letter(&self, at: Position, after: i64, value: &[u8]) {
        let letter = DeadLetterRecord {
            topic: TOPIC,
            reason: "bad_magic",
            detail: "",
            arrived_at: START + after,
            timestamp: None,
            key: Some(b"s"),
            value: Some(value),
            headers: Vec::new(),
        };
        let listed = DeadLetterSummaryRecord {
            topic: TOPIC,
            reason: letter.reason,
            arrived_at: letter.arrived_at,
            bytes: value.len() as u64,
            value: ValueHash::of(Some(value)).0,
            ..DeadLetterSummaryRecord::default()
        };
        let (mut key, mut batch) = (Key::default(), Batch::new());
        keys::by_offset(&mut key, at);
        batch.put_with(Table::DeadLetters, &key, |bytes| letter.write(bytes));
        batch.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
        let mut changes = DeadLetterChanges::default();
        changes.add_letter(at, &listed);
        self.enter(batch, &changes);
    }

    /// A dead letter of that value came back at that position.
    pub(crate) fn add_return(&self, letter: Position, value: &[u8], by: Position) {
        let what = Happened::Returned {
            became: Returned::DeadLetter {
                reason: "bad_magic".to_owned(),
            },
            value: ValueHash::of(Some(value)),
        };
        let at = Millis(START);
        let mut changes = DeadLetterChanges::default();
        changes.add_mark(letter, DeadLetterMark { by, at, what });
        self.enter(Batch::new(), &changes);
    }

    fn enter(&self, mut batch: Batch, changes: &DeadLetterChanges) {
        let lock = DeadLetterLock::default();
        DeadLetterLock::enter(&lock.hold(), &*self.store, &mut batch, changes).unwrap();
        self.store.write(&batch, Durability::Process).unwrap();
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
        let cut: Cut = (0u32..).zip(projected.iter().copied()).collect();
        self.ingest.update(|ingest| ingest.next.clone_from(&cut));
        let after = cut.clone();
        let moved = self
            .projector
            .between_windows(move |projector| projector.advance(&[], &after));
        moved.unwrap().unwrap();
        while self.projector.status().cursor != cut {
            std::thread::yield_now();
        }
    }
}

/// Bytes that are free on the disk.
pub(crate) struct Room(pub(crate) AtomicU64);

impl FreeSpace for Room {
    fn free(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed))
    }

    fn min_free_bytes(&self) -> u64 {
        1_000
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
    let definitions = Arc::new(SagaDefinitions::default());
    let mut projector = Projector::open(store.clone(), Generation::A, definitions, &one_shard()).unwrap();
    projector.advance(events, &cut).unwrap();
}

fn one_shard() -> ProjectorSettings {
    ProjectorSettings {
        shards: 1,
        ..ProjectorSettings::default()
    }
}
