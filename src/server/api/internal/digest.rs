//! A digest over all state, to compare two trackers by.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorKind};
use crate::pipeline::projector::AtRestError;
use crate::pipeline::verify::Digest;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A digest over all state, of one moment at which projections hold all that the log does: equal on every
/// tracker that has read the same topics up to the same offsets, has done the same decisions and folds under
/// the same rules.
#[derive(Serialize, ToSchema)]
#[schema(as = Digest)]
pub(super) struct DigestBody {
    /// By partition of the tracker topic, the next offset: all before it is inside.
    at: BTreeMap<String, u64>,
    /// By topic that is read, the next offset of each of its partitions. The ops topic is among them.
    topics: BTreeMap<String, BTreeMap<String, u64>>,
    /// The next offset of the ops topic whose decision to purge or restore is not applied.
    applied: u64,
    /// Dead letters of unknown schemas, settled or not: they become events where the registry knows their schemas.
    #[serde(rename = "waitingLetters")]
    waiting_letters: u64,
    /// The rules of the fold that the projections are made under: by saga type, all of its
    /// definition that names steps.
    #[schema(value_type = Object)]
    rules: Value,
    /// Over all tables, hexadecimal.
    total: String,
    /// By table, hexadecimal.
    tables: BTreeMap<String, String>,
}

impl From<Digest> for DigestBody {
    fn from(digest: Digest) -> Self {
        let topics = digest.topics.into_iter();
        Self {
            at: named(digest.at.iter()),
            topics: topics.map(|(topic, offsets)| (topic, named(offsets))).collect(),
            applied: digest.applied,
            waiting_letters: digest.waiting_letters,
            // Nothing is folded under no rules yet.
            rules: serde_json::from_str(&digest.rules).unwrap_or_else(|_| json!({})),
            total: digest.total,
            tables: digest.tables,
        }
    }
}

fn named(offsets: impl IntoIterator<Item = (u32, u64)>) -> BTreeMap<String, u64> {
    let offsets = offsets.into_iter();
    offsets
        .map(|(partition, next)| (partition.to_string(), next))
        .collect()
}

impl From<AtRestError> for ApiError {
    fn from(error: AtRestError) -> Self {
        let kind = match error {
            AtRestError::Busy => ErrorKind::Conflict,
            AtRestError::Store(_) | AtRestError::Gone(_) => ErrorKind::InternalError,
        };
        Self::new(kind, error.to_string())
    }
}

/// A digest over all state
#[utoipa::path(
    get,
    path = "/internal/v1/digest",
    operation_id = "getDigest",
    tag = "internal",
    description = "Reads all state, and takes as long as that: no time limit applies.",
    responses((status = 200, body = DigestBody, description = "The digest, and the cut that it is of."))
)]
pub(super) async fn handle(State(context): State<Context>) -> Result<Json<DigestBody>, ApiError> {
    let asked = context.clone();
    let digest = context
        .full_read(move |stop| asked.parts().digests.digest(stop))
        .await??;
    Ok(Json(digest.into()))
}
