use super::super::routes::ROUTES;
use super::super::{Context, Parts, ServerSettings, admin, openapi_json, router};
use super::*;
use crate::domain::clock::SystemClock;
use crate::domain::{Millis, SagaDefinitions};
use crate::operations::dead_letters::{DeadLetterQuery, Sources};
use crate::operations::snapshot::{Known, Pruned, SnapshotId, Summary};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::pipeline::query::Query;
use crate::pipeline::registry::BundledSchema;
use crate::server::metrics::Metrics;
use crate::testkit;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/openapi.json");

/// A tracker that has nothing to say.
struct Idle;

impl admin::Admin for Idle {
    fn progress(&self) -> admin::Progress {
        admin::Progress::default()
    }

    fn start_rebuild(&self, _: &super::super::Caller) -> Result<admin::RebuildStatus, admin::AdminError> {
        Ok(admin::RebuildStatus::default())
    }

    fn rebuild_status(&self) -> admin::RebuildStatus {
        admin::RebuildStatus::default()
    }

    fn start_snapshot(&self, _: &super::super::Caller) -> Result<SnapshotId, admin::AdminError> {
        Ok(SnapshotId::new(Millis(0), 0))
    }

    fn snapshot_status(&self) -> Known {
        Known::default()
    }

    fn snapshots(&self, _: usize) -> Result<Vec<Summary>, admin::AdminError> {
        Ok(Vec::new())
    }

    fn prune_snapshots(&self, _: bool) -> Result<Pruned, admin::AdminError> {
        Ok(Pruned::default())
    }

    fn digest(&self, _: crate::store::stoppable::Stop) -> Result<admin::Digest, admin::AdminError> {
        Ok(admin::Digest::default())
    }
}

fn surface() -> axum::Router {
    let query = Query::new(testkit::store(), Arc::new(SagaDefinitions::default()));
    let ingest = Arc::default();
    let metrics = Metrics::new(
        &crate::server::metrics::MetricsSettings::default(),
        query.clone(),
        Arc::clone(&ingest),
    );
    let letters = DeadLetterQuery::new(Sources {
        store: query.store().clone(),
        schemas: Arc::new(BundledSchema::new().unwrap()),
        topics: DeadLetterTopics::default(),
    });
    let audit = crate::operations::audit::Audit::new(query.store().clone(), Arc::new(SystemClock));
    let parts = Parts {
        query,
        letters,
        audit,
        ingest,
        admin: Arc::new(Idle),
        metrics,
        clock: Arc::new(SystemClock),
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
