//! The definitions in force.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::ask;
use super::versions::VersionBody;
use crate::domain::{SagaDefinition, ServiceDefinition};
use crate::operations::definitions::{Definitions, Overview};
use crate::pipeline::query::DefinitionsInForce;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Steps that are listed at most.
const MAX_STEPS: usize = 100;

/// The definitions that answers are given under, and the steps in use that they do not name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Definitions)]
pub(in crate::server::api) struct DefinitionsBody {
    /// BLAKE3 of the definitions: equal where they say the same.
    hash: String,
    /// The version in force; 0 while none was applied, and what is configured is in force.
    version: u64,
    /// How that version came into force; null while none was applied.
    #[schema(required)]
    decided: Option<VersionBody>,
    /// Why this replica cannot read that version and answers under the last one that it can; null where it can.
    #[schema(required)]
    unreadable: Option<String>,
    configured: ConfiguredBody,
    /// By saga type, under the keys of a definitions file.
    #[schema(value_type = BTreeMap<String, Object>)]
    types: BTreeMap<String, SagaDefinition>,
    /// By service, under the keys of a definitions file.
    #[schema(value_type = BTreeMap<String, Object>)]
    services: BTreeMap<String, ServiceDefinition>,
    /// Whether answers are still given under the rules of the fold from before, until the projections are made anew.
    rebuild_due: bool,
    /// Steps in use that no definition names, those with most events first; at most 100.
    unknown_steps: Vec<UnknownStepBody>,
    /// Events of such steps that are not listed.
    other_unknown_events: u64,
}

/// What is configured on this replica.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfiguredDefinitions)]
struct ConfiguredBody {
    /// BLAKE3 of it.
    hash: String,
    /// Whether a file is configured that says something else than the version in force; then it is not used.
    differs: bool,
}

/// A step in use that no definition names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnknownStep)]
struct UnknownStepBody {
    step: String,
    /// Its events.
    events: u64,
}

impl DefinitionsBody {
    fn of(found: DefinitionsInForce, overview: &Overview) -> Self {
        let mut steps = found.unnamed_steps.steps;
        let beyond = steps.split_off(steps.len().min(MAX_STEPS));
        let beyond: u64 = beyond.iter().map(|(_, events)| events).sum();
        Self {
            hash: found.definitions.hash(),
            version: overview.last.as_ref().map_or(0, |last| last.number),
            decided: overview.last.as_ref().map(VersionBody::from),
            unreadable: found.unreadable.map(|unreadable| unreadable.why),
            configured: ConfiguredBody {
                hash: overview.configured_hash.clone(),
                differs: overview.file_differs,
            },
            types: found.definitions.types,
            services: found.definitions.services,
            rebuild_due: found.rebuild_due,
            unknown_steps: steps
                .into_iter()
                .map(|(step, events)| UnknownStepBody { step, events })
                .collect(),
            other_unknown_events: found.unnamed_steps.other_events + beyond,
        }
    }
}

/// The definitions in force
#[utoipa::path(
    get,
    path = "/api/v1/definitions",
    operation_id = "getDefinitions",
    tag = "definitions",
    responses(
        (status = 200, body = DefinitionsBody, description = "The definitions that answers are given under."),
        (status = 503, body = ErrorBody, description = "Too many questions are asked at once."),
    )
)]
pub(in crate::server::api) async fn handle(
    State(context): State<Context>,
) -> Result<Json<DefinitionsBody>, ApiError> {
    let overview = ask(&context, Definitions::overview).await?;
    Ok(Json(DefinitionsBody::of(context.definitions().await?, &overview)))
}
