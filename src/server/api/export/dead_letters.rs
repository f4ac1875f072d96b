//! The dead letters that match, without their bytes.

use super::super::dead_letters::LetterBody;
use super::super::dead_letters::filter::{self, FilterQuery};
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, parse_cursor};
use super::answer::Call;
use super::columns::{Column, number, text, time};
use super::format::{Format, TableQuery};
use super::reads::Reads;
use super::rows::Rows;
use axum::response::Response;

const COLUMNS: &[Column] = &[
    text("id"),
    text("topic"),
    number("partition"),
    number("offset"),
    text("reason"),
    text("detail"),
    time("arrivedAt"),
    text("state"),
    text("eventId"),
    text("sagaId"),
    text("sagaType"),
    text("step"),
    text("status"),
    number("bytes"),
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
            (String = "application/vnd.apache.parquet"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(call: Call) -> Result<Response, ApiError> {
    let wanted = call.wanted(Format::OF_TABLES)?;
    let mut params = Params::of(call.query());
    let filter = filter::parse(&mut params);
    let cursor = params.take(&["cursor"], "nextCursor of a row", parse_cursor);
    params.finish()?;
    let write = move |reads: &Reads, parts| {
        let rows = Rows::begin(parts, wanted.format, COLUMNS)?;
        rows.all(wanted.limit, cursor, |cursor, left| {
            let page = reads.letters(&filter, cursor.as_deref(), left)?;
            let letters = page.letters.into_iter().map(LetterBody::from);
            Ok((letters.collect(), page.next_cursor))
        })
    };
    call.answer(("dead-letters", wanted.format), write).await
}
