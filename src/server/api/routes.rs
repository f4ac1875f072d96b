//! The one place where routes are declared.

use super::context::Context;
use super::docs;
use super::error::{ApiError, ErrorKind};
use super::middleware::{self, RouteContext};
use super::{actuator, audit, dead_letters, internal, retention, sagas};
use axum::Router;
use axum::routing::{MethodRouter, any, get, patch, post};
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, DefaultPredicate};

/// A path and who answers there.
pub(super) struct Route {
    /// Its template: what OpenAPI, metrics and the access log call it.
    pub(super) path: &'static str,
    /// Other paths to the same handlers, which existing clients use.
    aliases: &'static [&'static str],
    /// Who answers which method.
    handlers: fn() -> MethodRouter<Context>,
    /// How loud it is in the access log.
    pub(super) log_level: LogLevel,
    /// How long its answer may take.
    time: Time,
    /// What it answers with.
    kind: Kind,
}

/// How loud a route is in the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogLevel {
    /// Every request is worth a line.
    Normal,
    /// Probes and scrapes: a line for whoever asks for the debug level.
    Quiet,
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// As long as the settings say.
    Bounded,
    /// As long as reading all state takes.
    Unbounded,
}

/// What a route answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something for programs.
    Data,
    /// Whether the tracker works: also answered when there is no place for anything else.
    Probe,
    /// Something for a browser to show.
    Page,
}

const fn route(
    path: &'static str,
    aliases: &'static [&'static str],
    log_level: LogLevel,
    handlers: fn() -> MethodRouter<Context>,
) -> Route {
    Route {
        path,
        aliases,
        handlers,
        log_level,
        time: Time::Bounded,
        kind: Kind::Data,
    }
}

impl Route {
    const fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    const fn unbounded(self) -> Self {
        Self {
            time: Time::Unbounded,
            ..self
        }
    }
}

use LogLevel::{Normal, Quiet};

#[rustfmt::skip]
pub(super) const ROUTES: &[Route] = &[
    route("/api/v1/sagas", &["/sagas"], Normal, || get(sagas::search::handle)),
    route("/api/v1/sagas/statistics", &["/sagas/statistics"], Normal, || get(sagas::statistics::handle)),
    route("/api/v1/sagas/{sagaId}", &["/sagas/{sagaId}"], Normal, || get(sagas::saga::handle)),
    route("/api/v1/sagas/{sagaId}/steps", &["/sagas/{sagaId}/steps"], Normal, || get(sagas::steps::handle)),
    route("/api/v1/dead-letters", &[], Normal, || get(dead_letters::list::handle)),
    route("/api/v1/dead-letters/count", &[], Normal, || get(dead_letters::count::handle)),
    route("/api/v1/dead-letters/groups", &[], Normal, || get(dead_letters::groups::handle)),
    route("/api/v1/dead-letters/redrive", &[], Normal, || post(dead_letters::redrive::handle)),
    route("/api/v1/dead-letters/redrives", &[], Normal, || get(dead_letters::redrives::list)),
    route("/api/v1/dead-letters/redrives/{number}", &[], Normal, || get(dead_letters::redrives::status)),
    route("/api/v1/dead-letters/redrives/{number}/cancel", &[], Normal, || post(dead_letters::cancel::handle)),
    route("/api/v1/dead-letters/redrives/{number}/letters", &[], Normal, || get(dead_letters::redrives::items)),
    route("/api/v1/dead-letters/discard", &[], Normal, || post(dead_letters::discard::handle)).unbounded(),
    route("/internal/v1/replay", &[], Normal, || get(internal::topic_replay::status).post(internal::topic_replay::start)),
    route("/internal/v1/sagas/replay", &[], Normal, || post(internal::replay_events::handle)).unbounded(),
    route("/api/v1/dead-letters/{letterId}", &[], Normal, || get(dead_letters::show::handle)),
    route("/api/v1/audit", &[], Normal, || get(audit::list::handle)),
    route("/api/v1/audit/verification", &[], Normal, || get(audit::verification::handle)).unbounded(),
    // Bounds itself: it must be able to say what became of what it published.
    route("/internal/v1/sagas/{sagaId}/status", &[], Normal, || patch(internal::status::handle)).unbounded(),
    route("/api/v1/retention", &[], Normal, || get(retention::plan::handle)).unbounded(),
    route("/api/v1/purged/{sagaId}", &[], Normal, || get(retention::purged::handle)),
    route("/api/v1/holds", &[], Normal, || get(retention::holds::list).post(retention::holds::add)).unbounded(),
    route("/api/v1/holds/{holdId}/lift", &[], Normal, || post(retention::holds::lift)).unbounded(),
    route("/api/v1/archive", &[], Normal, || get(retention::archive::list)),
    route("/api/v1/archive/{sagaId}/restore", &[], Normal, || post(retention::archive::restore)).unbounded(),
    route("/internal/v1/progress", &[], Quiet, || get(internal::progress::handle)),
    route("/internal/v1/rebuild", &[], Normal, || get(internal::rebuild::status).post(internal::rebuild::start)),
    route("/internal/v1/snapshots", &[], Normal, || get(internal::snapshots::list).post(internal::snapshots::start)),
    route("/internal/v1/snapshots/prune", &[], Normal, || post(internal::snapshots::prune)).unbounded(),
    route("/internal/v1/snapshots/status", &[], Quiet, || get(internal::snapshots::status)),
    route("/internal/v1/digest", &[], Normal, || get(internal::digest::handle)).unbounded(),
    route("/actuator/health", &[], Quiet, || get(actuator::health::health)).of(Kind::Probe),
    route("/actuator/health/liveness", &[], Quiet, || get(actuator::health::liveness)).of(Kind::Probe),
    route("/actuator/health/readiness", &[], Quiet, || get(actuator::health::readiness)).of(Kind::Probe),
    route("/actuator/prometheus", &["/metrics"], Quiet, || get(actuator::prometheus::handle)),
    route("/actuator/info", &[], Quiet, || get(actuator::info::handle)),
    route("/api-docs", &["/v3/api-docs"], Quiet, || get(docs::openapi)),
    route("/swagger-ui", &[], Quiet, || get(docs::to_page)).of(Kind::Page),
    route("/swagger-ui/", &[], Quiet, || get(docs::page)).of(Kind::Page),
    route("/swagger-ui/{*file}", &[], Quiet, || get(docs::page_file)).of(Kind::Page),
];

/// What no route matches counts and logs under this name.
pub(super) const UNMATCHED: &str = "unmatched";

/// Answers shorter than this are not worth compressing.
const COMPRESSED_FROM_BYTES: u64 = 1024;

/// All routes, each behind the [`middleware`].
pub fn router(context: &Context) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let its_context = RouteContext::new(
            context.clone(),
            route.path,
            route.log_level,
            route.time,
            route.kind,
        );
        let handlers = middleware::around((route.handlers)().fallback(wrong_method), its_context);
        for path in [route.path].iter().chain(route.aliases) {
            router = router.route(path, handlers.clone());
        }
    }
    let unmatched = RouteContext::new(context.clone(), UNMATCHED, Normal, Time::Bounded, Kind::Data);
    router
        .fallback_service(middleware::around(any(unknown_path), unmatched).with_state(context.clone()))
        .layer(compression())
        .with_state(context.clone())
}

fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM_BYTES)))
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
