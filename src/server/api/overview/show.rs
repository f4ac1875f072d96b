//! The overview: how things stand, what flows, what failed last.

use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::health::Report;
use super::super::overview_facts::OverviewFacts;
use super::super::params::Params;
use super::super::sagas::SagaBody;
use super::super::sagas::filter;
use super::super::sagas::statistics::{ByStatusBody, PeriodBody};
use super::super::text::Instant;
use super::etag;
use super::flow::{RecentFlowBody, WorstStepBody, worst};
use super::range::Range;
use crate::domain::{Millis, SagaStatus, SagaType};
use crate::operations::incidents::IncidentView;
use crate::pipeline::query::{Figures, OverviewRequest, Stretch};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// A component that does its work.
const UP: &str = "UP";

/// The parameters of an overview.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct OverviewQuery {
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    /// How far back flow and series go.
    #[param(value_type = Option<String>, pattern = "^(5m|1h|24h)$", default = "5m")]
    range: Option<String>,
}

/// What goes on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Overview)]
struct OverviewBody {
    /// The type that was asked for; null for all.
    #[schema(required)]
    saga_type: Option<String>,
    /// 5m, 1h or 24h.
    #[schema(example = "5m")]
    range: &'static str,
    /// The period of flow and steps.
    period: PeriodBody,
    /// What every offset came to; null with projector.ledger = false.
    #[schema(required)]
    ledger: Option<SealBody>,
    /// Records at the broker that answers do not show yet; null when nobody knows.
    #[schema(required)]
    lag: Option<u64>,
    /// Sagas.
    total: u64,
    by_status: ByStatusBody,
    /// How often sagas entered FAILED within the last hour; null with projector.past = false, or where too many sagas
    /// change their status too often to tell.
    #[schema(required)]
    failed_per_hour: Option<u64>,
    /// Sagas that are stuck.
    stuck: u64,
    dead_letters: LettersBody,
    /// Incidents that are open.
    incidents: u64,
    /// The last snapshot that was made; null when none was.
    #[schema(required)]
    snapshot: Option<SnapshotBody>,
    /// How often each status was entered and left; null with projector.past = false, or where too many sagas change
    /// their status too often to tell.
    #[schema(required)]
    series: Option<SeriesBody>,
    /// The flow of the type that was asked for, or of the one of which the most events arrived; null when none arrived
    /// in the period, or so many of others did that none of it is among the newest.
    #[schema(required)]
    flow: Option<RecentFlowBody>,
    /// Of that flow, the pairs of steps that took longest, at most 8.
    steps: Vec<WorstStepBody>,
    /// The sagas in FAILED with the newest last event, at most 8.
    newest_failed: Vec<SagaBody>,
    health: HealthBody,
    /// The open incidents, newest first, at most 5.
    incident_list: Vec<OverviewIncidentBody>,
    /// By partition of the tracker topic, the next offset that the answer does not count.
    cursor: std::collections::BTreeMap<String, u64>,
}

/// Whether it is known of every offset what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Seal)]
pub(in crate::server::api) struct SealBody {
    /// Whether each offset is in exactly one class, and none is unexplained.
    complete: bool,
    /// Offsets of which nobody knows what became of them.
    pub(in crate::server::api) unexplained: u64,
    /// Offsets that were consumed.
    pub(in crate::server::api) offsets: u64,
    /// Those of which it is known.
    pub(in crate::server::api) accounted: u64,
}

/// Dead letters in the overview.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverviewLetters)]
struct LettersBody {
    /// Dead letters to which nothing happened yet.
    open: u64,
}

/// A snapshot in the overview.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverviewSnapshot)]
struct SnapshotBody {
    /// When it was complete.
    at: Instant,
}

/// Stretches of an overview.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OverviewSeries)]
struct SeriesBody {
    /// How long each is.
    every_seconds: u64,
    /// Stretch by stretch, none left out; the last one is not over.
    points: Vec<OverviewPointBody>,
}

/// One stretch of an overview.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OverviewPoint)]
struct OverviewPointBody {
    /// Its first instant.
    from: Instant,
    /// The first instant behind it.
    until: Instant,
    /// Sagas that stood in each status at its end.
    by_status: ByStatusBody,
    /// How often each status was entered in it.
    entered: ByStatusBody,
    /// How often each status was left in it.
    left: ByStatusBody,
}

/// Health in the overview.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverviewHealth)]
struct HealthBody {
    #[schema(example = "UP")]
    status: &'static str,
    components: Vec<HealthComponentBody>,
}

/// A component in the overview.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverviewComponent)]
struct HealthComponentBody {
    /// As in /actuator/health.
    #[schema(example = "db")]
    name: &'static str,
    #[schema(example = "UP")]
    status: &'static str,
    message: String,
}

/// An open incident.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverviewIncident)]
struct OverviewIncidentBody {
    id: String,
    name: String,
    #[schema(required)]
    severity: Option<String>,
    from: Instant,
    /// Sagas that its labels match, where that is known.
    #[schema(required)]
    sagas: Option<u64>,
}

impl OverviewIncidentBody {
    fn of((told, sagas): &(IncidentView, Option<u64>)) -> Self {
        Self {
            id: told.incident.id(),
            name: told.incident.name().to_owned(),
            severity: told.incident.severity().map(str::to_owned),
            from: Instant(told.incident.began),
            sagas: *sagas,
        }
    }
}

impl SealBody {
    pub(in crate::server::api) fn of(figures: &Figures) -> Option<Self> {
        let ledger = figures.ledger.as_ref()?;
        let all = ledger.all();
        let offsets = ledger.partitions.iter().map(|partition| partition.len()).sum();
        Some(Self {
            complete: ledger.is_complete(),
            unexplained: all.unexplained,
            offsets,
            accounted: all.sum().saturating_sub(all.unexplained).min(offsets),
        })
    }
}

impl OverviewPointBody {
    fn of(found: &Stretch) -> Self {
        let by_status = |numbers: &[u64; 5]| ByStatusBody::of(|status| numbers[usize::from(status.tag())]);
        Self {
            from: Instant(Millis(found.after.0 + 1)),
            until: Instant(Millis(found.until.0 + 1)),
            by_status: by_status(&found.standing),
            entered: by_status(&found.entered),
            left: by_status(&found.left),
        }
    }
}

impl HealthBody {
    /// What a component that does its work says of itself changes all the time: free bytes, when the broker was last
    /// heard from.
    fn leave_out_measurements(&mut self) {
        let up = self
            .components
            .iter_mut()
            .filter(|component| component.status == UP);
        up.for_each(|component| component.message.clear());
    }

    fn of(report: &Report) -> Self {
        let word = |up: bool| if up { UP } else { "DOWN" };
        let components = report.components().into_iter();
        Self {
            status: word(report.healthy()),
            components: components
                .map(|(name, up, message)| HealthComponentBody {
                    name,
                    status: word(up),
                    message,
                })
                .collect(),
        }
    }
}

impl OverviewBody {
    fn of(all: &OverviewFacts, range: Range) -> Self {
        let (found, request) = (all.overview.clone(), &all.request);
        let (from, to) = request.period;
        let figures = &found.figures;
        let cursor = found.basis.cursor.iter();
        let in_status = |status: SagaStatus| figures.by_status.get(&status).copied().unwrap_or(0);
        Self {
            saga_type: request.saga_type.as_ref().map(|name| name.as_str().to_owned()),
            range: range.as_str(),
            period: PeriodBody::of(Some(from), Some(to)),
            ledger: SealBody::of(figures),
            lag: all.lag,
            total: figures.total(),
            by_status: ByStatusBody::of(in_status),
            failed_per_hour: figures.failed_last_hour,
            stuck: figures.stuck,
            dead_letters: LettersBody {
                open: figures.open_letters,
            },
            incidents: all.open_incidents,
            snapshot: all.snapshot.map(|at| SnapshotBody { at: Instant(at) }),
            series: found.series.map(|stretches| SeriesBody {
                every_seconds: range.every_seconds(),
                points: stretches.iter().map(OverviewPointBody::of).collect(),
            }),
            flow: found.flow.as_ref().map(RecentFlowBody::of),
            steps: found
                .flow
                .as_ref()
                .map_or_else(Vec::new, |flow| worst(flow, found.day_before.as_ref())),
            newest_failed: found.newest_failed.into_iter().map(SagaBody::from).collect(),
            health: HealthBody::of(&all.report),
            incident_list: all.incidents.iter().map(OverviewIncidentBody::of).collect(),
            cursor: cursor
                .map(|(partition, next)| (partition.to_string(), next))
                .collect(),
        }
    }
}

fn parse(query: Option<&str>, now: Millis) -> Result<(OverviewRequest, Range), ApiError> {
    let mut params = Params::of(query);
    let saga_type = filter::saga_type(&mut params).map(SagaType::from);
    let range = params.take(&["range"], Range::ACCEPTED, Range::from_name);
    params.finish()?;
    let range = range.unwrap_or(Range::FiveMinutes);
    let request = OverviewRequest {
        saga_type,
        now,
        period: range.period(now),
        edges: range.edges(now),
        counted: Vec::new(),
    };
    Ok((request, range))
}

/// What goes on
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    operation_id = "getOverview",
    tag = "sagas",
    description = "How things stand, what flows, what takes long, what failed last, and whether the tracker is healthy; \
                   what is in the store from one snapshot of it. The answer has an ETag: a client that sends it back \
                   in If-None-Match gets 304 while nothing has changed but what components that are UP say of \
                   themselves. Its Cache-Control is no-cache. It is computed at most once a second for all who ask the \
                   same.",
    params(OverviewQuery),
    responses(
        (status = 200, body = OverviewBody, description = "All of it."),
        (status = 304, description = "The client has it already."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let now = context.clock().now();
    let (request, range) = parse(query.as_deref(), now)?;
    let shared = context.overview(caller.peer(), request).await?;
    let mut body = OverviewBody::of(&shared, range);
    // Text and numbers can always be written.
    let text = |body: &OverviewBody| serde_json::to_vec(body).unwrap_or_default();
    let whole = text(&body);
    body.health.leave_out_measurements();
    Ok(etag::answer(&headers, whole, &text(&body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_of_three() {
        let now = Millis(1_769_904_000_000);
        let (request, range) = parse(Some("type=T&range=24h"), now).unwrap();
        assert_eq!((request.saga_type, range), (Some("T".into()), Range::Day));
        assert_eq!(parse(None, now).unwrap().1, Range::FiveMinutes);
        let refused = parse(Some("range=2h"), now).unwrap_err().to_string();
        assert_eq!(refused, "range: found \"2h\", accepted: 5m, 1h or 24h");
    }
    #[test]
    fn what_components_that_are_up_measure_makes_no_other_answer() {
        let component = |status, message: &str| HealthComponentBody {
            name: "diskSpace",
            status,
            message: message.to_owned(),
        };
        let mut health = HealthBody {
            status: "DOWN",
            components: vec![component(UP, "7 bytes free"), component("DOWN", "no space")],
        };
        health.leave_out_measurements();
        let told: Vec<&str> = health.components.iter().map(|of| of.message.as_str()).collect();
        assert_eq!(told, ["", "no space"]);
    }
}
