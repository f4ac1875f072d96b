//! How often each status was entered and left, hour by hour or day by day.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::sagas::filter;
use super::super::sagas::moment::MomentBody;
use super::super::sagas::statistics::ByStatusBody;
use super::super::text::{ACCEPTED, Edge, Instant, edge_schema, parse_edge};
use super::{between, number};
use crate::domain::{DAY_MILLIS, HOUR_MILLIS, Millis, SagaType};
use crate::pipeline::query::{Census, CensusRecord, Filter, Moment};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// At most so many stretches in one answer.
const MAX_POINTS: i64 = 750;

/// The parameters of a series.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct SeriesQuery {
    /// Length of a stretch: an hour, or a day, of UTC.
    #[param(value_type = Option<String>, pattern = "^(hour|day)$", default = "hour")]
    every: Option<String>,
    #[param(schema_with = from_schema)]
    from: Option<Millis>,
    #[param(schema_with = to_schema)]
    to: Option<Millis>,
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
}

fn from_schema() -> Schema {
    edge_schema(
        "The first stretch is the one that this lies in. Left out: a day before `to` where hours are asked for, 30 \
         days before it where days are.",
    )
}

fn to_schema() -> Schema {
    edge_schema("The last stretch is the one that this lies in. Left out: now, by the tracker's clock.")
}

/// How often each status was entered and left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusSeries)]
pub(super) struct SeriesBody {
    #[serde(flatten)]
    moment: MomentBody,
    /// Stretch by stretch, none left out, at most 750.
    points: Vec<PointBody>,
}

/// One stretch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusPoint)]
struct PointBody {
    /// Its first instant.
    from: Instant,
    /// The first instant behind it.
    until: Instant,
    #[serde(flatten)]
    sums: StretchBody,
    /// The same of sagas that were purged since. They are in no other number here.
    purged: StretchBody,
}

/// What happened in a stretch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusStretch)]
struct StretchBody {
    /// How often each status was entered in it.
    entered: ByStatusBody,
    /// How often each status was left in it.
    left: ByStatusBody,
    /// Sagas that stood in each status at its end.
    by_status: ByStatusBody,
}

/// The stretches that are asked for: how long each is, and where the first begins and the last ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretches {
    every: i64,
    first: i64,
    end: i64,
}

impl Stretches {
    fn of(every: i64, from: Option<Millis>, to: Millis) -> Self {
        let length = if every == HOUR_MILLIS {
            DAY_MILLIS
        } else {
            30 * DAY_MILLIS
        };
        let from = from.map_or(to.0.saturating_sub(length), |from| from.0);
        Self {
            every,
            first: from.div_euclid(every).saturating_mul(every),
            end: to.0.div_euclid(every).saturating_add(1).saturating_mul(every),
        }
    }

    fn count(self) -> i64 {
        self.end.saturating_sub(self.first) / self.every
    }

    /// The last instant before each stretch, and the last one of all.
    fn edges(self) -> Vec<Millis> {
        (0..=self.count())
            .map(|n| Millis(self.first + n * self.every - 1))
            .collect()
    }
}

impl PointBody {
    fn of(edges: &[(Millis, Census)]) -> Option<Self> {
        let [(from, before), (until, after)] = edges else {
            return None;
        };
        Some(Self {
            from: Instant(Millis(from.0 + 1)),
            until: Instant(Millis(until.0 + 1)),
            sums: StretchBody::of(&before.all(), &after.all(), &after.fallen()),
            purged: StretchBody::of(&before.purged, &after.purged, &CensusRecord::default()),
        })
    }
}

impl StretchBody {
    fn of(before: &CensusRecord, after: &CensusRecord, fallen: &CensusRecord) -> Self {
        Self {
            entered: between(before.entered, after.entered, fallen.entered),
            left: between(before.left, after.left, fallen.left),
            by_status: ByStatusBody::of(|status| number(after.standing(status))),
        }
    }
}

fn parse(params: &mut Params<'_>, now: Millis) -> Stretches {
    let every = params.take(&["every"], "hour or day", |text| match text {
        "hour" => Some(HOUR_MILLIS),
        "day" => Some(DAY_MILLIS),
        _ => None,
    });
    let from = params.take(&["from"], ACCEPTED, |text| parse_edge(text, Edge::First));
    let to = params.take(&["to"], ACCEPTED, |text| parse_edge(text, Edge::Last));
    let to = to
        .unwrap_or(now)
        .clamp(Millis::EARLIEST_EVENT, Millis::LATEST_EVENT);
    let from = from.map(|from| from.max(Millis::EARLIEST_EVENT));
    let stretches = Stretches::of(every.unwrap_or(HOUR_MILLIS), from, to);
    if from.is_some_and(|from| from > to) {
        let accepted = format!("at or before to, which is {to}");
        params.fault("from", from.unwrap_or_default().to_string(), accepted);
    } else if stretches.count() > MAX_POINTS {
        let found = format!("{} stretches", stretches.count());
        params.fault(
            "from",
            found,
            format!("at most {MAX_POINTS} stretches between from and to"),
        );
    }
    stretches
}

/// How often each status was entered and left, hour by hour or day by day
#[utoipa::path(
    get,
    path = "/api/v1/census/series",
    operation_id = "getCensusSeries",
    tag = "census",
    params(SeriesQuery),
    responses(
        (status = 200, body = SeriesBody, description = "The stretches, in order."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<SeriesBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let stretches = parse(&mut params, context.clock().now());
    let filter = Filter {
        saga_type: filter::saga_type(&mut params).map(SagaType::from),
        ..Filter::default()
    };
    params.finish()?;
    let edges = stretches.edges();
    let moments = edges.iter().map(|at| Moment {
        as_of: Some(*at),
        known_at: None,
    });
    let found = context.censuses(filter, moments.collect()).await?;
    let basis = found
        .first()
        .map(|census| census.basis.clone())
        .unwrap_or_default();
    let edges: Vec<(Millis, Census)> = edges.into_iter().zip(found).collect();
    Ok(Json(SeriesBody {
        moment: MomentBody::of(Moment::default(), &basis),
        points: edges.windows(2).filter_map(PointBody::of).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(query: &str) -> Result<Stretches, ApiError> {
        let mut params = Params::of(Some(query));
        let stretches = parse(&mut params, Millis(1_767_225_600_000 + 90 * 60 * 1000));
        params.finish().map(|()| stretches)
    }

    #[test]
    fn the_stretches_are_hours_or_days_of_utc_around_what_is_asked_for() {
        let count = |query: &str| stretches(query).map(Stretches::count).ok();
        assert_eq!(count(""), Some(25));
        assert_eq!(count("every=day"), Some(31));
        assert_eq!(
            count("from=2026-01-01T00:59:59.999Z&to=2026-01-01T01:00:00Z"),
            Some(2)
        );
        assert_eq!(count("every=day&from=2026-01-01&to=2026-01-31"), Some(31));
        let edges = stretches("every=day&from=2026-01-01&to=2026-01-01")
            .unwrap()
            .edges();
        let edges: Vec<String> = edges.iter().map(Millis::to_string).collect();
        assert_eq!(edges, ["2025-12-31T23:59:59.999Z", "2026-01-01T23:59:59.999Z"]);
    }

    #[test]
    fn what_is_no_series_is_refused_by_name() {
        for (query, parameter) in [
            ("every=minute", "every"),
            ("from=2026-01-02&to=2026-01-01", "from"),
            ("from=2020-01-01&to=2026-01-01", "from"),
            ("to=tomorrow", "to"),
        ] {
            let refused = stretches(query).unwrap_err();
            assert!(
                format!("{refused:?}").contains(&format!("{parameter:?}")),
                "{query}: {refused:?}"
            );
        }
    }
}
