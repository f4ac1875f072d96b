//! The timeline of a saga.

use super::super::chunked;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::saga_fields::SagaIdPath;
use super::super::sagas::{archive_wanted, moment, part};
use super::answer::{Call, as_file};
use super::events::{self, EventRow};
use super::format::{Format, TableQuery};
use super::rows::Rows;
use crate::domain::{Millis, TimelineKey};
use crate::pipeline::query::{Moment, Timeline};
use axum::response::Response;
use std::ops::ControlFlow;

/// Which steps.
#[derive(Clone, Copy, Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct StepsExportQuery {
    /// Whether to look into the archive when it was purged.
    #[param(value_type = Option<bool>)]
    archive: bool,
    /// nextCursor of a row: what follows that row.
    #[param(value_type = Option<String>, min_length = 1)]
    cursor: Option<TimelineKey>,
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
}

impl StepsExportQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let archive = archive_wanted(&mut params);
        let cursor = params.take(&["cursor"], "nextCursor of a row", part::parse_place);
        let Moment { as_of, known_at } = moment::take(&mut params, ["asOf", "knownAt"]);
        params.finish()?;
        Ok(Self {
            archive,
            cursor,
            as_of,
            known_at,
        })
    }
}

/// The timeline of a saga, as a file
#[utoipa::path(
    get,
    path = "/api/v1/export/sagas/{sagaId}/steps",
    operation_id = "exportSteps",
    tag = "export",
    description = "All steps of a saga in fold order, with what each meant and where it stands in the topic. Each row \
                   has a nextCursor.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        StepsExportQuery,
        TableQuery,
    ),
    responses(
        (status = 200, description = "One step a row.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
            (String = "application/vnd.apache.parquet"),
        )),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, it had not begun at that moment, or it was purged; the message says which."),
        (status = 409, body = ErrorBody, description = "Too many of its events came again to tell what was known at knownAt."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(super) async fn handle(SagaIdPath(id): SagaIdPath, call: Call) -> Result<Response, ApiError> {
    let wanted = call.wanted(Format::OF_TABLES)?;
    let query = StepsExportQuery::parse(call.query())?;
    let moment = Moment {
        as_of: query.as_of,
        known_at: query.known_at,
    };
    let what = format!("the export of the steps of saga {id}");
    let write = move |parts| async move {
        let saga = id.clone();
        let mut rows = Rows::begin(parts, wanted.format, events::COLUMNS)?;
        let question = move |timeline: &mut Timeline<'_>| {
            let mut left = wanted.limit.unwrap_or(u64::MAX);
            let mut flow = ControlFlow::Continue(());
            let begun = timeline.steps(moment, query.cursor, &mut |step| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                flow = rows.add(&EventRow::of(&saga, step));
                if flow.is_continue() {
                    flow = rows.part_ends(Some(&part::place_text(step.event.place)));
                }
                flow
            })?;
            if !begun {
                return Err(timeline.not_begun(moment));
            }
            if flow.is_continue() {
                rows.end();
            }
            Ok(())
        };
        moment::ask(&call.context, (&id, query.archive), call.caller.peer(), question).await
    };
    as_file(chunked::sent(what, write).await?, "steps", wanted.format)
}
