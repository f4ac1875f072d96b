//! Who did what, newest first.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, entries, parse_number, parse_text};
use super::super::text::{ACCEPTED, Edge, Instant, edge_schema, parse_edge};
use crate::domain::Millis;
use crate::operations::audit::{Entry, Filter, Outcome, Page};
use crate::store::stoppable;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

const DEFAULT_SIZE: u64 = 20;
const MAX_SIZE: u64 = 100;
const MAX_CHARS: usize = 2_000;

/// The parameters of the list.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(in crate::server::api) struct AuditQuery {
    /// Entries of this name.
    #[param(value_type = Option<String>, min_length = 1, max_length = 2000)]
    who: Option<String>,
    /// Entries of this action.
    #[param(value_type = Option<String>, min_length = 1, max_length = 2000, example = "set-status")]
    action: Option<String>,
    /// Entries about this target.
    #[param(value_type = Option<String>, min_length = 1, max_length = 2000)]
    target: Option<String>,
    /// Entries with this result.
    #[param(value_type = Option<ResultBody>)]
    result: Option<Outcome>,
    #[param(schema_with = first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = last_edge_schema)]
    to_date: Option<Millis>,
    /// Entries in the answer, at most. A filter that few entries pass may answer with fewer, and a
    /// cursor to go on from.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    size: Option<u64>,
    /// nextCursor of an answer to the same filter.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000_000_000u64)]
    cursor: Option<u64>,
}

fn first_edge_schema() -> Schema {
    edge_schema("Entries that were recorded then or later: an instant, or a date, which begins at 00:00:00Z.")
}

fn last_edge_schema() -> Schema {
    edge_schema(
        "Entries that were recorded then or earlier: an instant, or a date, which ends at 23:59:59.999Z.",
    )
}

impl AuditQuery {
    pub(in crate::server::api) fn parse(
        query: Option<&str>,
    ) -> Result<(Filter, Option<u64>, usize), ApiError> {
        let mut params = Params::of(query);
        let mut text = |name| {
            params.take(&[name], "1 to 2000 characters", |text| {
                parse_text(text, MAX_CHARS).map(str::to_owned)
            })
        };
        let (who, action, target) = (text("who"), text("action"), text("target"));
        let result = params.take(&["result"], "BEGUN, DONE, REFUSED or FAILED", |text| {
            Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
        });
        let from = params.take(&["fromDate"], ACCEPTED, |text| parse_edge(text, Edge::First));
        let to = params.take(&["toDate"], ACCEPTED, |text| parse_edge(text, Edge::Last));
        let size = params.size(MAX_SIZE);
        let cursor = params.cursor(|text| parse_number(text, 1, 1_000_000_000_000_000));
        params.finish()?;
        let filter = Filter {
            who,
            action,
            target,
            result,
            from,
            to,
        };
        let size = entries(size, DEFAULT_SIZE);
        Ok((filter, cursor, size))
    }
}

/// How an act came out.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = AuditResult)]
pub(in crate::server::api) enum ResultBody {
    /// Started; another entry tells how it ended.
    Begun,
    /// Done.
    Done,
    /// Refused; nothing was changed.
    Refused,
    /// Failed; detail says what is known.
    Failed,
}

impl From<Outcome> for ResultBody {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Begun => Self::Begun,
            Outcome::Done => Self::Done,
            Outcome::Refused => Self::Refused,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// One act.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(in crate::server::api) struct EntryBody {
    /// Its number, from 0, without gaps.
    number: u64,
    /// When it was recorded.
    at: Instant,
    /// Who, as they call themselves.
    who: String,
    /// From where.
    from: String,
    /// What was done.
    #[schema(example = "set-status")]
    action: String,
    /// To what.
    target: String,
    /// Why, in their words.
    why: String,
    result: ResultBody,
    /// How it came out, in words.
    detail: String,
    /// Hash of the entry before, hexadecimal.
    previous_hash: String,
    /// Hash over this entry and the one before, hexadecimal.
    hash: String,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        Self {
            number: entry.number,
            at: Instant(entry.at),
            who: entry.act.who,
            from: entry.act.origin,
            action: entry.act.action,
            target: entry.act.target,
            why: entry.act.why,
            result: entry.result.into(),
            detail: entry.detail,
            previous_hash: entry.previous_hash,
            hash: entry.hash,
        }
    }
}

/// A part of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditPage)]
pub(super) struct AuditBody {
    content: Vec<EntryBody>,
    /// Leads to older entries; null at the beginning of the log.
    #[schema(required)]
    next_cursor: Option<u64>,
}

impl From<Page> for AuditBody {
    fn from(page: Page) -> Self {
        Self {
            content: page.entries.into_iter().map(EntryBody::from).collect(),
            next_cursor: page.next,
        }
    }
}

/// Who did what to this tracker
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "getAudit",
    tag = "audit",
    description = "Every call and command that changes something leaves an entry, whether it succeeded or not. \
                   Newest first; all that is given must hold.",
    params(AuditQuery),
    responses(
        (status = 200, body = AuditBody, description = "The entries of this part."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<AuditBody>, ApiError> {
    let (filter, before, size) = AuditQuery::parse(query.as_deref())?;
    let store = context.audit().store().clone();
    let page = context
        .in_turn(move |stop| {
            crate::operations::audit::page(&*stoppable::until(store, stop), &filter, before, size)
        })
        .await??;
    Ok(Json(page.into()))
}
