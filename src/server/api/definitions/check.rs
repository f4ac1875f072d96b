//! Whether a definitions file is fit to be applied.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::shorter_retention::{ShorterRetentionBody, bodies};
use super::{FileBody, MAX_FAULTS};
use crate::domain::SagaDefinitions;
use crate::operations::definitions::{ApplyError, Definitions, readable};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a definitions file says, or what is wrong with it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DefinitionsCheck)]
pub(super) struct CheckBody {
    /// Each fault; at most 50 are named. None: it can be applied.
    faults: Vec<String>,
    /// BLAKE3 of what it says; null when it has faults.
    #[schema(required)]
    hash: Option<String>,
    /// The types of which it says something else than what is in force, each with the keys that differ.
    differing: BTreeMap<String, Vec<String>>,
    /// Whether applying it has the projections made anew; otherwise it is in force at once.
    rebuild: bool,
    /// The sagas that it keeps for fewer days than what is in force; applying it must allow that.
    shorter_retention: Vec<ShorterRetentionBody>,
}

impl CheckBody {
    fn of(
        read: Result<SagaDefinitions, ApplyError>,
        in_force: &SagaDefinitions,
        definitions: &Definitions,
    ) -> Self {
        match read {
            Ok(read) => Self {
                faults: Vec::new(),
                hash: Some(read.hash()),
                differing: in_force.differing_types(&read),
                rebuild: in_force.fold_rules() != read.fold_rules(),
                shorter_retention: bodies(definitions.shorter_retention(in_force, &read)),
            },
            Err(error) => Self {
                faults: match error {
                    ApplyError::Faults(faults) => {
                        let named = faults.iter().take(MAX_FAULTS);
                        named
                            .map(|fault| fault.to_string().trim_end().to_owned())
                            .collect()
                    }
                    error => vec![error.to_string()],
                },
                hash: None,
                differing: BTreeMap::new(),
                rebuild: false,
                shorter_retention: Vec::new(),
            },
        }
    }
}

/// Checks a definitions file
#[utoipa::path(
    post,
    path = "/api/v1/definitions/check",
    operation_id = "checkDefinitions",
    tag = "definitions",
    description = "Nothing is changed.",
    request_body = FileBody,
    responses(
        (status = 200, body = CheckBody, description = "What it says, or what is wrong with it."),
        (status = 400, body = ErrorBody, description = "The body is not as it must be."),
        (status = 415, body = ErrorBody, description = "The body is no JSON."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    audit_entry: AuditEntry,
    JsonBody(body): JsonBody<FileBody>,
) -> Result<Json<CheckBody>, ApiError> {
    audit_entry.act("check-definitions", "definitions", "");
    audit_entry.reads();
    let parts = context.parts();
    let (in_force, definitions) = (parts.query.definitions(), parts.definitions.clone());
    let checked = move |_| match readable(&body.definitions) {
        Err(error @ ApplyError::TooLarge { .. }) => Err(ApiError::from(error)),
        read => Ok(CheckBody::of(read, &in_force, &definitions)),
    };
    Ok(Json(context.in_turn(checked).await??))
}
