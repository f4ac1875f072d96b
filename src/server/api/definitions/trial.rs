//! What a definitions file would change, before anything does.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody};
use super::super::saga_fields::Status;
use super::super::text::Instant;
use super::read;
use super::shorter_retention::{ShorterRetentionBody, bodies};
use crate::domain::{SagaStatus, ShorterRetention};
use crate::pipeline::query::{Change, Counts, Divergence, Told, Trial, TrialRequest};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: usize = 1_000;

/// A definitions file to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DefinitionsToTry)]
pub(super) struct TrialRequestBody {
    /// The text of the file, TOML, up to 256 KiB.
    #[schema(max_length = 262144)]
    definitions: String,
    /// nextCursor of an earlier answer to the same definitions.
    #[serde(default)]
    #[schema(nullable = false)]
    cursor: Option<String>,
    /// Sagas to name of those that would change, at most.
    #[serde(default = "default_size")]
    #[schema(minimum = 0, maximum = 1000, default = 100)]
    size: usize,
}

const fn default_size() -> usize {
    DEFAULT_SIZE
}

/// What the definitions would make of a part of the sagas.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DefinitionsTrial)]
pub(super) struct TrialBody {
    /// BLAKE3 of the definitions that are tried.
    hash: String,
    /// The types that can change: those of which the file says something else, each with the keys that differ. The
    /// sagas of all others stay as they are and are in no number here.
    types: BTreeMap<String, Vec<String>>,
    /// The sagas that the file keeps for fewer days than what is in force; applying it must allow that.
    shorter_retention: Vec<ShorterRetentionBody>,
    /// Sagas that were looked at for this answer. Purged ones cannot be.
    sagas: u64,
    /// How many of them stand in each status now, by type.
    before: BTreeMap<String, BTreeMap<String, u64>>,
    /// How many would.
    after: BTreeMap<String, BTreeMap<String, u64>>,
    /// How many of them would have another status, break other rules, or be stuck otherwise.
    changing: u64,
    /// The first of those, by type and start: as many as were asked for.
    changes: Vec<ChangeBody>,
    /// Leads to the next part, whose numbers add to these; null when all sagas were looked at.
    #[schema(required)]
    next_cursor: Option<String>,
    /// By partition of the tracker topic, the next offset that is not counted.
    cursor: BTreeMap<String, u64>,
}

/// A saga that would change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TriedSaga)]
struct ChangeBody {
    saga_id: String,
    saga_type: String,
    /// What is told of it now.
    before: ToldBody,
    /// What would be.
    after: ToldBody,
    /// Why, in a sentence.
    reason: String,
    /// The first event behind which its status would be another; null where none is.
    #[schema(required)]
    from: Option<DivergenceBody>,
}

/// What is told of a saga.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TriedState)]
struct ToldBody {
    status: Status,
    /// The rules that it does not keep.
    conformance: Vec<&'static str>,
    /// The rule by which it is stuck; null when it is not.
    #[schema(required)]
    stuck: Option<&'static str>,
}

/// An event behind which the status would be another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TriedEvent)]
struct DivergenceBody {
    event_id: String,
    step: String,
    /// The status that it reports.
    reported: Status,
    /// Its time.
    at: Instant,
    /// The saga's status behind it now.
    before: Status,
    /// What that would be.
    after: Status,
}

impl From<Told> for ToldBody {
    fn from(told: Told) -> Self {
        Self {
            status: told.status.into(),
            conformance: told.conformance.iter().map(|rule| rule.as_str()).collect(),
            stuck: told.stuck.map(|rule| rule.as_str()),
        }
    }
}

impl From<Divergence> for DivergenceBody {
    fn from(from: Divergence) -> Self {
        let [before, after] = from.statuses.map(Status::from);
        Self {
            event_id: from.event_id.as_str().to_owned(),
            step: from.step.as_str().to_owned(),
            reported: from.reported.into(),
            at: Instant(from.at),
            before,
            after,
        }
    }
}

impl From<Change> for ChangeBody {
    fn from(change: Change) -> Self {
        Self {
            reason: reason(&change),
            saga_id: change.saga_id.as_str().to_owned(),
            saga_type: change.saga_type.as_str().to_owned(),
            before: change.before.into(),
            after: change.after.into(),
            from: change.from.map(DivergenceBody::from),
        }
    }
}

/// Why a saga would change, for people.
fn reason(change: &Change) -> String {
    let (before, after) = (&change.before, &change.after);
    let mut parts = Vec::new();
    if let Some(from) = &change.from {
        let [now, then] = from.statuses;
        parts.push(format!(
            "{} of {} makes it {then} instead of {now}",
            from.reported,
            from.step.as_str()
        ));
    }
    for rule in after.conformance.difference(&before.conformance) {
        parts.push(format!("it would break {}", rule.as_str()));
    }
    for rule in before.conformance.difference(&after.conformance) {
        parts.push(format!("it would no longer break {}", rule.as_str()));
    }
    if before.stuck != after.stuck {
        parts.push(match after.stuck {
            Some(rule) => format!("it would be stuck: {}", rule.as_str()),
            None => "it would not be stuck".to_owned(),
        });
    }
    parts.join("; ")
}

impl TrialBody {
    fn of(hash: String, shorter: Vec<ShorterRetention>, trial: Trial) -> Self {
        let cursor = trial.basis.cursor.iter();
        Self {
            hash,
            types: trial.types,
            shorter_retention: bodies(shorter),
            sagas: trial.sagas,
            before: by_name(trial.before),
            after: by_name(trial.after),
            changing: trial.changing,
            changes: trial.changes.into_iter().map(ChangeBody::from).collect(),
            next_cursor: trial.next_cursor,
            cursor: cursor
                .map(|(partition, next)| (partition.to_string(), next))
                .collect(),
        }
    }
}

fn by_name(counts: Counts) -> BTreeMap<String, BTreeMap<String, u64>> {
    let named = |(status, sagas): (SagaStatus, u64)| (status.to_string(), sagas);
    counts
        .into_iter()
        .map(|(saga_type, statuses)| (saga_type, statuses.into_iter().map(named).collect()))
        .collect()
}

/// Tries a definitions file
#[utoipa::path(
    post,
    path = "/api/v1/definitions/try",
    operation_id = "tryDefinitions",
    tag = "definitions",
    description = "Folds the sagas that can change under the definitions of the file, and compares the result with what is \
                   served now. Nothing is changed. One answer looks at up to 20000 sagas or about 500000 events; \
                   `nextCursor` continues after them.",
    request_body = TrialRequestBody,
    responses(
        (status = 200, body = TrialBody, description = "What would change."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body or the file; `details` name each fault."),
        (status = 415, body = ErrorBody, description = "The body is no JSON."),
        (status = 503, body = ErrorBody, description = "Too many questions are asked at once."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    audit_entry: AuditEntry,
    JsonBody(body): JsonBody<TrialRequestBody>,
) -> Result<Json<TrialBody>, ApiError> {
    audit_entry.act("try-definitions", "definitions", "");
    audit_entry.reads();
    if body.size > MAX_SIZE {
        return Err(ApiError::faults(vec![Detail {
            parameter: "size".to_owned(),
            found: body.size.to_string(),
            accepted: format!("0 to {MAX_SIZE}"),
        }]));
    }
    let (query, service) = (context.parts().query.clone(), context.parts().definitions.clone());
    let at = context.clock().now();
    // Reading a file takes long enough to wait for a place, too.
    let done = move |stop| -> Result<TrialBody, ApiError> {
        let definitions = Arc::new(read(&body.definitions)?);
        let hash = definitions.hash();
        let shorter = service.shorter_retention(&query.definitions(), &definitions);
        let request = TrialRequest {
            definitions,
            cursor: body.cursor,
            at,
            listed: body.size,
        };
        let trial = query.until(stop).trial(&request)?;
        Ok(TrialBody::of(hash, shorter, trial))
    };
    Ok(Json(context.full_read(done).await??))
}
