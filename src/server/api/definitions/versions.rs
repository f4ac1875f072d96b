//! The versions of the definitions that were applied.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::super::params::Params;
use super::super::text::Instant;
use super::ask;
use crate::operations::definitions::Version;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_SIZE: usize = 20;
const MAX_SIZE: usize = 100;
/// No version has a greater number, and no client of the document may send one.
const MAX_NUMBER: u64 = i64::MAX as u64;

/// A version that was applied.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DefinitionsVersion)]
pub(super) struct VersionBody {
    /// Its number, from 1.
    version: u64,
    /// BLAKE3 of what it says: equal where two say the same.
    hash: String,
    /// The decision: its offset in the ops topic.
    decision: u64,
    /// When that arrived.
    at: Instant,
    /// Who decided.
    by: String,
    /// Why.
    reason: String,
}

impl From<&Version> for VersionBody {
    fn from(version: &Version) -> Self {
        Self {
            version: version.number,
            hash: version.hash.clone(),
            decision: version.decision,
            at: Instant(version.at),
            by: version.by.clone(),
            reason: version.reason.clone(),
        }
    }
}

/// A version, and its file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DefinitionsVersionFile)]
pub(super) struct VersionFileBody {
    #[serde(flatten)]
    version: VersionBody,
    /// The text of the file, TOML, as it was written.
    definitions: String,
}

/// Versions, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DefinitionsVersions)]
pub(super) struct VersionsBody {
    content: Vec<VersionBody>,
    /// Leads to older ones; null when there are none.
    #[schema(required)]
    next_cursor: Option<u64>,
}

/// Which versions.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct VersionsQuery {
    /// Versions to answer.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    size: usize,
    /// nextCursor of an earlier answer.
    #[param(minimum = 1)]
    cursor: Option<u64>,
}

impl VersionsQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let size = params.take(&["size"], "1 to 100", |text| {
            text.parse().ok().filter(|size| (1..=MAX_SIZE).contains(size))
        });
        let cursor = params.take(&["cursor"], "nextCursor of an earlier answer", |text| {
            text.parse()
                .ok()
                .filter(|number| (1..=MAX_NUMBER).contains(number))
        });
        params.finish()?;
        Ok(Self {
            size: size.unwrap_or(DEFAULT_SIZE),
            cursor,
        })
    }
}

/// The versions of the definitions that were applied
#[utoipa::path(
    get,
    path = "/api/v1/definitions/versions",
    operation_id = "getDefinitionsVersions",
    tag = "definitions",
    params(VersionsQuery),
    responses(
        (status = 200, body = VersionsBody, description = "Newest first."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 503, body = ErrorBody, description = "Too many questions are asked at once."),
    )
)]
pub(super) async fn list(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<VersionsBody>, ApiError> {
    let VersionsQuery { size, cursor } = VersionsQuery::parse(query.as_deref())?;
    let found = ask(&context, move |definitions| definitions.before(cursor, size)).await?;
    let last = found.last().map(|version| version.number);
    Ok(Json(VersionsBody {
        content: found.iter().map(VersionBody::from).collect(),
        next_cursor: last.filter(|number| *number > 1),
    }))
}

/// A version of the definitions, with its file
#[utoipa::path(
    get,
    path = "/api/v1/definitions/versions/{version}",
    operation_id = "getDefinitionsVersion",
    tag = "definitions",
    params(("version" = u64, Path, minimum = 1, description = "Its number.")),
    responses(
        (status = 200, body = VersionFileBody, description = "As it was applied. To go back to it, apply its file again."),
        (status = 400, body = ErrorBody, description = "The number is not valid."),
        (status = 404, body = ErrorBody, description = "No version of that number was applied."),
        (status = 503, body = ErrorBody, description = "Too many questions are asked at once."),
    )
)]
pub(super) async fn one(
    State(context): State<Context>,
    Path(number): Path<String>,
) -> Result<Json<VersionFileBody>, ApiError> {
    let number: u64 = number
        .parse()
        .map_err(|_| ApiError::new(ErrorKind::BadRequest, "version: accepted: a whole number, from 1"))?;
    let found = ask(&context, move |definitions| definitions.version(number)).await?;
    let found = found.ok_or_else(|| {
        let message = format!("no version {number} of the definitions was applied");
        ApiError::new(ErrorKind::NotFound, message)
    })?;
    Ok(Json(VersionFileBody {
        version: VersionBody::from(&found.version),
        definitions: found.text,
    }))
}
