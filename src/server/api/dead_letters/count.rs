//! How many dead letters match.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::CountsBody;
use super::filter::{self, FilterQuery};
use crate::server::metrics::Asked;
use crate::store::dead_letters::DeadLetterCounts;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How many dead letters match.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterCount)]
pub(super) struct CountBody {
    #[serde(flatten)]
    all: CountsBody,
    /// The same by reason; reasons without a dead letter are left out.
    by_reason: BTreeMap<String, CountsBody>,
}

/// How many dead letters match
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/count",
    operation_id = "countDeadLetters",
    tag = "dead letters",
    description = "Exact. By reason and state alone it costs no scan.",
    params(FilterQuery),
    responses(
        (status = 200, body = CountBody, description = "By reason and by what happened to them."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<CountBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let filter = filter::parse(&mut params);
    params.finish()?;
    let counts = context
        .letters(Asked::DeadLetters, move |dead_letter_query| {
            dead_letter_query.count(&filter)
        })
        .await??;
    let mut all = DeadLetterCounts::default();
    for counts in counts.values() {
        all.open += counts.open;
        all.redriven += counts.redriven;
        all.discarded += counts.discarded;
        all.removed_redriven += counts.removed_redriven;
        all.removed_discarded += counts.removed_discarded;
    }
    let by_reason = counts.into_iter().map(|(reason, counts)| (reason, counts.into()));
    Ok(Json(CountBody {
        all: all.into(),
        by_reason: by_reason.collect(),
    }))
}
