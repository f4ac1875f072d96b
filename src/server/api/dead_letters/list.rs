//! The dead letters that match, newest first.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, entries, parse_cursor};
use super::LetterBody;
use super::filter::{self, FilterQuery};
use crate::server::metrics::Asked;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_SIZE: u64 = 20;
const MAX_SIZE: u64 = 500;

/// Which part of the list.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct PartQuery {
    /// Dead letters in one answer.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 500, default = 20)]
    size: Option<u64>,
    /// nextCursor of an answer to the same filters.
    #[param(value_type = Option<String>, min_length = 1, max_length = 4_096)]
    cursor: Option<String>,
}

/// A part of the dead letters that match.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterPage)]
pub(super) struct ListBody {
    content: Vec<LetterBody>,
    /// Leads to what follows; null on the last part.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The dead letters that match
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters",
    operation_id = "listDeadLetters",
    tag = "dead letters",
    description = "Newest first. All that is given must hold. How many there are in all, /count tells.",
    params(FilterQuery, PartQuery),
    responses(
        (status = 200, body = ListBody, description = "A part of the dead letters that match."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<ListBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let filter = filter::parse(&mut params);
    let size = params.size(MAX_SIZE);
    let cursor = params.cursor(parse_cursor);
    params.finish()?;
    let size = entries(size, DEFAULT_SIZE);
    let page = context
        .letters(Asked::DeadLetters, move |dead_letter_query| {
            dead_letter_query.list(&filter, cursor.as_deref(), size)
        })
        .await??;
    Ok(Json(ListBody {
        content: page.letters.into_iter().map(LetterBody::from).collect(),
        next_cursor: page.next_cursor,
    }))
}
