//! The dead letters that match, without their bytes.

use super::super::caller::Caller;
use super::super::context::Context;
use super::super::dead_letters::LetterBody;
use super::super::dead_letters::filter::{self, FilterQuery};
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, parse_cursor};
use super::answer;
use super::format::{Format, TableQuery, Wanted};
use super::reads::Reads;
use super::rows::Rows;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

const COLUMNS: &[&str] = &[
    "id",
    "topic",
    "partition",
    "offset",
    "reason",
    "detail",
    "arrivedAt",
    "state",
    "eventId",
    "sagaId",
    "sagaType",
    "step",
    "status",
    "bytes",
];

/// Behind which row.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only what is documented; it is read with the others")]
pub(super) struct CursorQuery {
    /// nextCursor of a row of an export with the same filters: what follows that row.
    #[param(value_type = Option<String>, min_length = 1, max_length = 4_096)]
    cursor: Option<String>,
}

/// The dead letters that match, as a file
#[utoipa::path(
    get,
    path = "/api/v1/export/dead-letters",
    operation_id = "exportDeadLetters",
    tag = "export",
    description = "All dead letters that match, newest first, without their bytes. A row with nextCursor can be taken up \
                   again behind it, with cursor.",
    params(FilterQuery, CursorQuery, TableQuery),
    responses(
        (status = 200, description = "One dead letter a row.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let wanted = Wanted::parse(query.as_deref(), &headers, Format::OF_TABLES)?;
    let mut params = Params::of(query.as_deref());
    let filter = filter::parse(&mut params);
    let mut cursor = params.take(&["cursor"], "nextCursor of a row", parse_cursor);
    params.finish()?;
    let write = move |reads: &Reads, parts| {
        let mut rows = Rows::begin(parts, wanted.format, COLUMNS);
        let mut left = wanted.limit.unwrap_or(u64::MAX);
        loop {
            let page = reads.letters(&filter, cursor.as_deref(), left)?;
            left = left.saturating_sub(page.letters.len() as u64);
            cursor = page.next_cursor;
            let mut letters = page.letters.into_iter().map(LetterBody::from);
            let mut flow = letters.try_for_each(|letter| rows.add(&letter));
            if flow.is_continue() {
                flow = rows.part_ends(cursor.as_deref());
            }
            if flow.is_break() {
                return Ok(());
            }
            if left == 0 || cursor.is_none() {
                rows.end();
                return Ok(());
            }
        }
    };
    answer::sent((context, caller), ("dead-letters", wanted.format), write).await
}
