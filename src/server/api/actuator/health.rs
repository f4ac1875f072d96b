//! Health, liveness and readiness. All three show every component; each has its own rule for what
//! makes the whole DOWN, see [`crate::server::api::health`].

use super::super::context::Context;
use super::super::error::ApiError;
use super::super::health::{Component, Decisions, DiskSpace, Report};
use super::super::middleware::OwnBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

/// UP or DOWN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum UpDown {
    Up,
    Down,
}

impl From<bool> for UpDown {
    fn from(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }
}

/// The whole and its components.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthBody {
    status: UpDown,
    components: ComponentsBody,
}

/// Every component.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthComponents)]
struct ComponentsBody {
    db: ComponentBody,
    kafka: ComponentBody,
    disk_space: DiskSpaceBody,
    projections: ComponentBody,
    ops: OpsBody,
    threads: ComponentBody,
    retention: ComponentBody,
    ledger: ComponentBody,
    webhooks: ComponentBody,
}

/// One component.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthComponent)]
struct ComponentBody {
    status: UpDown,
    details: DetailsBody,
}

/// What a component does or lacks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthDetails)]
struct DetailsBody {
    message: String,
}

/// Reading of operators' decisions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpsComponent)]
struct OpsBody {
    status: UpDown,
    details: OpsDetailsBody,
}

/// How far the ops topic is read, and what is in the way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpsDetails)]
struct OpsDetailsBody {
    message: String,
    /// The next offset to read; all before it has taken effect.
    next: u64,
    /// The end of the ops topic; null before it is known.
    #[schema(required)]
    end: Option<u64>,
    /// Messages that are not read yet; null before the end is known.
    #[schema(required)]
    lag: Option<u64>,
}

/// The disk under the store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiskSpaceComponent)]
struct DiskSpaceBody {
    status: UpDown,
    details: DiskDetailsBody,
}

/// Bytes on that disk.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiskSpaceDetails)]
struct DiskDetailsBody {
    #[schema(required)]
    total: Option<u64>,
    #[schema(required)]
    free: Option<u64>,
    threshold: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
}

impl From<Component> for ComponentBody {
    fn from(component: Component) -> Self {
        Self {
            status: component.up.into(),
            details: DetailsBody {
                message: component.message,
            },
        }
    }
}

impl From<Decisions> for OpsBody {
    fn from(ops: Decisions) -> Self {
        let details = OpsDetailsBody {
            message: ops.message,
            next: ops.next,
            end: ops.end,
            lag: ops.end.map(|end| end.saturating_sub(ops.next)),
        };
        Self {
            status: ops.up.into(),
            details,
        }
    }
}

impl From<DiskSpace> for DiskSpaceBody {
    fn from(disk: DiskSpace) -> Self {
        let details = DiskDetailsBody {
            total: disk.total,
            free: disk.free,
            threshold: disk.threshold,
            message: disk.message,
        };
        Self {
            status: disk.up.into(),
            details,
        }
    }
}

/// The answer: 200 when UP, 503 when DOWN, with the same body.
fn answer(report: Report, up: bool) -> Response {
    let components = ComponentsBody {
        db: report.db.into(),
        kafka: report.kafka.into(),
        disk_space: report.disk_space.into(),
        projections: report.projections.into(),
        retention: report.retention.into(),
        ledger: report.ledger.into(),
        webhooks: report.webhooks.into(),
        ops: report.ops.into(),
        threads: report.threads.into(),
    };
    let body = Json(HealthBody {
        status: up.into(),
        components,
    });
    let status = if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Extension(OwnBody), body).into_response()
}

async fn look(context: &Context) -> Result<Report, ApiError> {
    let asked = context.clone();
    context.probe(move || asked.health().report()).await
}

/// Whether an operator would want to know
#[utoipa::path(
    get,
    path = "/actuator/health",
    operation_id = "getHealth",
    tag = "actuator",
    description = "DOWN when any of db, kafka, diskSpace or threads is, the projections have not caught up since the start, or the \
                   reading or the applying of operators' decisions has stopped, or a version of the definitions is in force that \
                   this tracker cannot read. An ops topic that is missing is shown and does \
                   not count, nor does a decision that could not be applied, nor an offset of which nobody knows what became of it.",
    responses((status = 200, body = HealthBody, description = "UP"), (status = 503, body = HealthBody, description = "DOWN"))
)]
pub(super) async fn health(State(context): State<Context>) -> Result<Response, ApiError> {
    let report = look(&context).await?;
    let up = report.healthy();
    Ok(answer(report, up))
}

/// Whether a restart would help
#[utoipa::path(
    get,
    path = "/actuator/health/liveness",
    operation_id = "getLiveness",
    tag = "actuator",
    description = "DOWN when the store cannot be read, or a thread panicked: the process then stops by itself. The other components are shown and do not count.",
    responses((status = 200, body = HealthBody, description = "UP"), (status = 503, body = HealthBody, description = "DOWN"))
)]
pub(super) async fn liveness(State(context): State<Context>) -> Result<Response, ApiError> {
    let report = look(&context).await?;
    let up = report.alive();
    Ok(answer(report, up))
}

/// Whether traffic may come
#[utoipa::path(
    get,
    path = "/actuator/health/readiness",
    operation_id = "getReadiness",
    tag = "actuator",
    description = "DOWN until the projections have caught up with what the broker held at the start, and when the \
                   store cannot be read. A broker that goes away later is shown and does not count.",
    responses((status = 200, body = HealthBody, description = "UP"), (status = 503, body = HealthBody, description = "DOWN"))
)]
pub(super) async fn readiness(State(context): State<Context>) -> Result<Response, ApiError> {
    let report = look(&context).await?;
    let up = report.ready();
    Ok(answer(report, up))
}
