//! The audit log.

use super::super::audit::list::{AuditQuery, EntryBody};
use super::super::error::{ApiError, ErrorBody};
use super::answer::Call;
use super::columns::{Column, number, text, time};
use super::format::{Format, TableQuery};
use super::reads::Reads;
use super::rows::Rows;
use axum::response::Response;

const COLUMNS: &[Column] = &[
    number("number"),
    time("at"),
    text("who"),
    text("from"),
    text("action"),
    text("target"),
    text("why"),
    text("result"),
    text("detail"),
    text("previousHash"),
    text("hash"),
];

/// The audit log, as a file
#[utoipa::path(
    get,
    path = "/api/v1/export/audit",
    operation_id = "exportAudit",
    tag = "export",
    description = "All entries that match, newest first; size means nothing here. A row with nextCursor can be taken \
                   up again behind it, with cursor.",
    params(AuditQuery, TableQuery),
    responses(
        (status = 200, description = "One entry a row.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
    )
)]
pub(super) async fn handle(call: Call) -> Result<Response, ApiError> {
    let wanted = call.wanted(Format::OF_TABLES)?;
    let (filter, before, _) = AuditQuery::parse(call.query())?;
    let write = move |reads: &Reads, parts| {
        let rows = Rows::begin(parts, wanted.format, COLUMNS)?;
        rows.all(wanted.limit, before, |before, left| {
            let page = reads.audit(&filter, before, left)?;
            let entries = page.entries.into_iter().map(EntryBody::from);
            Ok((entries.collect(), page.next))
        })
    };
    call.answer(("audit", wanted.format), write).await
}
