//! The event log of the sagas that match: as a table, or as a log that process-mining tools read.

use super::super::chunked::Parts;
use super::super::error::{ApiError, Detail, ErrorBody};
use super::super::saga_fields::Status;
use super::super::sagas::search::SearchQuery;
use super::super::sagas::steps::StepBody;
use super::super::text::Instant;
use super::answer::Call;
use super::columns::{Column, number, text, time};
use super::format::Format;
use super::log::{Visit, each_event};
use super::reads::{Reads, Selection};
use super::rows::Rows;
use super::{ocel, xes};
use crate::domain::SagaId;
use crate::pipeline::query::{Sort, SortKey, TimelineStep, Window};
use axum::response::Response;
use serde::Serialize;
use std::ops::ControlFlow;

pub(super) const COLUMNS: &[Column] = &[
    text("sagaId"),
    text("sagaType"),
    text("orderId"),
    number("id"),
    text("eventId"),
    text("step"),
    text("status"),
    text("effectiveStatus"),
    text("sagaStatus"),
    text("producerService"),
    text("traceId"),
    time("recordedAt"),
    time("arrivedAt"),
    number("partition"),
    number("offset"),
    text("metadata"),
    text("metadataRaw"),
    text("operatorChange"),
];

/// An event, what it meant, and where it stands in the topic.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventRow<'a> {
    saga_id: &'a str,
    saga_type: &'a str,
    order_id: &'a str,
    #[serde(flatten)]
    step: StepBody<'a>,
    effective_status: Status,
    saga_status: Status,
    arrived_at: Instant,
    partition: u32,
    offset: u64,
}

impl<'a> EventRow<'a> {
    pub(super) fn of(saga: &'a SagaId, step: &TimelineStep<'a>) -> Self {
        Self {
            saga_id: saga.as_str(),
            saga_type: step.saga.saga_type.as_str(),
            order_id: step.saga.order_id.as_str(),
            step: StepBody::of(step),
            effective_status: step.effective.into(),
            saga_status: step.saga.status.into(),
            arrived_at: Instant(step.event.arrived_at),
            partition: step.event.place.position.partition,
            offset: step.event.place.position.offset,
        }
    }
}

/// How an event log is written.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct EventsQuery {
    /// What it is written as. Without it, the first of these that Accept names (text/csv, application/x-ndjson,
    /// application/vnd.apache.parquet, application/json, application/xml), or ndjson.
    #[param(value_type = Option<String>, pattern = "^(ndjson|csv|parquet|ocel|xes)$", default = "ndjson")]
    format: Option<String>,
    /// The events of at most so many sagas; of all when it is left out.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000_000u64)]
    limit: Option<u64>,
}

/// The event log of the sagas that match, as a file
#[utoipa::path(
    get,
    path = "/api/v1/export/events",
    operation_id = "exportEvents",
    tag = "export",
    description = "The whole timelines, duplicates left out, of the sagas that a search would find, by their first \
                   events; page, size and sort mean nothing here. As ocel: OCEL 2.0, JSON. As xes: IEEE 1849, a trace \
                   for each saga. As ndjson, csv or parquet: an event a row; a row with nextCursor can be taken up again behind \
                   it, with cursor. OCEL and XES are one document each and have no cursor.",
    params(SearchQuery, EventsQuery),
    responses(
        (status = 200, description = "The events.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
            (Object = "application/json"),
            (String = "application/xml"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(call: Call) -> Result<Response, ApiError> {
    let wanted = call.wanted(Format::OF_EVENTS)?;
    let mut selection = Selection::parse(&call, wanted.limit)?;
    selection.request.sort = Sort {
        key: SortKey::StartedAt,
        descending: false,
    };
    refuse_cursor(&selection, wanted.format)?;
    let write = move |reads: &Reads, parts| match wanted.format {
        Format::Ndjson | Format::Csv | Format::Parquet => table(reads, &selection, wanted.format, parts),
        Format::Ocel => ocel::write(reads, &selection, parts),
        Format::Xes => xes::write(reads, &selection, parts),
    };
    call.answer(("events", wanted.format), write).await
}

/// One document cannot be taken up in the middle.
fn refuse_cursor(selection: &Selection, format: Format) -> Result<(), ApiError> {
    let is_whole = matches!(format, Format::Ocel | Format::Xes);
    if !is_whole || matches!(selection.request.window, Window::Page { .. }) {
        return Ok(());
    }
    Err(ApiError::faults(vec![Detail {
        parameter: "cursor".to_owned(),
        found: "a cursor".to_owned(),
        accepted: "none with ocel and xes, which are one document each; take them period by period"
            .to_owned(),
    }]))
}

fn table(reads: &Reads, selection: &Selection, format: Format, parts: Parts) -> Result<(), ApiError> {
    let mut table = EventTable(Rows::begin(parts, format, COLUMNS)?);
    if !each_event(reads, selection, None, &mut table)?.broken {
        table.0.end();
    }
    Ok(())
}

struct EventTable(Rows);

impl Visit for EventTable {
    fn event(&mut self, saga: &SagaId, step: &TimelineStep<'_>) -> ControlFlow<()> {
        self.0.add(&EventRow::of(saga, step))
    }

    fn saga_ends(&mut self, _: &SagaId) -> Result<ControlFlow<()>, ApiError> {
        Ok(ControlFlow::Continue(()))
    }

    fn part_ends(&mut self, cursor: Option<&str>) -> ControlFlow<()> {
        self.0.part_ends(cursor)
    }
}
