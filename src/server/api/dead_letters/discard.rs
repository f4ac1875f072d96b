//! Discarding dead letters.

use super::super::audit_entry::AuditEntry;
use super::super::body::{JsonBody, object_or_null};
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::selection::{self, FilterBody, fault};
use crate::domain::Position;
use crate::domain::text::required_reason;
use crate::operations::dead_letters::{DeadLetterId, DiscardOrder, Discarded, discard};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which dead letters to discard, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = DiscardOrder)]
pub(super) struct DiscardBody {
    /// These dead letters. Not together with a filter.
    #[schema(min_items = 1, max_items = 100_000)]
    ids: Option<Vec<String>>,
    /// All dead letters that match, up to 100000; `{}` for all open ones.
    #[serde(default, deserialize_with = "object_or_null")]
    filter: Option<FilterBody>,
    /// Why. Stays with the dead letters.
    #[schema(required, min_length = 1, max_length = 1000, pattern = r"\S")]
    reason: String,
    /// Only tell which dead letters would be discarded.
    dry_run: bool,
}

/// What discarding came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DiscardResult)]
pub(super) struct DiscardedBody {
    /// Dead letters that were chosen.
    chosen: usize,
    /// Dead letters that are discarded, or would be.
    discarded: usize,
    /// Dead letters to which something else happened already.
    skipped: usize,
    dry_run: bool,
    /// One by one.
    results: Vec<OneBody>,
}

/// What discarding one dead letter came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DiscardedLetter)]
struct OneBody {
    id: String,
    result: OneResult,
    /// Offset of the decision in the ops topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<u64>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// What discarding a dead letter can come to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum OneResult {
    /// It is discarded.
    Discarded,
    /// It would be.
    WouldBeDiscarded,
    /// Something else happened to it already.
    Skipped,
}

impl OneBody {
    fn of(letter: Position, became: Discarded) -> Self {
        let (result, decision, detail) = match became {
            Discarded::Done { decision } => (OneResult::Discarded, Some(decision), None),
            Discarded::WouldBe => (OneResult::WouldBeDiscarded, None, None),
            Discarded::Skipped(why) => (OneResult::Skipped, None, Some(why)),
        };
        let id = DeadLetterId(letter).to_string();
        Self {
            id,
            result,
            decision,
            detail,
        }
    }
}

/// Discards dead letters
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/discard",
    operation_id = "discardDeadLetters",
    tag = "dead letters",
    description = "A decision on the ops topic, which every replica reads; the answer comes when it has taken effect \
                   here. Dead letters and bytes stay, with who discarded them, when and why.",
    params(("X-Operator" = Option<String>, Header, description = "Who is at work; stays with the dead letters.")),
    request_body = DiscardBody,
    responses(
        (status = 200, body = DiscardedBody, description = "One by one."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 503, body = ErrorBody, description = "Kafka cannot be reached; the message says whether anything was \
                                                         decided."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    JsonBody(body): JsonBody<DiscardBody>,
) -> Result<Json<DiscardedBody>, ApiError> {
    audit_entry.act("discard", "dead letters", &body.reason);
    let mut faults = Vec::new();
    if let Err(accepted) = required_reason(&body.reason) {
        faults.push(fault("reason", &body.reason, accepted));
    }
    let chosen = match selection::read(body.ids.as_deref(), body.filter.as_ref()) {
        Ok((chosen, _)) if faults.is_empty() => chosen,
        Ok(_) => return Err(ApiError::faults(faults)),
        Err(found) => {
            faults.extend(found);
            return Err(ApiError::faults(faults));
        }
    };
    let asked = context.clone();
    let (why, dry_run) = (body.reason, body.dry_run);
    let (by, origin) = (caller.who().to_owned(), caller.origin());
    let results = context
        .blocking(move || {
            let dead_letter_query = asked.parts().redrives.dead_letter_query();
            let letters = chosen
                .find(dead_letter_query)
                .map_err(|error| ApiError::new(ErrorKind::InternalError, error.to_string()))?;
            let order = DiscardOrder {
                letters,
                why,
                by,
                origin,
                dry_run,
            };
            discard(&order, dead_letter_query, &asked.parts().decisions).map_err(ApiError::from)
        })
        .await??;
    let skipped = results
        .iter()
        .filter(|(_, became)| matches!(became, Discarded::Skipped(_)))
        .count();
    let discarded = results.len() - skipped;
    let what = if dry_run {
        "would be discarded"
    } else {
        "discarded"
    };
    audit_entry.set_result(format!("{discarded} dead letters {what}, {skipped} skipped"));
    Ok(Json(DiscardedBody {
        chosen: results.len(),
        discarded,
        skipped,
        dry_run,
        results: results
            .into_iter()
            .map(|(letter, became)| OneBody::of(letter, became))
            .collect(),
    }))
}
