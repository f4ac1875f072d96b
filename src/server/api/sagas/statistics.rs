//! Numbers about the sagas that match.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::text::{self, Instant};
use super::details::DetailsBody;
use super::filter;
use super::moment::{self, AskedMomentBody};
use crate::domain::{Millis, SagaStatus, SagaType};
use crate::pipeline::query::{Filter, Moment, Statistics};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The parameters of statistics.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct StatisticsQuery {
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
    /// details: adds what happened inside of the sagas, for which each of them is looked at, at most 100,000 sagas and
    /// 1,000,000 of their events; what is beyond is refused.
    #[param(value_type = Option<String>, pattern = "^details$")]
    include: bool,
}

impl StatisticsQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let saga_type = filter::saga_type(&mut params);
        let (from_date, to_date) = filter::period(&mut params);
        let Moment { as_of, known_at } = moment::take(&mut params, ["asOf", "knownAt"]);
        let include = params.take(&["include"], "details", |text| {
            (text == "details").then_some(true)
        });
        params.finish()?;
        Ok(Self {
            saga_type,
            from_date,
            to_date,
            as_of,
            known_at,
            include: include.unwrap_or(false),
        })
    }

    fn into_filter(self) -> Filter {
        Filter {
            saga_type: self.saga_type.map(SagaType::from),
            from: self.from_date,
            to: self.to_date,
            moment: Moment {
                as_of: self.as_of,
                known_at: self.known_at,
            },
            ..Filter::default()
        }
    }
}

/// Numbers about the sagas that match.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Statistics)]
pub(super) struct StatisticsBody {
    period: PeriodBody,
    /// Sagas that match.
    total: u64,
    by_status: ByStatusBody,
    /// Sagas by type; where there are more than a thousand types, of those that have the most.
    by_type: BTreeMap<String, u64>,
    /// Types beyond those; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    other_types: Option<OtherTypesBody>,
    /// Those that are FAILED among all; 0 when there are none.
    failure_rate: f64,
    /// How many are COMPENSATED for each that is FAILED, above 1 where most are made good; 0 when none is FAILED.
    compensation_rate: f64,
    /// Sagas that ever were FAILED, whatever they are now. Null while projector.past is off.
    #[schema(required)]
    ever_failed: Option<u64>,
    /// Those among all; 0 when there are none. Null while projector.past is off.
    #[schema(required)]
    ever_failed_rate: Option<f64>,
    /// Of those, the part that was COMPENSATED afterwards, at most 1; 0 when none ever failed. Null while
    /// projector.past is off.
    #[schema(required)]
    compensated_of_failed: Option<f64>,
    /// Of those that are COMPLETED, FAILED or COMPENSATED, the part that is COMPLETED; 0 when there are none.
    success_rate: f64,
    /// Of those that are FAILED, how many failed before anything was done that can be undone (out of stock), of types
    /// with a definition. They owe nothing. Null with asOf or knownAt: a search with
    /// compensation=NOTHING_TO_COMPENSATE tells which sagas those were.
    #[schema(required)]
    nothing_to_compensate: Option<u64>,
    /// Mean time from first to last event of the completed ones; with asOf, until they were completed. 0 when
    /// there are none.
    avg_duration_seconds: f64,
    /// Absent unless include=details was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<DetailsBody>,
    #[serde(flatten)]
    moment: AskedMomentBody,
}

/// Types that are not listed one by one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OtherTypes)]
struct OtherTypesBody {
    /// How many there are, whatever the period.
    types: u64,
    /// Sagas of them that match.
    sagas: u64,
}

/// The period that the sagas started in, as it was understood: both ends are inside.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Period)]
pub(in crate::server::api) struct PeriodBody {
    #[schema(required)]
    from: Option<Instant>,
    #[schema(required)]
    to: Option<Instant>,
}

impl PeriodBody {
    pub(in crate::server::api) fn of(from: Option<Millis>, to: Option<Millis>) -> Self {
        Self {
            from: from.map(Instant),
            to: to.map(Instant),
        }
    }
}

/// Sagas by status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ByStatus)]
pub(in crate::server::api) struct ByStatusBody {
    started: u64,
    in_progress: u64,
    completed: u64,
    failed: u64,
    compensated: u64,
}

impl ByStatusBody {
    pub(in crate::server::api) fn of(number: impl Fn(SagaStatus) -> u64) -> Self {
        Self {
            started: number(SagaStatus::Started),
            in_progress: number(SagaStatus::InProgress),
            completed: number(SagaStatus::Completed),
            failed: number(SagaStatus::Failed),
            compensated: number(SagaStatus::Compensated),
        }
    }
}

impl StatisticsBody {
    fn of(numbers: Statistics, filter: &Filter) -> Self {
        let known = !numbers.without_past;
        Self {
            period: PeriodBody::of(filter.from, filter.to),
            moment: AskedMomentBody::of(filter.moment, &numbers.basis),
            total: numbers.total(),
            by_status: ByStatusBody::of(|status| numbers.in_status(status)),
            failure_rate: numbers.failure_rate(),
            compensation_rate: numbers.compensation_rate(),
            ever_failed: known.then_some(numbers.ever_failed),
            ever_failed_rate: known.then(|| numbers.ever_failed_rate()),
            compensated_of_failed: known.then(|| numbers.compensated_of_failed()),
            success_rate: numbers.success_rate(),
            nothing_to_compensate: numbers.nothing_to_compensate,
            avg_duration_seconds: numbers.average_duration_seconds(),
            other_types: (numbers.other_types > 0).then_some(OtherTypesBody {
                types: numbers.other_types,
                sagas: numbers.sagas_of_other_types,
            }),
            by_type: numbers.by_type,
            details: None,
        }
    }
}

/// Numbers about sagas
#[utoipa::path(
    get,
    path = "/api/v1/sagas/statistics",
    operation_id = "getStatistics",
    tag = "sagas",
    params(StatisticsQuery),
    responses(
        (status = 200, body = StatisticsBody, description = "Counts, rates and the mean duration."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<StatisticsBody>, ApiError> {
    let query = StatisticsQuery::parse(query.as_deref())?;
    let (detailed, filter) = (query.include, query.into_filter());
    if !detailed {
        let numbers = context.statistics(filter.clone()).await?;
        return Ok(Json(StatisticsBody::of(numbers, &filter)));
    }
    let (numbers, details) = context.detailed_statistics(filter.clone()).await?;
    Ok(Json(StatisticsBody {
        details: Some(details.into()),
        ..StatisticsBody::of(numbers, &filter)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_five_statuses_are_there_and_rates_of_nothing_are_zero() {
        let body = StatisticsBody::of(Statistics::default(), &Filter::default());
        insta::assert_json_snapshot!(body);
    }

    #[test]
    fn rates_and_means_are_those_of_the_contract() {
        let numbers = Statistics {
            by_status: SagaStatus::ALL.into_iter().zip([1, 2, 4, 2, 1]).collect(),
            by_type: BTreeMap::from([("ORDER_CREATION".to_owned(), 10)]),
            completed_millis: 6_000,
            ever_failed: 4,
            ever_compensated: 1,
            nothing_to_compensate: Some(1),
            ..Statistics::default()
        };
        let filter = StatisticsQuery::parse(Some("type=T&fromDate=2026-01-01&toDate=2026-01-31"))
            .unwrap()
            .into_filter();
        assert_eq!(filter.saga_type, Some("T".into()));
        insta::assert_json_snapshot!(StatisticsBody::of(numbers, &filter));
    }
}
