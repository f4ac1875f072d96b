//! Which events there are: by type, step, service and status.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::saga_fields::Status;
use super::super::sagas::statistics::PeriodBody;
use super::super::text::{self, Instant};
use super::{asked, markdown};
use crate::domain::{HOUR_MILLIS, Millis};
use crate::pipeline::query::{Catalogue, CatalogueEntry, EventKind, FlowRequest};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const MARKDOWN: &str = "text/markdown";

/// The parameters.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct CatalogueQuery {
    /// Only sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
    /// Sagas that are looked at, at most; more are refused.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 20_000, default = 20_000)]
    limit: Option<u64>,
    /// What it is written as. Without it, markdown when Accept names text/markdown, otherwise json.
    #[param(value_type = Option<String>, pattern = "^(json|markdown)$", default = "json")]
    format: Option<String>,
}

/// Which kinds of events there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventCatalogue)]
pub(super) struct CatalogueBody {
    /// Sagas of this type; null: of all.
    #[schema(required)]
    pub(super) saga_type: Option<String>,
    pub(super) period: PeriodBody,
    /// Sagas that started in the period; all of them were looked at.
    pub(super) sagas: u64,
    /// Their events, duplicates left out.
    pub(super) events: u64,
    /// The first event's time.
    #[schema(required)]
    pub(super) first_seen: Option<Instant>,
    /// The last event's time.
    #[schema(required)]
    pub(super) last_seen: Option<Instant>,
    /// Each kind of event, by type, step, service and status.
    pub(super) entries: Vec<EntryBody>,
    /// By partition of the tracker topic the first offset that was not folded yet.
    cursor: BTreeMap<String, u64>,
    /// The hash of the definitions that owners and documented steps are from.
    pub(super) definitions: String,
}

/// One kind of event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventCatalogueEntry)]
pub(super) struct EntryBody {
    /// Its saga's type.
    #[schema(example = "ORDER_CREATION")]
    pub(super) saga_type: String,
    #[schema(example = "STOCK_RESERVED")]
    pub(super) step: String,
    /// The service that reported it; null when it named none.
    #[schema(required, example = "product-service")]
    pub(super) service: Option<String>,
    pub(super) status: Status,
    /// How many.
    pub(super) events: u64,
    /// How many an hour, from the first to the last event of the catalogue; null when all are of one instant.
    #[schema(required)]
    pub(super) events_per_hour: Option<f64>,
    /// The first one's time.
    pub(super) first_seen: Instant,
    /// The last one's time.
    pub(super) last_seen: Instant,
    /// Whom to ask about sagas of the type, by the definitions.
    #[schema(required)]
    pub(super) type_owner: Option<String>,
    /// Whom to ask about the service, by the definitions.
    #[schema(required)]
    pub(super) service_owner: Option<String>,
    /// Whether the type's definition names the step.
    pub(super) documented: bool,
}

impl EntryBody {
    fn of((kind, entry): (EventKind, CatalogueEntry), hours: Option<f64>) -> Self {
        Self {
            saga_type: kind.saga_type,
            step: kind.step,
            service: kind.service,
            status: kind.status.into(),
            events: entry.events,
            events_per_hour: hours.map(|hours| entry.events as f64 / hours),
            first_seen: Instant(entry.first_seen),
            last_seen: Instant(entry.last_seen),
            type_owner: entry.type_owner,
            service_owner: entry.service_owner,
            documented: entry.documented,
        }
    }
}

impl CatalogueBody {
    pub(super) fn of(catalogue: Catalogue, request: &FlowRequest) -> Self {
        let (span, cursor) = (catalogue.span(), catalogue.basis.cursor.iter());
        let hours = span.map(|(first, last)| last.since(first) as f64 / HOUR_MILLIS as f64);
        let hours = hours.filter(|hours| *hours > 0.0);
        Self {
            saga_type: request.saga_type.as_ref().map(|name| name.as_str().to_owned()),
            period: PeriodBody::of(request.from, request.to),
            sagas: catalogue.sagas,
            events: catalogue.events(),
            first_seen: span.map(|(first, _)| Instant(first)),
            last_seen: span.map(|(_, last)| Instant(last)),
            cursor: cursor
                .map(|(partition, next)| (partition.to_string(), next))
                .collect(),
            definitions: catalogue.basis.definitions.clone(),
            entries: catalogue
                .entries
                .into_iter()
                .map(|entry| EntryBody::of(entry, hours))
                .collect(),
        }
    }
}

/// What is asked for, and whether as Markdown.
fn parse(query: Option<&str>, headers: &HeaderMap) -> Result<(FlowRequest, bool), ApiError> {
    let mut params = Params::of(query);
    let request = asked(&mut params);
    let format = params.take(&["format"], "json or markdown", |text| match text {
        "json" => Some(false),
        "markdown" => Some(true),
        _ => None,
    });
    params.finish()?;
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    Ok((
        request,
        format.unwrap_or_else(|| accepted.any(|value| value.contains(MARKDOWN))),
    ))
}

/// Which events there are
#[utoipa::path(
    get,
    path = "/api/v1/flow/catalogue",
    operation_id = "getEventCatalogue",
    tag = "census",
    description = "Each kind of event by its saga's type, its step, the service that reported it and its status: how \
                   often and when it came, whom to ask, and whether the type's definition names the step. Read from \
                   the log of the sagas that started in the period, all of them: more than the limit, more than a \
                   million events or more than 5,000 kinds are refused, never sampled. Purged sagas are not in it.",
    params(CatalogueQuery),
    responses(
        (status = 200, description = "The kinds of events.", content(
            (CatalogueBody = "application/json"),
            (String = "text/markdown"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter was not understood, or it is too much for one answer."),
        (status = 503, body = ErrorBody, description = "Too many questions are asked at once."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (request, as_markdown) = parse(query.as_deref(), &headers)?;
    let catalogue = context.catalogue(request.clone()).await?;
    let body = CatalogueBody::of(catalogue, &request);
    if as_markdown {
        let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
        return Ok((kind, markdown::catalogue(&body)).into_response());
    }
    Ok(Json(body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_counts_before_accept_and_a_format_that_there_is_not_is_refused() {
        let accepting =
            |accept: &'static str| HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        let wanted =
            |query: &str, accept| parse(Some(query), &accepting(accept)).map(|(_, markdown)| markdown);
        assert!(!wanted("", "*/*").unwrap());
        assert!(wanted("", "text/html, text/markdown;q=0.9").unwrap());
        assert!(!wanted("format=json", "text/markdown").unwrap());
        assert!(wanted("format=markdown&type=T", "*/*").unwrap());
        let refused = wanted("format=html", "*/*").unwrap_err().to_string();
        assert_eq!(refused, "format: found \"html\", accepted: json or markdown");
    }
}
