//! The audit log.

use super::super::audit::list::{AuditQuery, EntryBody};
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::answer;
use super::format::{Format, TableQuery, Wanted};
use super::reads::Reads;
use super::rows::Rows;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

const COLUMNS: &[&str] = &[
    "number",
    "at",
    "who",
    "from",
    "action",
    "target",
    "why",
    "result",
    "detail",
    "previousHash",
    "hash",
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
        )),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let wanted = Wanted::parse(query.as_deref(), &headers, Format::OF_TABLES)?;
    let (filter, mut before, _) = AuditQuery::parse(query.as_deref())?;
    let write = move |reads: &Reads, parts| {
        let mut rows = Rows::begin(parts, wanted.format, COLUMNS);
        let mut left = wanted.limit.unwrap_or(u64::MAX);
        loop {
            let page = reads.audit(&filter, before, left)?;
            left = left.saturating_sub(page.entries.len() as u64);
            before = page.next;
            let mut entries = page.entries.into_iter().map(EntryBody::from);
            let mut flow = entries.try_for_each(|entry| rows.add(&entry));
            if flow.is_continue() {
                let next = before.map(|number| number.to_string());
                flow = rows.part_ends(next.as_deref());
            }
            if flow.is_break() {
                return Ok(());
            }
            if left == 0 || before.is_none() {
                rows.end();
                return Ok(());
            }
        }
    };
    answer::sent((context, caller), ("audit", wanted.format), write).await
}
