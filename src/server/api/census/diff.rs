//! What changed between two instants, by type and status.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::sagas::moment::MomentBody;
use super::super::sagas::statistics::ByStatusBody;
use super::super::text::{self, ACCEPTED, Edge, edge_schema, parse_edge};
use super::{at, number};
use crate::domain::{Millis, SagaStatus};
use crate::pipeline::query::{Census, CensusRecord};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// The parameters of a comparison.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(dead_code, reason = "only what is documented; the parameters are read one by one")]
pub(super) struct DiffQuery {
    #[param(required, schema_with = from_schema)]
    from: Millis,
    #[param(schema_with = to_schema)]
    to: Option<Millis>,
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
}

fn from_schema() -> Schema {
    edge_schema("The earlier instant; of a date the end counts.")
}

fn to_schema() -> Schema {
    edge_schema("The later instant; of a date the end counts. Left out: now.")
}

/// What changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusDiff)]
pub(super) struct DiffBody {
    from: MomentBody,
    to: MomentBody,
    /// Each type and status in which more or fewer sagas stood, or that was entered or left meanwhile.
    changes: Vec<ChangeBody>,
}

/// One type and status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusChange)]
struct ChangeBody {
    /// Null for all types that are not told apart.
    #[schema(required)]
    saga_type: Option<String>,
    /// Sagas that stood in each status at the earlier instant.
    before: ByStatusBody,
    /// Sagas that stood in each status at the later instant.
    after: ByStatusBody,
    /// How often each status was entered meanwhile.
    entered: ByStatusBody,
    /// How often each status was left meanwhile.
    left: ByStatusBody,
}

impl ChangeBody {
    fn of(saga_type: Option<&str>, before: &CensusRecord, after: &CensusRecord) -> Option<Self> {
        let between = |of: fn(&CensusRecord) -> [i64; 5]| {
            let (before, after) = (of(before), of(after));
            ByStatusBody::of(|status| {
                let place = usize::from(status.tag());
                number(after[place] - before[place])
            })
        };
        (before != after).then(|| Self {
            saga_type: saga_type.map(str::to_owned),
            before: ByStatusBody::of(|status| number(before.standing(status))),
            after: ByStatusBody::of(|status| number(after.standing(status))),
            entered: between(|sums| sums.entered),
            left: between(|sums| sums.left),
        })
    }
}

impl DiffBody {
    fn of((from, before): (Millis, &Census), (to, after): (Option<Millis>, &Census)) -> Self {
        let types: BTreeSet<&String> = before.by_type.keys().chain(after.by_type.keys()).collect();
        let sums = |census: &Census, name: &String| census.by_type.get(name).copied().unwrap_or_default();
        let of_type = |name: &String| ChangeBody::of(Some(name), &sums(before, name), &sums(after, name));
        let others = ChangeBody::of(None, &before.others, &after.others);
        Self {
            changes: types.into_iter().filter_map(of_type).chain(others).collect(),
            from: MomentBody::of(Some(from), &before.basis),
            to: MomentBody::of(to, &after.basis),
        }
    }
}

/// What changed between two instants
#[utoipa::path(
    get,
    path = "/api/v1/census/diff",
    operation_id = "diffCensus",
    tag = "census",
    params(DiffQuery),
    responses(
        (status = 200, body = DiffBody, description = "The types of which anything changed."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<DiffBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let mut edge = |name| params.take(&[name], ACCEPTED, |text| parse_edge(text, Edge::Last));
    let (from, to) = (edge("from"), edge("to"));
    let filter = at::counted(&mut params);
    if from.is_none() && !params.was_sent("from") {
        params.fault("from", "nothing".to_owned(), ACCEPTED.to_owned());
    }
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        let accepted = format!("at or before to, which is {to}");
        params.fault("from", from.to_string(), accepted);
    }
    params.finish()?;
    let from = from.unwrap_or_default();
    let instants = vec![from, to.unwrap_or(Millis::LATEST_EVENT)];
    let found = context.censuses(filter, instants).await?;
    let none = Census::default();
    let (before, after) = (found.first().unwrap_or(&none), found.get(1).unwrap_or(&none));
    Ok(Json(DiffBody::of((from, before), (to, after))))
}

const _: () = assert!(SagaStatus::ALL.len() == 5, "as sums are laid out");
