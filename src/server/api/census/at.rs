//! The census at one moment.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::sagas::filter;
use super::super::sagas::moment::{self, MomentBody};
use super::super::text;
use super::SumsBody;
use crate::domain::{Millis, SagaType};
use crate::pipeline::query::{Census, Filter, Moment};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

/// The parameters of a census.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(in crate::server::api) struct CensusQuery {
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
}

/// How many sagas stood where at an instant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Census)]
pub(super) struct CensusBody {
    #[serde(flatten)]
    moment: MomentBody,
    #[serde(flatten)]
    sums: SumsBody,
    /// Sagas that stood somewhere then and were purged since. They are in no other number here. Periods of
    /// starts do not count for them.
    purged: SumsBody,
    /// Each type; where there are more than a thousand, those that have the most sagas.
    by_type: Vec<TypeBody>,
    /// All other types together; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    other_types: Option<OthersBody>,
}

/// The sagas of one type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusOfType)]
struct TypeBody {
    saga_type: String,
    #[serde(flatten)]
    sums: SumsBody,
}

/// The sagas of types that are not listed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CensusOfOthers)]
struct OthersBody {
    /// How many such types there are.
    types: u64,
    #[serde(flatten)]
    sums: SumsBody,
}

impl CensusBody {
    fn of(census: &Census, moment: Moment) -> Self {
        let of_type = |(saga_type, sums): (&String, _)| TypeBody {
            saga_type: saga_type.clone(),
            sums: SumsBody::from(sums),
        };
        Self {
            moment: MomentBody::of(moment, &census.basis),
            sums: SumsBody::from(&census.all()),
            purged: SumsBody::from(&census.purged),
            by_type: census.by_type.iter().map(of_type).collect(),
            other_types: (census.other_types > 0).then(|| OthersBody {
                types: census.other_types,
                sums: SumsBody::from(&census.others),
            }),
        }
    }
}

/// Which sagas are counted, apart from the instant.
pub(in crate::server::api) fn counted(params: &mut Params<'_>) -> Filter {
    let saga_type = filter::saga_type(params).map(SagaType::from);
    let (from, to) = filter::period(params);
    Filter {
        saga_type,
        from,
        to,
        ..Filter::default()
    }
}

/// How many sagas stood in each status at an instant
#[utoipa::path(
    get,
    path = "/api/v1/census",
    operation_id = "getCensus",
    tag = "census",
    description = "Exact, and as fast for any instant as for any number of sagas. Sagas that were purged since are \
                   counted apart.",
    params(CensusQuery),
    responses(
        (status = 200, body = CensusBody, description = "Sagas by type and status."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<CensusBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let moment = moment::take(&mut params, ["asOf", "knownAt"]);
    let filter = counted(&mut params);
    params.finish()?;
    let found = context.censuses(filter, vec![moment]).await?;
    let census = found.into_iter().next().unwrap_or_default();
    Ok(Json(CensusBody::of(&census, moment)))
}
