//! The census at one moment, a row for each type and status.

use super::super::census::at::{CensusQuery, counted};
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::saga_fields::Status;
use super::super::sagas::moment::{self, MomentBody};
use super::answer::Call;
use super::columns::{Column, number, text, time};
use super::format::{Format, TableQuery};
use super::reads::Reads;
use super::rows::Rows;
use crate::domain::SagaStatus;
use crate::pipeline::query::{Census, CensusRecord, Moment};
use axum::response::Response;
use serde::Serialize;
use std::ops::ControlFlow;

const COLUMNS: &[Column] = &[
    text("of"),
    text("sagaType"),
    text("status"),
    number("standing"),
    number("entered"),
    number("left"),
    time("asOf"),
    time("knownAt"),
    text("cursor"),
    text("definitions"),
];

/// Of which sagas a row tells.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Of {
    Type,
    OtherTypes,
    Purged,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    of: Of,
    saga_type: Option<&'a str>,
    status: Status,
    standing: i64,
    entered: i64,
    left: i64,
    #[serde(flatten)]
    moment: MomentBody,
}

/// The census, as a file
#[utoipa::path(
    get,
    path = "/api/v1/export/census",
    operation_id = "exportCensus",
    tag = "export",
    description = "A row for each type and status. Rows are of TYPE; of OTHER_TYPES, all that are not listed \
                   together, when there are more than a thousand; and of PURGED, those that stood somewhere then and \
                   were purged since.",
    params(CensusQuery, TableQuery),
    responses(
        (status = 200, description = "One type and status a row.", content(
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
    let moment = moment::take(&mut params, ["asOf", "knownAt"]);
    let filter = counted(&mut params);
    params.finish()?;
    let found = call.context.censuses(filter, vec![moment]).await?;
    let census = found.into_iter().next().unwrap_or_default();
    let write = move |_: &Reads, parts| {
        let mut rows = Rows::begin(parts, wanted.format, COLUMNS)?;
        let limit = usize::try_from(wanted.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        if each(&census, moment, limit, &mut rows).is_continue() {
            rows.end();
        }
        Ok(())
    };
    call.answer(("census", wanted.format), write).await
}

fn each(census: &Census, moment: Moment, limit: usize, rows: &mut Rows) -> ControlFlow<()> {
    let types = census.by_type.iter();
    let types = types.map(|(saga_type, sums)| (Of::Type, Some(saga_type.as_str()), sums));
    let others = (census.other_types > 0).then_some((Of::OtherTypes, None, &census.others));
    let groups = types.chain(others).chain([(Of::Purged, None, &census.purged)]);
    let all = groups.flat_map(|group| SagaStatus::ALL.map(|status| (group, status)));
    for ((of, saga_type, sums), status) in all.take(limit) {
        rows.add(&row(
            (of, saga_type),
            sums,
            status,
            MomentBody::of(moment, &census.basis),
        ))?;
    }
    ControlFlow::Continue(())
}

fn row<'a>(
    (of, saga_type): (Of, Option<&'a str>),
    sums: &CensusRecord,
    status: SagaStatus,
    moment: MomentBody,
) -> Row<'a> {
    let tag = usize::from(status.tag());
    Row {
        of,
        saga_type,
        status: status.into(),
        standing: sums.standing(status),
        entered: sums.entered[tag],
        left: sums.left[tag],
        moment,
    }
}
