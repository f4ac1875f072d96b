//! Which step follows which, and which services lead to each other.

use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody};
use super::super::params::Params;
use super::super::sagas::statistics::PeriodBody;
use super::super::text;
use super::asked;
use super::drawing::{self, Arrow, Drawing};
use crate::domain::{Millis, SagaType};
use crate::pipeline::query::{Flow, FlowRequest, FlowStep, ServiceCycle, Times};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The parameters.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct FlowQuery {
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = String, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: String,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
    /// Sagas that are looked at, at most; more are refused.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 20_000, default = 20_000)]
    limit: Option<u64>,
    /// What it is written as: data, or a graph for Graphviz or Mermaid.
    #[param(value_type = Option<String>, pattern = "^(json|dot|mermaid)$", default = "json")]
    format: Option<String>,
}

/// Which step follows which in the sagas of a type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Flow)]
pub(super) struct FlowBody {
    saga_type: String,
    period: PeriodBody,
    /// Sagas that started in the period; all of them were looked at.
    sagas: u64,
    /// Their events, duplicates left out.
    events: u64,
    /// Each step, by name.
    steps: Vec<StepBody>,
    /// Each pair of steps of which the second came next behind the first.
    edges: Vec<EdgeBody>,
    /// Services each of which leads to each other, as many as there are: an event of one came next behind an event of
    /// another. Events that name no service lead nowhere.
    cycles: Vec<CycleBody>,
    /// By partition of the tracker topic the first offset that was not folded yet.
    cursor: BTreeMap<String, u64>,
    /// The hash of the rules that was folded under.
    definitions: String,
}

/// A step of the flow.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FlowStep)]
struct StepBody {
    #[schema(example = "STOCK_RESERVED")]
    step: String,
    /// Its events.
    events: u64,
    /// Sagas that began with it.
    first: u64,
    /// Sagas whose last event it is.
    last: u64,
    /// Its events by the service that reported them, of at most 50 services.
    services: BTreeMap<String, u64>,
    /// Its events that named no service.
    without_service: u64,
    /// Its events of further services.
    of_other_services: u64,
}

/// One step next behind another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FlowEdge)]
struct EdgeBody {
    #[schema(example = "ORDER_CREATED")]
    from: String,
    #[schema(example = "STOCK_RESERVED")]
    to: String,
    /// How often.
    count: u64,
    /// The time, by event time, within which half of them came.
    p50_seconds: f64,
    /// The time within which 95 of 100 came.
    p95_seconds: f64,
    /// The time within which 99 of 100 came.
    p99_seconds: f64,
}

/// Services that lead to each other.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceCycle)]
struct CycleBody {
    /// Their names.
    services: Vec<String>,
    /// The edges that make it: those among them.
    edges: Vec<ServiceEdgeBody>,
}

/// One service next behind another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceEdge)]
struct ServiceEdgeBody {
    #[schema(example = "order-service")]
    from: String,
    #[schema(example = "product-service")]
    to: String,
    /// How often an event of the second came next behind one of the first.
    count: u64,
}

impl From<ServiceCycle> for CycleBody {
    fn from(cycle: ServiceCycle) -> Self {
        let edges = cycle.edges.into_iter();
        Self {
            services: cycle.services,
            edges: edges
                .map(|((from, to), count)| ServiceEdgeBody { from, to, count })
                .collect(),
        }
    }
}

impl StepBody {
    fn of((step, of): (String, FlowStep)) -> Self {
        Self {
            step,
            events: of.events,
            first: of.first,
            last: of.last,
            services: of.services,
            without_service: of.without_service,
            of_other_services: of.of_other_services,
        }
    }
}

impl EdgeBody {
    fn of(((from, to), edge): ((String, String), Times)) -> Self {
        let seconds = |percent| edge.percentile(percent) as f64 / 1000.0;
        Self {
            count: edge.count(),
            p50_seconds: seconds(50),
            p95_seconds: seconds(95),
            p99_seconds: seconds(99),
            from,
            to,
        }
    }
}

impl FlowBody {
    fn of(flow: Flow, saga_type: &SagaType, request: &FlowRequest) -> Self {
        let cursor = flow.basis.cursor.iter();
        Self {
            saga_type: saga_type.as_str().to_owned(),
            period: PeriodBody::of(request.from, request.to),
            sagas: flow.sagas,
            events: flow.events,
            cursor: cursor
                .map(|(partition, next)| (partition.to_string(), next))
                .collect(),
            definitions: flow.basis.definitions,
            steps: flow.steps.into_iter().map(StepBody::of).collect(),
            edges: flow.edges.into_iter().map(EdgeBody::of).collect(),
            cycles: flow.cycles.into_iter().map(CycleBody::from).collect(),
        }
    }
}

impl FlowBody {
    fn drawn(&self, drawing: Drawing) -> String {
        let steps = self.steps.iter().map(|step| step.step.as_str());
        let arrows = self.edges.iter().map(|edge| Arrow {
            from: &edge.from,
            to: &edge.to,
            count: edge.count,
            p50_seconds: edge.p50_seconds,
        });
        drawing::draw(drawing, steps, arrows)
    }
}

/// A flow is that of one type. As which drawing, if as any.
fn parse(query: Option<&str>) -> Result<(SagaType, FlowRequest, Option<Drawing>), ApiError> {
    let mut params = Params::of(query);
    let request = asked(&mut params);
    let drawing = params.take(&["format"], "json, dot or mermaid", |text| match text {
        "json" => Some(None),
        "dot" => Some(Some(Drawing::Dot)),
        "mermaid" => Some(Some(Drawing::Mermaid)),
        _ => None,
    });
    params.finish()?;
    let saga_type = request.saga_type.clone().ok_or_else(|| {
        ApiError::faults(vec![Detail {
            parameter: "sagaType".to_owned(),
            found: "nothing".to_owned(),
            accepted: "1 to 255 characters".to_owned(),
        }])
    })?;
    Ok((saga_type, request, drawing.flatten()))
}

/// Which step follows which
#[utoipa::path(
    get,
    path = "/api/v1/flow",
    operation_id = "getFlow",
    tag = "census",
    description = "Read from the log of the sagas that started in the period, all of them: more than the limit, more \
                   than a million events, more than 2,000 different pairs of steps or 1,000 of services are refused, \
                   never sampled. Purged sagas are not in it.",
    params(FlowQuery),
    responses(
        (status = 200, description = "Steps, and how often and how fast each followed another.", content(
            (FlowBody = "application/json"),
            (String = "text/vnd.graphviz"),
            (String = "text/plain"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter was not understood, or it is too much for one answer."),
        (status = 503, body = ErrorBody, description = "Too many questions are asked at once."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (saga_type, request, drawing) = parse(query.as_deref())?;
    let flow = context.flow(request.clone()).await?;
    let body = FlowBody::of(flow, &saga_type, &request);
    let Some(drawing) = drawing else {
        return Ok(Json(body).into_response());
    };
    let kind = [(header::CONTENT_TYPE, drawing.content_type())];
    Ok((kind, body.drawn(drawing)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::query::MAX_FLOW_SAGAS;

    #[test]
    fn a_type_is_needed_and_the_limit_is_bounded() {
        let (saga_type, asked, drawing) = parse(Some("type=T&fromDate=2026-01-01&limit=5")).unwrap();
        assert_eq!(drawing, None);
        assert_eq!(parse(Some("type=T&format=dot")).unwrap().2, Some(Drawing::Dot));
        assert_eq!((saga_type, asked.limit), ("T".into(), 5));
        assert_eq!(parse(Some("sagaType=T")).unwrap().1.limit, MAX_FLOW_SAGAS);
        for (query, parameter) in [
            ("", "sagaType"),
            ("type=T&limit=20001", "limit"),
            ("type=T&format=png", "format"),
        ] {
            let refused = parse(Some(query)).unwrap_err();
            assert!(
                format!("{refused:?}").contains(&format!("{parameter:?}")),
                "{query}"
            );
        }
    }
}
