//! Asking for a redrive.

use super::super::audit_entry::AuditEntry;
use super::super::body::{JsonBody, object_or_null};
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::redrives::RedriveBody;
use super::selection::{self, Chosen, FilterBody, fault};
use crate::domain::text::optional_reason;
use crate::operations::dead_letters::redrive::{AskError, MAX_LETTERS, RedriveOrder};
use crate::operations::dead_letters::{Change, DeadLetterQuery, EventEdit, is_reserved};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Dead letters in a second, at most.
const MAX_PER_SECOND: u64 = 10_000;

/// Which dead letters to publish again, and what to change in them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = RedriveOrder)]
pub(super) struct OrderBody {
    /// These dead letters. Not together with a filter.
    #[schema(min_items = 1, max_items = 100_000)]
    ids: Option<Vec<String>>,
    /// All dead letters that match, up to 100000; `{}` for all open ones.
    #[serde(default, deserialize_with = "object_or_null")]
    filter: Option<FilterBody>,
    /// At most this many of them, the oldest first; of dead letters that are named, the open ones.
    #[schema(minimum = 1, maximum = 100_000)]
    limit: Option<u64>,
    /// Publish at most so many in a second. Redrives that were asked for later wait meanwhile.
    #[schema(minimum = 1, maximum = 10_000)]
    per_second: Option<u64>,
    /// How many dead letters must match, limit or not, of those that are named the open ones. When it is another
    /// number, nothing is stored.
    #[schema(minimum = 0)]
    expected: Option<u64>,
    /// Only tell what it would do to each dead letter's saga. Nothing is published.
    dry_run: bool,
    /// Why, for the audit log.
    #[schema(max_length = 1000)]
    reason: Option<String>,
    /// What to change before publishing. The dead letters themselves stay as they are.
    #[serde(default, deserialize_with = "object_or_null")]
    change: Option<ChangeBody>,
}

/// What to change in a dead letter before it is published again.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = LetterChange)]
pub(super) struct ChangeBody {
    /// Read the body with the schema of this id instead of the one in front of it.
    schema_id: Option<u32>,
    /// Publish these bytes instead of the value. For one dead letter only.
    value_base64: Option<String>,
    /// Fields of the event to set; the others stay as they could be read. The event is encoded anew
    /// with the topic's schema. For one dead letter only.
    #[schema(value_type = Option<Object>, example = json!({"status": "FAILED"}))]
    event: Option<EventEdit>,
}

/// How many dead letters are meant of those that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    limit: Option<usize>,
    expected: Option<u64>,
}

impl Bounds {
    /// Puts the dead letters that are meant into the order, unless others match than the caller thinks.
    fn choose(
        self,
        chosen: &Chosen,
        letters: &DeadLetterQuery,
        order: &mut RedriveOrder,
    ) -> Result<(), ApiError> {
        if self.limit.is_none() && self.expected.is_none() {
            order.letters = chosen.find(letters)?;
            return Ok(());
        }
        let matching = chosen.matching(letters)?;
        if let Some(expected) = self.expected {
            as_expected(chosen.count(letters, &matching)?, expected)?;
        }
        order.letters = match (self.limit, chosen) {
            (None, Chosen::Letters(named)) => named.clone(),
            (None, Chosen::Matching(_)) => matching,
            (Some(limit), _) => {
                if limit < matching.len() {
                    order.chosen_by["limit"] = limit.into();
                }
                matching.into_iter().take(limit).collect()
            }
        };
        Ok(())
    }
}

/// As many match as the caller thinks.
fn as_expected(matching: u64, expected: u64) -> Result<(), ApiError> {
    if matching == expected {
        return Ok(());
    }
    let message = format!(
        "expected: found {matching} dead letters that match, accepted: {expected}; nothing was stored; look again at \
         what matches now"
    );
    Err(ApiError::new(ErrorKind::Conflict, message).nothing_changed())
}

impl OrderBody {
    fn read(self, by: &Caller) -> Result<(Chosen, Bounds, RedriveOrder), ApiError> {
        let mut faults = Vec::new();
        let mut within = |name: &str, number: Option<u64>, highest: u64| {
            if let Some(found) = number.filter(|number| !(1..=highest).contains(number)) {
                let accepted = format!("a whole number from 1 to {highest}");
                faults.push(fault(name, &found.to_string(), &accepted));
            }
        };
        within("limit", self.limit, MAX_LETTERS as u64);
        within("perSecond", self.per_second, MAX_PER_SECOND);
        let chosen = match selection::read(self.ids.as_deref(), self.filter.as_ref()) {
            Ok(chosen) => Some(chosen),
            Err(found) => {
                faults.extend(found);
                None
            }
        };
        if let Some(reason) = &self.reason
            && let Err(accepted) = optional_reason(reason)
        {
            faults.push(fault("reason", reason, accepted));
        }
        let change = self.change.unwrap_or_default();
        let value = change.value_base64.as_deref().map(|text| {
            STANDARD.decode(text).unwrap_or_else(|_| {
                faults.push(fault("change.valueBase64", text, "base64"));
                Vec::new()
            })
        });
        let edited = change.event.as_ref().and_then(|event| event.step.as_deref());
        if let Some(step) = edited.filter(|step| is_reserved(step)) {
            let accepted =
                "a step of a service; a status is changed by PATCH /internal/v1/sagas/{sagaId}/status";
            faults.push(fault("change.event.step", step, accepted));
        }
        let for_one = value.is_some() || change.event.is_some();
        let one = matches!(&chosen, Some((Chosen::Letters(letters), _)) if letters.len() == 1);
        if for_one && chosen.is_some() && !one {
            let accepted = "another value or other fields for one dead letter by its id; schemaId for many";
            faults.push(fault("change", "several dead letters", accepted));
        }
        let Some((chosen, chosen_by)) = chosen.filter(|_| faults.is_empty()) else {
            return Err(ApiError::faults(faults));
        };
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok());
        let bounds = Bounds {
            limit,
            expected: self.expected,
        };
        let order = RedriveOrder {
            letters: Vec::new(),
            chosen_by,
            change: Change {
                schema_id: change.schema_id,
                value,
                event: change.event,
            },
            per_second: self.per_second.and_then(|number| u32::try_from(number).ok()),
            dry_run: self.dry_run,
            by: by.who().to_owned(),
            origin: by.origin(),
            why: self.reason,
        };
        Ok((chosen, bounds, order))
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        let words = error.to_string();
        match error {
            AskError::TooMany => {
                Self::new(ErrorKind::TooManyRequests, words).retry_after(Duration::from_secs(5))
            }
            AskError::Store(error) => error.into(),
        }
    }
}

/// Asks for a redrive
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/redrive",
    operation_id = "redriveDeadLetters",
    tag = "dead letters",
    description = "Publishes dead letters to the tracker topic again, with headers that name where they came from. Only open \
                   dead letters are published, and only if they are events by now. It runs on after the answer, over restarts \
                   too; /api/v1/dead-letters/redrives/{number} follows it and tells what became of each dead letter.",
    params(("X-Operator" = Option<String>, Header, description = "Who is at work, for the audit log.")),
    request_body = OrderBody,
    responses(
        (status = 202, body = RedriveBody, description = "It is stored and runs."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body."),
        (status = 409, body = ErrorBody, description = "Not as many dead letters match as were expected; nothing was stored."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 429, body = ErrorBody, description = "100 redrives and dry runs have not ended yet; nothing was stored."),
        (status = 503, body = ErrorBody, description = "This tracker publishes nothing."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<(StatusCode, Json<RedriveBody>), ApiError> {
    audit_entry.act(
        "redrive",
        "dead letters",
        body.reason.as_deref().unwrap_or_default(),
    );
    let (chosen, bounds, mut order) = body.read(&caller)?;
    let redrives = context.parts().redrives.clone();
    let asked = context
        .in_turn(move |stop| {
            bounds.choose(&chosen, &redrives.dead_letter_query().until(stop), &mut order)?;
            redrives.ask(&order).map_err(ApiError::from)
        })
        .await??;
    let what = if asked.dry_run { "dry run" } else { "redrive" };
    audit_entry.set_result(format!(
        "{what} {} of {} dead letters",
        asked.number, asked.chosen
    ));
    Ok((StatusCode::ACCEPTED, Json(asked.into())))
}
