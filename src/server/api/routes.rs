//! All routes, the router over them and the document of them. An endpoint is one file, and one line in the list of
//! its noun.

use super::context::Context;
use super::error::{ApiError, ErrorKind};
use super::export::PARQUET_TYPE;
use super::middleware::{self, RouteContext};
use super::route::{PageRoute, Route, Terms};
use super::{
    actuator, audit, census, dead_letters, definitions, docs, events, export, flow, incidents, internal,
    ledger, live, overview, retention, sagas, suggest,
};
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::any;
use std::sync::LazyLock;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, DefaultPredicate};
use utoipa_axum::routes;

pub(super) static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let nouns = [
        sagas::routes(),
        overview::routes(),
        live::routes(),
        events::routes(),
        suggest::routes(),
        census::routes(),
        flow::routes(),
        ledger::routes(),
        dead_letters::routes(),
        retention::routes(),
        definitions::routes(),
        incidents::routes(),
        audit::routes(),
        export::routes(),
        internal::routes(),
        actuator::routes(),
        vec![Route::of(routes!(api_docs)).alias("/v3/api-docs").quiet()],
        docs::pages(),
    ];
    nouns.into_iter().flatten().collect()
});

/// Answers shorter than this are not worth compressing.
const COMPRESSED_FROM_BYTES: u64 = 1024;

/// All routes, each behind the [`middleware`].
pub fn router(context: &Context) -> Router {
    finished(of_api(context), context)
}

/// The same with pages for people beside them; `around` wraps them all, within what compresses.
pub fn router_with(
    context: &Context,
    pages: Vec<PageRoute>,
    around: impl FnOnce(Router<Context>) -> Router<Context>,
) -> Router {
    let mut router = of_api(context);
    for page in pages {
        let (path, handlers, terms) = page.into_parts();
        let passed = RouteContext::new(context.clone(), path, terms);
        router = router.route(path, middleware::around(handlers.fallback(wrong_method), passed));
    }
    finished(around(router), context)
}

/// The routes as they are asked inside this process: there is nobody to compress for.
pub(super) fn bare(context: &Context) -> Router {
    of_api(context).with_state(context.clone())
}

fn finished(router: Router<Context>, context: &Context) -> Router {
    router.layer(compression()).with_state(context.clone())
}

fn of_api(context: &Context) -> Router<Context> {
    let mut router = Router::new();
    for route in ROUTES.iter() {
        let passed = RouteContext::new(context.clone(), &route.path, route.terms);
        let handlers = middleware::around(route.handlers.2.clone().fallback(wrong_method), passed);
        for path in route.paths() {
            router = router.route(path, handlers.clone());
        }
    }
    let unmatched = RouteContext::new(context.clone(), middleware::UNMATCHED, Terms::DEFAULT);
    router.fallback_service(middleware::around(any(unknown_path), unmatched).with_state(context.clone()))
}

/// The OpenAPI document as it is served and committed.
pub fn openapi_json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| docs::document(&ROUTES));
    &TEXT
}

/// This document
#[utoipa::path(
    get,
    path = "/api-docs",
    operation_id = "getApiDocs",
    tag = "actuator",
    responses((status = 200, body = Object, description = "OpenAPI, as JSON."))
)]
async fn api_docs() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}

fn compression() -> CompressionLayer<impl Predicate> {
    let worth_it = DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM_BYTES));
    CompressionLayer::new().compress_when(worth_it.and(NotForContentType::const_new(PARQUET_TYPE)))
}

async fn wrong_method() -> ApiError {
    ApiError::new(
        ErrorKind::MethodNotAllowed,
        "this path does not take that method; Allow says which it takes",
    )
}

async fn unknown_path() -> ApiError {
    ApiError::new(
        ErrorKind::NotFound,
        "nothing is served under this path; /api-docs lists what is",
    )
}

#[cfg(test)]
mod tests;
