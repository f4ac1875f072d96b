//! One saga, now or at any moment.

use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::places::Peer;
use super::super::retention::from_archive;
use super::super::saga_fields::SagaIdPath;
use super::moment::{self, AskedMomentBody};
use super::told_step::ToldStepBody;
use super::{SagaBody, archive_wanted};
use crate::domain::{Millis, SagaId, SagaState};
use crate::pipeline::query::{Basis, Moment, QueryError, SagaView, Timeline};
use crate::store::until;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::value::RawValue;

/// So many steps at most stand in the answer, and of about so many bytes.
const MAX_STEPS: usize = 1_000;
const MAX_STEPS_BYTES: usize = 4 << 20;

/// What of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct SagaQuery {
    /// Whether to look into the archive when it was purged.
    #[param(value_type = Option<bool>)]
    archive: bool,
    /// What to answer beside the saga: `steps`.
    #[param(value_type = Option<String>, pattern = "^steps$")]
    include: bool,
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
}

impl SagaQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let archive = archive_wanted(&mut params);
        let include = params.take(&["include"], "steps", |text| (text == "steps").then_some(true));
        let Moment { as_of, known_at } = moment::take(&mut params, ["asOf", "knownAt"]);
        params.finish()?;
        Ok(Self {
            archive,
            include: include.unwrap_or(false),
            as_of,
            known_at,
        })
    }

    fn moment(&self) -> Moment {
        let (as_of, known_at) = (self.as_of, self.known_at);
        Moment { as_of, known_at }
    }
}

/// The state of a saga
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}",
    operation_id = "getSaga",
    tag = "sagas",
    description = "Now, or as of an event time, or as it was known at an arrival time, or both. The saga with the id \
                   `statistics` is reached as `/api/v1/sagas/%73tatistics`, the one named `stuck` as \
                   `/api/v1/sagas/%73tuck`.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        SagaQuery,
    ),
    responses(
        (status = 200, body = SagaBody, description = "What is known of the saga, or was."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, it had not begun at that moment, or it was purged; the message says which."),
        (status = 409, body = ErrorBody, description = "The archive holds more of it than an answer holds in memory; its steps can be asked for. Or too many of its events came again to tell what was known at knownAt."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Json<SagaBody>, ApiError> {
    let query = SagaQuery::parse(query.as_deref())?;
    if !query.moment().is_now() || query.include {
        return at_a_moment(&context, &id, query, caller.peer()).await.map(Json);
    }
    let missing = match (context.saga(&id), query.archive) {
        (Err(missing), true) => missing,
        (found, _) => {
            let (saga, judgement) = found?;
            return Ok(Json(SagaBody::from(saga).judged(judgement)));
        }
    };
    if !moment::is_gone(&context, &id).await? {
        return Err(missing);
    }
    let state = from_archive(&context, &id).await?;
    let parts = context.parts();
    let judgement = parts.query.definitions().judge(&state, parts.clock.now());
    let saga = SagaBody::of_archive(SagaView { saga_id: id, state });
    Ok(Json(saga.judged(judgement)))
}

async fn at_a_moment(
    context: &Context,
    id: &SagaId,
    query: SagaQuery,
    peer: Option<Peer>,
) -> Result<SagaBody, ApiError> {
    let moment = query.moment();
    let at = moment.as_of.unwrap_or_else(|| context.clock().now());
    let question = move |timeline: &mut Timeline<'_>| {
        let state = timeline.begun(moment)?;
        let judgement = timeline.judge(&state, at);
        let steps = if query.include {
            Some(first_steps(timeline, moment)?)
        } else {
            None
        };
        let told = (timeline.is_archived(), timeline.basis().clone());
        Ok((state, judgement, steps, told))
    };
    let (state, judgement, steps, (archived, basis)) =
        moment::ask(context, (id, query.archive), peer, question).await?;
    let mut body = SagaBody::at(id, state, moment, &basis).judged(judgement);
    body.archived = archived.then_some(true);
    if let Some(FirstSteps { steps, truncated }) = steps {
        body.steps = Some(steps);
        body.steps_truncated = Some(truncated);
    }
    Ok(body)
}

impl SagaBody {
    /// A saga as it was at a moment.
    pub(super) fn at(id: &SagaId, state: SagaState, moment: Moment, basis: &Basis) -> Self {
        let saga_id = id.clone();
        Self {
            moment: AskedMomentBody::of(moment, basis),
            ..SagaView { saga_id, state }.into()
        }
    }
}

/// The steps that stand beside a saga.
struct FirstSteps {
    steps: Box<RawValue>,
    truncated: bool,
}

fn first_steps(timeline: &mut Timeline<'_>, moment: Moment) -> Result<FirstSteps, QueryError> {
    let (mut text, mut count, mut truncated, mut failed) = (b"[".to_vec(), 0, false, None);
    timeline.steps(moment, None, &mut |step| {
        truncated = count == MAX_STEPS || text.len() > MAX_STEPS_BYTES;
        if truncated {
            return until(true);
        }
        if count > 0 {
            text.push(b',');
        }
        count += 1;
        failed = serde_json::to_writer(&mut text, &ToldStepBody::of(step)).err();
        until(failed.is_some())
    })?;
    text.push(b']');
    // Text and numbers can always be written.
    let steps = String::from_utf8(text)
        .ok()
        .and_then(|text| RawValue::from_string(text).ok());
    match (steps, failed) {
        (Some(steps), None) => Ok(FirstSteps { steps, truncated }),
        _ => Err(QueryError::Unreadable),
    }
}
