//! The OpenAPI document, put together from what the routes say of themselves, and the page that shows it.

use super::error::{ApiError, ErrorBody, ErrorKind};
use super::route::Route;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use std::sync::{Arc, LazyLock};
use utoipa::openapi::{ContentBuilder, OpenApi as OpenApiDocument, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::Config;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Saga Tracker",
        description = "Records every step of every saga from Kafka and answers for all of them. All times are ISO \
                       8601, UTC. `/sagas…` answers like `/api/v1/sagas…`, `/metrics` like `/actuator/prometheus`. \
                       Every route that takes GET takes HEAD."
    ),
    components(schemas(ErrorBody)),
    tags(
        (name = "sagas", description = "Questions about sagas"),
        (name = "ledger", description = "What every offset of the topic came to"),
        (name = "dead letters", description = "Records that could not be applied"),
        (name = "incidents", description = "Alerts that came in"),
        (name = "retention", description = "What is purged, held, archived and restored"),
        (name = "definitions", description = "What is known of saga types"),
        (name = "export", description = "Taking results and event logs away"),
        (name = "audit", description = "Who did what to this tracker"),
        (name = "actuator", description = "Probes and metrics"),
        (name = "internal", description = "The tracker itself; may change"),
    )
)]
struct Document;

/// The document of these routes, as text.
pub(super) fn document(routes: &[Route]) -> String {
    let described = routes.iter().map(|route| route.handlers.clone());
    let mut document = described
        .fold(
            OpenApiRouter::with_openapi(Document::openapi()),
            OpenApiRouter::routes,
        )
        .into_openapi();
    add_standard_errors(&mut document);
    // Plain data of strings, numbers and lists serializes; were it not so, the test that compares
    // it with the committed file would fail.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Says of every operation that whatever else goes wrong has the standard body.
fn add_standard_errors(document: &mut OpenApiDocument) {
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

/// The page that shows it.
pub(super) fn pages() -> Vec<Route> {
    vec![
        Route::page("/swagger-ui", get(to_page)),
        Route::page("/swagger-ui/", get(page)),
        Route::page("/swagger-ui/{*file}", get(page_file)),
    ]
}

/// The page's files are named relative to a path that ends with a slash.
async fn to_page() -> Redirect {
    Redirect::permanent("/swagger-ui/")
}

async fn page() -> Result<Response, ApiError> {
    file("index.html")
}

async fn page_file(Path(path): Path<String>) -> Result<Response, ApiError> {
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
mod tests;
