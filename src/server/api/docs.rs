//! The OpenAPI document, generated from the handlers, and the page that shows it.

use super::error::{ApiError, ErrorBody, ErrorKind};
use super::{actuator, audit, dead_letters, internal, retention, sagas};
use axum::extract::Path;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::{Arc, LazyLock};
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_swagger_ui::Config;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Saga Tracker",
        description = "Records every step of every saga from Kafka and answers for all of them. All times are ISO \
                       8601, UTC. `/sagas…` answers like `/api/v1/sagas…`, `/metrics` like `/actuator/prometheus`. \
                       Every route that takes GET takes HEAD."
    ),
    paths(
        sagas::search::handle,
        sagas::statistics::handle,
        sagas::saga::handle,
        sagas::steps::handle,
        dead_letters::list::handle,
        dead_letters::count::handle,
        dead_letters::groups::handle,
        dead_letters::show::handle,
        dead_letters::redrive::handle,
        dead_letters::redrives::list,
        dead_letters::redrives::status,
        dead_letters::redrives::items,
        dead_letters::cancel::handle,
        dead_letters::discard::handle,
        internal::replay_events::handle,
        internal::topic_replay::start,
        internal::topic_replay::status,
        audit::list::handle,
        audit::verification::handle,
        retention::plan::handle,
        retention::purged::handle,
        retention::holds::list,
        retention::holds::add,
        retention::holds::lift,
        retention::archive::list,
        retention::archive::restore,
        internal::status::handle,
        internal::progress::handle,
        internal::rebuild::start,
        internal::rebuild::status,
        internal::snapshots::start,
        internal::snapshots::list,
        internal::snapshots::prune,
        internal::snapshots::status,
        internal::digest::handle,
        actuator::health::health,
        actuator::health::liveness,
        actuator::health::readiness,
        actuator::prometheus::handle,
        actuator::info::handle,
        openapi,
    ),
    components(schemas(ErrorBody)),
    modifiers(&StandardErrors),
    tags(
        (name = "sagas", description = "Questions about sagas"),
        (name = "dead letters", description = "Records that could not be applied"),
        (name = "retention", description = "What is removed, kept from it, archived and brought back"),
        (name = "audit", description = "Who did what to this tracker"),
        (name = "actuator", description = "Probes and metrics"),
        (name = "internal", description = "The tracker itself; may change"),
    )
)]
struct Document;

/// Says of every operation that whatever else goes wrong has the standard body.
struct StandardErrors;

impl Modify for StandardErrors {
    fn modify(&self, document: &mut openapi::OpenApi) {
        for path in document.paths.paths.values_mut() {
            for operation in [&mut path.get, &mut path.post, &mut path.patch]
                .into_iter()
                .flatten()
            {
                let body = Ref::from_schema_name(ErrorBody::name());
                let response = ResponseBuilder::new()
                    .description("Any other error, e.g. 405, 414, 500 or 503")
                    .content(
                        "application/json",
                        ContentBuilder::new().schema(Some(body)).build(),
                    );
                operation
                    .responses
                    .responses
                    .insert("default".to_owned(), RefOr::T(response.build()));
            }
        }
    }
}

/// The document as it is served and committed.
pub fn openapi_json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        // Plain data of strings, numbers and lists serializes; were it not so, the test that compares
        // it with the committed file would fail.
        let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    });
    &TEXT
}

const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// This document
#[utoipa::path(
    get,
    path = "/api-docs",
    operation_id = "getApiDocs",
    tag = "actuator",
    responses((status = 200, body = Object, description = "OpenAPI, as JSON."))
)]
pub(super) async fn openapi() -> impl IntoResponse {
    (JSON, openapi_json())
}

/// The page's files are named relative to a path that ends with a slash.
pub(super) async fn to_page() -> Redirect {
    Redirect::permanent("/swagger-ui/")
}

pub(super) async fn page() -> Result<Response, ApiError> {
    file("index.html")
}

pub(super) async fn page_file(Path(path): Path<String>) -> Result<Response, ApiError> {
    file(&path)
}

fn file(path: &str) -> Result<Response, ApiError> {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("/api-docs")));
    let found = utoipa_swagger_ui::serve(path, CONFIG.clone())
        .map_err(|error| ApiError::new(ErrorKind::InternalError, error.to_string()))?
        .ok_or_else(|| ApiError::new(ErrorKind::NotFound, "the page has no such file"))?;
    let mut response = (
        [(header::CONTENT_TYPE, found.content_type)],
        found.bytes.into_owned(),
    )
        .into_response();
    if found.gzpipped {
        let gzip = axum::http::HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
    }
    Ok(response)
}

#[cfg(test)]
#[path = "docs_tests.rs"]
mod tests;
