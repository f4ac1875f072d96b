//! The sagas that match, page by page or by cursor.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, entries, parse_cursor, parse_number, shown};
use super::super::saga_fields::Status;
use super::super::text;
use super::SagaBody;
use super::filter::{self, MAX_NAME_CHARS, MAX_STEP_CHARS, MAX_STEPS};
use super::moment::{self, AskedMomentBody};
use crate::domain::{CompensationState, ConformanceRule, Millis, OrderId, SagaStatus, SagaType, Step};
use crate::pipeline::query::{
    AskedStuck, Filter, Inside, Moment, SearchPage, SearchRequest, Sort, SortKey, Window,
};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

const DEFAULT_SIZE: u64 = 20;
pub(super) const MAX_SIZE: u64 = 100;
/// Far beyond any store, and far from overflowing when multiplied with the size.
pub(super) const LAST_PAGE: u64 = 1_000_000_000_000;

/// The parameters of a search.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(in crate::server::api) struct SearchQuery {
    /// Sagas of this order.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    order_id: Option<String>,
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    /// Sagas in this status.
    #[param(value_type = Option<Status>)]
    status: Option<SagaStatus>,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
    #[param(schema_with = step_schema, required = false)]
    step: Vec<Step>,
    #[param(schema_with = without_step_schema, required = false)]
    without_step: Vec<Step>,
    /// Sagas in which an event names this service.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    producer_service: Option<Box<str>>,
    /// Sagas that have this among their traceIds, the first eight that their events named.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    trace_id: Option<Box<str>>,
    #[param(schema_with = filter::rule_schema)]
    rule: Option<ConformanceRule>,
    #[param(schema_with = filter::stuck_schema)]
    stuck: Option<AskedStuck>,
    #[param(schema_with = filter::compensation_schema)]
    compensation: Option<CompensationState>,
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
    /// Which page, from 0. Not together with a cursor.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 1_000_000_000_000u64, default = 0)]
    page: Option<u64>,
    /// Sagas on a page.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    size: Option<u64>,
    /// What to sort by, and which way. The letters of the direction may be of either case.
    #[param(value_type = Option<String>, pattern = "^(startedAt|updatedAt)(,(asc|desc))?$", default = "startedAt,desc")]
    sort: Option<Sort>,
    /// nextCursor of an answer to the same filters and sort: answers with the sagas behind it, at
    /// the same cost however deep.
    #[param(value_type = Option<String>, min_length = 1, max_length = 4096)]
    cursor: Option<String>,
}

impl SearchQuery {
    /// The parameters, at an instant that is now.
    pub(in crate::server::api) fn parse(query: Option<&str>, now: Millis) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let order_id = filter::order_id(&mut params);
        let saga_type = filter::saga_type(&mut params);
        let status = filter::status(&mut params);
        let (from_date, to_date) = filter::period(&mut params);
        let inside = filter::inside(&mut params, now);
        let Moment { as_of, known_at } = moment::take(&mut params, ["asOf", "knownAt"]);
        let number = format!("a whole number from 0 to {LAST_PAGE}");
        let page = params.take(&["page"], &number, |text| parse_number(text, 0, LAST_PAGE));
        let size = params.size(MAX_SIZE);
        let sort = params.take(
            &["sort"],
            "startedAt or updatedAt, then ,asc or ,desc",
            parse_sort,
        );
        let cursor = params.cursor(parse_cursor);
        if let (Some(page), Some(_)) = (page, &cursor) {
            params.fault(
                "page",
                shown(&page.to_string()),
                "no page beside a cursor".to_owned(),
            );
        }
        params.finish()?;
        Ok(Self {
            order_id,
            saga_type,
            status,
            from_date,
            to_date,
            step: inside.steps,
            without_step: inside.without_steps,
            producer_service: inside.producer_service,
            trace_id: inside.trace_id,
            rule: inside.rule,
            stuck: inside.stuck,
            compensation: inside.compensation,
            as_of,
            known_at,
            page,
            size,
            sort,
            cursor,
        })
    }

    pub(in crate::server::api) fn into_request(self) -> SearchRequest {
        let size = entries(self.size, DEFAULT_SIZE);
        let filter = Filter {
            order_id: self.order_id.map(OrderId::from),
            saga_type: self.saga_type.map(SagaType::from),
            status: self.status,
            from: self.from_date,
            to: self.to_date,
            inside: Inside {
                steps: self.step,
                without_steps: self.without_step,
                producer_service: self.producer_service,
                trace_id: self.trace_id,
                rule: self.rule,
                stuck: self.stuck,
                compensation: self.compensation,
            },
            moment: Moment {
                as_of: self.as_of,
                known_at: self.known_at,
            },
        };
        let sort = self.sort.unwrap_or(Sort {
            key: SortKey::StartedAt,
            descending: true,
        });
        let window = match self.cursor {
            Some(cursor) => Window::After { cursor, size },
            None => Window::Page {
                number: self.page.unwrap_or(0),
                size,
            },
        };
        SearchRequest { filter, sort, window }
    }
}

fn step_schema() -> Schema {
    steps_schema(
        "Sagas in which an event reported this step, by its exact name and with whatever status; duplicates do not \
         count. Given several times, each of them.",
    )
}

fn without_step_schema() -> Schema {
    steps_schema("Sagas in which no event reported this step. Given several times, none of them.")
}

fn steps_schema(description: &str) -> Schema {
    let step = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(MAX_STEP_CHARS));
    let steps = ArrayBuilder::new()
        .items(step)
        .max_items(Some(MAX_STEPS))
        .description(Some(description));
    Schema::Array(steps.build())
}

/// A key, and a direction that is descending when left out.
fn parse_sort(text: &str) -> Option<Sort> {
    let (key, direction) = text.split_once(',').unwrap_or((text, "desc"));
    let key = match key {
        "startedAt" => SortKey::StartedAt,
        "updatedAt" => SortKey::UpdatedAt,
        _ => return None,
    };
    let descending = direction.eq_ignore_ascii_case("desc");
    (descending || direction.eq_ignore_ascii_case("asc")).then_some(Sort { key, descending })
}

/// A part of the sagas that match.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchPage)]
pub(super) struct SearchBody {
    content: Vec<SagaBody>,
    page: PageBody,
    /// Leads to what follows; null on the last part.
    #[schema(required)]
    next_cursor: Option<String>,
    #[serde(flatten)]
    moment: AskedMomentBody,
}

/// Which part it is, and of how many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Page)]
pub(super) struct PageBody {
    /// The page, from 0; null in an answer to a cursor, which knows no number.
    #[schema(required)]
    number: Option<u64>,
    /// Sagas on a page.
    size: usize,
    /// Sagas that match. Exact.
    total_elements: u64,
    /// Pages of this size that they fill.
    total_pages: u64,
}

impl PageBody {
    pub(super) fn of(number: Option<u64>, size: usize, total: u64) -> Self {
        Self {
            number,
            size,
            total_elements: total,
            total_pages: total.div_ceil(size.max(1) as u64),
        }
    }
}

impl SearchBody {
    fn of(found: SearchPage, window: &Window, moment: Moment) -> Self {
        let (number, size) = match window {
            Window::Page { number, size } => (Some(*number), *size),
            Window::After { size, .. } => (None, *size),
        };
        Self {
            moment: AskedMomentBody::of(moment, &found.basis),
            content: found.sagas.into_iter().map(SagaBody::from).collect(),
            page: PageBody::of(number, size, found.total),
            next_cursor: found.next_cursor,
        }
    }
}

/// Sagas that match
#[utoipa::path(
    get,
    path = "/api/v1/sagas",
    operation_id = "searchSagas",
    tag = "sagas",
    description = "All that is given must hold. Totals are exact. Unknown parameters are ignored. With asOf or \
                   knownAt, status, dates and every saga in the answer are those of that moment; then at most \
                   10,000 sagas are sorted by updatedAt or looked through by orderId, and at most 200,000 \
                   deliveries, of at most 20,000 sagas with 1,000,000 events, may have been under way at knownAt: had \
                   happened and not arrived, or the other way round. For step, withoutStep, producerService, rule, stuck and compensation the sagas that \
                   the other parameters and the indexes leave are looked at one by one, at most 100,000 sagas and \
                   1,000,000 of their events; what is beyond is refused.",
    params(SearchQuery),
    responses(
        (status = 200, body = SearchBody, description = "A part of the sagas that match."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<SearchBody>, ApiError> {
    let request = SearchQuery::parse(query.as_deref(), context.clock().now())?.into_request();
    let (window, moment) = (request.window.clone(), request.filter.moment);
    let found = context.search(request).await?;
    Ok(Json(SearchBody::of(found, &window, moment)))
}

const _: () = assert!(
    MAX_NAME_CHARS == 255 && LAST_PAGE == 1_000_000_000_000 && MAX_SIZE == 100,
    "as documented"
);

#[cfg(test)]
mod tests;
