//! The sagas that match, all of them.

use super::super::error::{ApiError, ErrorBody};
use super::super::sagas::SagaBody;
use super::super::sagas::search::SearchQuery;
use super::answer::Call;
use super::columns::{Column, number, text, time};
use super::format::{Format, TableQuery};
use super::reads::{Reads, Selection};
use super::rows::Rows;
use crate::pipeline::query::SearchPage;
use axum::response::Response;
use std::ops::ControlFlow;

const COLUMNS: &[Column] = &[
    text("sagaId"),
    text("sagaType"),
    text("orderId"),
    text("currentStatus"),
    time("statusSince"),
    text("lastStep"),
    text("lastTraceId"),
    text("traceIds"),
    text("failedStep"),
    text("failureReason"),
    time("startedAt"),
    time("updatedAt"),
    number("stepCount"),
    number("duplicates"),
    number("conflicts"),
    number("anomalyCount"),
    text("anomalies"),
];

/// Sagas that match, as a file
#[utoipa::path(
    get,
    path = "/api/v1/export/sagas",
    operation_id = "exportSagas",
    tag = "export",
    description = "All sagas that a search would find, in its order, not only a page; page and size mean nothing \
                   here. They are read in parts, each as the store is then: with asOf and knownAt the result stands \
                   still. A row with nextCursor can be taken up again behind it, with cursor.",
    params(SearchQuery, TableQuery),
    responses(
        (status = 200, description = "One saga a row.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(call: Call) -> Result<Response, ApiError> {
    let wanted = call.wanted(Format::OF_TABLES)?;
    let selection = Selection::parse(&call, wanted.limit)?;
    let write = move |reads: &Reads, parts| {
        let mut rows = Rows::begin(parts, wanted.format, COLUMNS)?;
        if reads
            .each_part(&selection, &mut |page| Ok(add(&mut rows, page)))?
            .is_continue()
        {
            rows.end();
        }
        Ok(())
    };
    call.answer(("sagas", wanted.format), write).await
}

fn add(rows: &mut Rows, page: SearchPage) -> ControlFlow<()> {
    for saga in page.sagas {
        rows.add(&SagaBody::from(saga))?;
    }
    rows.part_ends(page.next_cursor.as_deref())
}
