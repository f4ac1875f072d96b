//! The stuck sagas, page by page.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, entries, parse_number};
use super::super::text;
use super::SagaBody;
use super::filter;
use super::judgement::StuckBody;
use super::moment::{self, MomentBody};
use super::search::{LAST_PAGE, MAX_SIZE, PageBody};
use crate::domain::{Millis, SagaType, StuckRule};
use crate::pipeline::query::{Moment, StuckPage, StuckRequest};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_SIZE: u64 = 20;

/// The parameters.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct StuckQuery {
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    /// By this rule alone.
    #[param(value_type = Option<String>, pattern = "^(PAST_DEADLINE|COMPENSATION_OVERDUE)$")]
    rule: Option<String>,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
    /// Which page, from 0.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 1_000_000_000_000u64, default = 0)]
    page: Option<u64>,
    /// Sagas on a page.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    size: Option<u64>,
}

/// A part of the stuck sagas.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StuckSagas)]
pub(super) struct StuckSagasBody {
    /// As they were then, each with `stuck`: by rule (PAST_DEADLINE first), then by type, then by since when.
    content: Vec<SagaBody>,
    page: PageBody,
    #[serde(flatten)]
    moment: MomentBody,
}

fn parse(query: Option<&str>, now: Millis) -> Result<StuckRequest, ApiError> {
    let mut params = Params::of(query);
    let saga_type = filter::saga_type(&mut params).map(SagaType::from);
    let accepted = "PAST_DEADLINE or COMPENSATION_OVERDUE";
    let rule = params.take(&["rule"], accepted, StuckRule::from_name);
    let (from, to) = filter::period(&mut params);
    let moment = moment::take(&mut params, ["asOf", "knownAt"]);
    let number = format!("a whole number from 0 to {LAST_PAGE}");
    let page = params.take(&["page"], &number, |text| parse_number(text, 0, LAST_PAGE));
    let size = params.size(MAX_SIZE);
    params.finish()?;
    Ok(StuckRequest {
        moment,
        now,
        saga_type,
        rule,
        from,
        to,
        page: page.unwrap_or(0),
        size: entries(size, DEFAULT_SIZE),
        newest_first: false,
    })
}

impl StuckSagasBody {
    fn of(found: StuckPage, request: &StuckRequest) -> Self {
        let moment = Moment {
            as_of: Some(request.at()),
            known_at: request.moment.known_at,
        };
        let sagas = found.sagas.into_iter();
        let content = sagas.map(|(saga, stuck)| SagaBody {
            stuck: Some(Some(StuckBody::from(stuck))),
            ..saga.into()
        });
        Self {
            content: content.collect(),
            page: PageBody::of(Some(request.page), request.size, found.total),
            moment: MomentBody::of(moment, &found.basis),
        }
    }
}

/// Stuck sagas
#[utoipa::path(
    get,
    path = "/api/v1/sagas/stuck",
    operation_id = "findStuckSagas",
    tag = "sagas",
    description = "PAST_DEADLINE: STARTED or IN_PROGRESS longer than the deadline of its type. COMPENSATION_OVERDUE: \
                   FAILED longer than the time of its type, and something that was done before is not undone. Both \
                   are exact at any number of sagas, with one exception: for COMPENSATION_OVERDUE at a moment, or of \
                   sagas that started in a period, at most 100,000 sagas that had failed are looked through; beyond \
                   that the question is refused: narrow it by type or dates, or ask for rule=PAST_DEADLINE. Only \
                   types with a definition count. Without asOf and knownAt it is about sagas as they stand, also by \
                   events that are ahead of the clock, and the tracker's clock says what is late.",
    params(StuckQuery),
    responses(
        (status = 200, body = StuckSagasBody, description = "A part of the stuck sagas."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood, or too many sagas had failed."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<StuckSagasBody>, ApiError> {
    let request = parse(query.as_deref(), context.clock().now())?;
    let found = context.stuck(request.clone()).await?;
    Ok(Json(StuckSagasBody::of(found, &request)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_is_told_by_the_clock_unless_an_instant_is_given() {
        let now = Millis(1_767_225_600_000);
        let plain = parse(None, now).unwrap();
        assert!(plain.moment.is_now());
        assert_eq!(
            (plain.at(), plain.page, plain.size, plain.rule),
            (now, 0, 20, None)
        );
        let query = "asOf=2025-01-01T00:00:00Z&rule=COMPENSATION_OVERDUE&type=T&page=2&size=5";
        let asked = parse(Some(query), now).unwrap();
        assert_eq!(asked.at().to_string(), "2025-01-01T00:00:00Z");
        assert_eq!(asked.rule, Some(StuckRule::CompensationOverdue));
        assert_eq!(
            (asked.saga_type, asked.page, asked.size),
            (Some("T".into()), 2, 5)
        );
    }

    #[test]
    fn what_is_no_rule_page_or_size_is_refused_by_name() {
        for (query, parameter) in [("rule=LATE", "rule"), ("page=-1", "page"), ("size=101", "size")] {
            let refused = parse(Some(query), Millis(0)).unwrap_err();
            assert!(
                format!("{refused:?}").contains(&format!("{parameter:?}")),
                "{query}"
            );
        }
    }
}
