//! A digest over all state, to compare two trackers by.

use super::super::admin::Digest;
use super::super::context::Context;
use super::super::error::ApiError;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A digest over all state: equal on every tracker that has read the same topics up to the same
/// offsets.
#[derive(Serialize, ToSchema)]
#[schema(as = Digest)]
pub(in crate::api) struct DigestBody {
    /// By partition, the next offset: all before it is inside.
    at: BTreeMap<String, u64>,
    /// Over all tables, hexadecimal.
    total: String,
    /// By table, hexadecimal.
    tables: BTreeMap<String, String>,
}

impl From<Digest> for DigestBody {
    fn from(digest: Digest) -> Self {
        let at = digest
            .at
            .into_iter()
            .map(|(partition, next)| (partition.to_string(), next));
        Self {
            at: at.collect(),
            total: digest.total,
            tables: digest.tables,
        }
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
pub(in crate::api) async fn handle(State(context): State<Context>) -> Result<Json<DigestBody>, ApiError> {
    let asked = context.clone();
    let digest = context.sweep(move |stop| asked.admin().digest(stop)).await??;
    Ok(Json(digest.into()))
}
