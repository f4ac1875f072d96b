//! The page's routes, beside those of the API.

use super::app::Page;
use super::failure::Failure;
use super::views::{
    compare, error, find, flow, incidents, letter, letters, ops, overview, redrives, saga, search, settings,
};
use super::visit::Visit;
use crate::server::api::{Context, PageRoute, router_with};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::handler::Handler;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::convert::Infallible;
use tower::ServiceExt;

/// The API with the page beside it, under the path that the page is shown under and without it.
pub fn with_page(context: &Context, page: &Page) -> Router {
    let routes = vec![
        view("/", overview::handle, page),
        view("/ui", home, page),
        view("/ui/", home, page),
        view("/ui/find", find::handle, page),
        view("/ui/settings", settings::handle, page),
        view("/ui/search", search::handle, page),
        view("/ui/saga", saga::handle, page),
        view("/ui/compare", compare::handle, page),
        view("/ui/dead-letters", letters::handle, page),
        view("/ui/dead-letters/redrives", redrives::all, page),
        view("/ui/dead-letters/redrives/{number}", redrives::one, page),
        view("/ui/dead-letters/{id}", letter::handle, page),
        view("/ui/flow", flow::handle, page),
        view("/ui/flow/{type}", flow::handle, page),
        view("/ui/ops/ledger", ops::ledger, page),
        view("/ui/ops/jobs", ops::jobs, page),
        view("/ui/ops/retention", ops::retention, page),
        view("/ui/ops/snapshots", ops::snapshots, page),
        view("/ui/ops/archive", ops::archive, page),
        view("/ui/ops/audit", ops::audit, page),
        view("/ui/ops/config", ops::config, page),
        view("/ui/ops/health", ops::health, page),
        view("/ui/incidents", incidents::handle, page),
        view("/ui/{*rest}", nowhere, page),
        PageRoute::asset("/ui/assets/{hash}/{*name}", get(asset).with_state(page.clone())),
    ];
    let errors = from_fn_with_state(page.clone(), error::drawn);
    let router = router_with(context, routes, |router| router.layer(errors));
    under(page.base(), router)
}

fn view<T: 'static>(path: &'static str, handler: impl Handler<T, Page>, page: &Page) -> PageRoute {
    PageRoute::view(path, get(handler).with_state(page.clone()))
}

async fn home(visit: Visit) -> Response {
    visit.go("/")
}

async fn nowhere() -> Failure {
    Failure::nowhere()
}

async fn asset(State(page): State<Page>, Path((hash, name)): Path<(String, String)>) -> Response {
    let found = page.templates().assets().answer(&hash, &name);
    found.unwrap_or_else(|| Failure::nowhere().into_response())
}

/// An ingress may leave the path on under which it shows the tracker: it is taken off here.
fn under(base: &str, router: Router) -> Router {
    if base.is_empty() {
        return router;
    }
    let base = base.to_owned();
    let without = tower::service_fn(move |mut request: Request| {
        if let Some(uri) = without_base(request.uri(), &base) {
            *request.uri_mut() = uri;
        }
        let router = router.clone();
        async move { Ok::<Response, Infallible>(router.oneshot(request).await.into_response()) }
    });
    Router::new().fallback_service(without)
}

/// The address without the base, if it has it.
fn without_base(uri: &Uri, base: &str) -> Option<Uri> {
    let target = uri.path_and_query()?.as_str();
    let rest = target.strip_prefix(base)?;
    let rest = match rest.chars().next() {
        None | Some('?') => format!("/{rest}"),
        Some('/') => rest.to_owned(),
        // Another path that begins alike.
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_ingress_is_taken_off() {
        let without =
            |uri: &'static str| without_base(&Uri::from_static(uri), "/tracker").map(|uri| uri.to_string());
        assert_eq!(without("/tracker").as_deref(), Some("/"));
        assert_eq!(without("/tracker/").as_deref(), Some("/"));
        assert_eq!(without("/tracker?type=A").as_deref(), Some("/?type=A"));
        assert_eq!(
            without("/tracker/ui/saga?id=%2Ftracker").as_deref(),
            Some("/ui/saga?id=%2Ftracker")
        );
        assert_eq!(without("/trackers/ui"), None);
        assert_eq!(without("/ui/search"), None);
    }
}
