//! Incidents, newest first.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::incident_sagas::{counted, with_counts};
use super::super::params::{Params, entries, parse_number, parse_text};
use super::super::sagas::search::PageBody;
use super::super::text::{ACCEPTED, Edge, edge_schema, parse_edge};
use super::body::IncidentBody;
use crate::domain::Millis;
use crate::operations::incidents::IncidentFilter;
use crate::pipeline::query::Filter;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

const DEFAULT_SIZE: u64 = 20;
const MAX_SIZE: u64 = 100;
const LAST_PAGE: u64 = 1_000_000;
const MAX_ID_CHARS: usize = 300;

/// Which incidents.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct IncidentsQuery {
    /// true: those that go on. false: those that are over.
    #[param(value_type = Option<bool>)]
    active: Option<bool>,
    /// The one of that id.
    #[param(value_type = Option<String>, min_length = 1, max_length = 300)]
    id: Option<String>,
    #[param(schema_with = first_edge_schema)]
    from: Option<Millis>,
    #[param(schema_with = last_edge_schema)]
    to: Option<Millis>,
    /// Which page, from 0.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 1_000_000, default = 0)]
    page: u64,
    /// Incidents on a page.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    size: usize,
}

fn first_edge_schema() -> Schema {
    edge_schema("Incidents that went on then or later: an instant, or a date, which begins at 00:00:00Z.")
}

fn last_edge_schema() -> Schema {
    edge_schema("Incidents that had begun by then: an instant, or a date, which ends at 23:59:59.999Z.")
}

impl IncidentsQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let active = params.take(&["active"], "true or false", |text| text.parse().ok());
        let id = params.take(&["id"], "1 to 300 characters", |text| {
            parse_text(text, MAX_ID_CHARS).map(str::to_owned)
        });
        let from = params.take(&["from"], ACCEPTED, |text| parse_edge(text, Edge::First));
        let to = params.take(&["to"], ACCEPTED, |text| parse_edge(text, Edge::Last));
        let number = format!("a whole number from 0 to {LAST_PAGE}");
        let page = params.take(&["page"], &number, |text| parse_number(text, 0, LAST_PAGE));
        let size = params.size(MAX_SIZE);
        params.finish()?;
        Ok(Self {
            active,
            id,
            from,
            to,
            page: page.unwrap_or(0),
            size: entries(size, DEFAULT_SIZE),
        })
    }
}

/// Incidents.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentsPage)]
pub(super) struct IncidentsBody {
    /// Newest first.
    incidents: Vec<IncidentBody>,
    page: PageBody,
}

/// Incidents
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    operation_id = "listIncidents",
    tag = "incidents",
    description = "Alerts that came in by POST /api/v1/alerts, newest first, as far as they are kept (incidents.kept, \
                   incidents.kept_days). They are this replica's own.",
    params(IncidentsQuery),
    responses(
        (status = 200, body = IncidentsBody, description = "A page of them."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<IncidentsBody>, ApiError> {
    let query = IncidentsQuery::parse(query.as_deref())?;
    let (page, size) = (query.page, query.size);
    let asked = IncidentFilter {
        active: query.active,
        id: query.id,
        from: query.from,
        to: query.to,
    };
    let now = context.clock().now();
    let (found, total) = context.parts().incidents.page(&asked, (page, size), now);
    // However many there are, one place is taken for all; an incident is more than its count.
    let filters: Vec<Filter> = found.iter().filter_map(counted).collect();
    let counts = context.counts(filters).await.unwrap_or_default();
    let incidents = with_counts(found, counts);
    let incidents = incidents
        .iter()
        .map(|(told, sagas)| IncidentBody::of(told, *sagas));
    let incidents = incidents.collect();
    let page = PageBody::of(Some(page), size, total);
    Ok(Json(IncidentsBody { incidents, page }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_refused_by_its_name() {
        let found = IncidentsQuery::parse(Some("active=true&from=2026-01-31&page=2&size=5&id=a-1")).unwrap();
        assert_eq!((found.active, found.page, found.size), (Some(true), 2, 5));
        for (query, parameter) in [
            ("active=yes", "active"),
            ("from=now", "from"),
            ("to=now", "to"),
            ("page=-1", "page"),
            ("size=101", "size"),
            ("id=", "id"),
        ] {
            let refused = IncidentsQuery::parse(Some(query)).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{parameter}: found")), "{refused}");
        }
    }
}
