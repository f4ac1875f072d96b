use super::super::routes::ROUTES;
use super::super::{Context, Parts, ServerSettings, openapi_json, router};
use crate::domain::clock::{SharedClock, SystemClock};
use crate::domain::{Position, SagaDefinitions};
use crate::operations::audit::Audit;
use crate::operations::background::Background;
use crate::operations::dead_letters::redrive::{RedriveParts, Redrives};
use crate::operations::dead_letters::{Consumption, Sources};
use crate::operations::decisions::{Decisions, StatusChanger};
use crate::operations::definitions::{Configured, Definitions};
use crate::operations::incidents::{IncidentSettings, Incidents};
use crate::operations::objects::ObjectsSettings;
use crate::operations::rebuild::{RebuildParts, Rebuilds};
use crate::operations::retention::RetentionSettings;
use crate::operations::snapshot::{SnapshotParts, SnapshotSettings, Snapshots};
use crate::operations::topic_replay::{TopicReplayParts, TopicReplays};
use crate::pipeline::ingest::IngestStatus;
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::pipeline::ingest::space::Boundless;
use crate::pipeline::kafka::{KafkaSettings, Message, OutError, Outlet};
use crate::pipeline::projector::spawn;
use crate::pipeline::query::Query;
use crate::pipeline::registry::{BundledSchema, SchemaSource};
use crate::pipeline::verify::Digests;
use crate::server::metrics::{Metrics, MetricsSettings};
use crate::store::dead_letters::DeadLetterLock;
use crate::testkit;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use saga_tracker_sdk::publishing::RandomEventIds;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/openapi.json");

/// A Kafka that nobody reaches.
struct Nowhere;

impl Outlet for Nowhere {
    fn publish(&self, _: &Message) -> Result<Position, OutError> {
        Err(OutError::Unreachable("no broker".to_owned()))
    }
}

fn surface() -> axum::Router {
    let (store, topic, shutdown) = (
        testkit::store(),
        testkit::TOPIC.to_owned(),
        CancellationToken::new(),
    );
    let (clock, out): (SharedClock, Arc<dyn Outlet>) = (Arc::new(SystemClock), Arc::new(Nowhere));
    let (definitions, settings) = (Arc::new(SagaDefinitions::default()), testkit::settings(1));
    let schemas: Arc<dyn SchemaSource> = Arc::new(BundledSchema::new().unwrap());
    let (ingest, book) = (Arc::<IngestStatus>::default(), DeadLetterLock::default());
    let (projector, _) = spawn(store.clone(), &topic, definitions.clone(), settings.clone()).unwrap();
    let audit = Audit::new(store.clone(), clock.clone());
    let background = Background::new(audit.clone());
    let decisions = Decisions {
        out: out.clone(),
        topic: "ops".to_owned(),
        status: Arc::default(),
        store: store.clone(),
        clock: clock.clone(),
        ids: Arc::new(RandomEventIds),
    };
    let query = Query::new(store.clone(), definitions.clone());
    let parts = Parts {
        metrics: Metrics::new(
            &MetricsSettings::default(),
            query.clone(),
            ingest.clone(),
            clock.clone(),
        ),
        query,
        projected: projector.watch(),
        digests: Digests {
            store: store.clone(),
            projector: projector.clone(),
            topic: topic.clone(),
            settings: settings.clone(),
        },
        redrives: Redrives::new(RedriveParts {
            sources: Sources {
                store: store.clone(),
                schemas: schemas.clone(),
                topics: DeadLetterTopics::default(),
            },
            definitions: definitions.clone().into(),
            out: out.clone(),
            deciding: Arc::new(decisions.clone()),
            consumption: Consumption::new(ingest.clone(), decisions.status.clone()),
            audit: audit.clone(),
            replay_events: 0,
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        }),
        statuses: StatusChanger {
            store: store.clone(),
            definitions: definitions.clone().into(),
            topic: topic.clone(),
            out,
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
        ingest,
        retention: None,
        rebuilds: Rebuilds::new(
            RebuildParts {
                store: store.clone(),
                topic: topic.clone(),
                definitions: definitions.into(),
                settings,
                projector: projector.clone(),
                space: Arc::new(Boundless),
            },
            background.clone(),
        ),
        topic_replays: TopicReplays::new(
            TopicReplayParts {
                store: store.clone(),
                kafka: KafkaSettings::default(),
                schemas,
                projector,
                book,
                asked_for: Arc::default(),
            },
            background,
        ),
        snapshots: Snapshots::new(SnapshotParts {
            store: store.clone(),
            objects: ObjectsSettings::default(),
            settings: SnapshotSettings::default(),
            scratch: PathBuf::new(),
            topic,
            audit: audit.clone(),
            clock: clock.clone(),
            random: || 0,
            shutdown,
        }),
        incidents: Incidents::open(store.clone(), IncidentSettings::default(), None).unwrap(),
        webhooks: Arc::default(),
        ended: Arc::default(),
        audit,
        clock,
        health: Default::default(),
        options: Vec::new(),
        data_dir: None,
    };
    router(&Context::new(ServerSettings::default(), parts))
}

fn document() -> Value {
    serde_json::from_str(openapi_json()).unwrap()
}

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    if std::env::var_os("SAGA_TRACKER_BLESS").is_some() {
        std::fs::write(COMMITTED, openapi_json()).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == openapi_json(),
        "proto/openapi.json is stale; SAGA_TRACKER_BLESS=1 cargo test --lib api::docs writes it anew"
    );
}

#[tokio::test]
async fn the_document_lists_exactly_what_every_route_takes() {
    let (document, router) = (document(), surface());
    for route in ROUTES
        .iter()
        .filter(|route| !route.path.starts_with("/swagger-ui"))
    {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            let listed = document["paths"][&route.path]
                .get(method.as_str().to_ascii_lowercase())
                .is_some();
            let path = route.path.replace("{sagaId}", "s");
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .body(Body::empty())
                .unwrap();
            let status = router.clone().oneshot(request).await.unwrap().status();
            assert_eq!(
                listed,
                status != StatusCode::METHOD_NOT_ALLOWED,
                "{method} {}: {status}",
                route.path
            );
        }
    }
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(
            ROUTES.iter().any(|route| route.path == *path),
            "{path} is listed and not served"
        );
    }
}

#[test]
fn every_operation_says_what_an_error_looks_like() {
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let schema = &operation["responses"]["default"]["content"]["application/json"]["schema"];
            assert_eq!(schema["$ref"], "#/components/schemas/Error", "{method} {path}");
        }
    }
}

#[test]
fn everything_in_the_document_is_described() {
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(
                operation["summary"].is_string() && operation["operationId"].is_string(),
                "{method} {path}"
            );
            for (status, response) in operation["responses"].as_object().unwrap() {
                let said = response["description"].as_str().unwrap_or("");
                assert!(!said.is_empty(), "{method} {path} {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let said = parameter["description"]
                    .as_str()
                    .or(parameter["schema"]["description"].as_str());
                assert!(said.is_some(), "{method} {path} {parameter}");
            }
        }
    }
}
