//! The timeline of a saga: whole, sent as it is read, or page by page.

use super::super::caller::Caller;
use super::super::chunked;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::json_list::JsonList;
use super::super::params::Params;
use super::super::saga_fields::{SagaIdPath, Status};
use super::super::text::Instant;
use super::moment::{self, AskedMomentBody};
use super::part::{PartQuery, place_text};
use super::told_step::ToldStepBody;
use crate::domain::{MetadataForm, SagaId};
use crate::pipeline::query::{Basis, Moment, OperatorNote, Timeline, TimelineStep};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What to answer of each step.
#[derive(Clone, Copy, Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct StepsQuery {
    /// What to answer beside the steps: `deliveries`, how often each came and how late. The whole timeline is read for it.
    #[param(value_type = Option<String>, pattern = "^deliveries$")]
    include: bool,
}

impl StepsQuery {
    fn parse(query: Option<&str>) -> Result<(PartQuery, Self), ApiError> {
        let mut params = Params::of(query);
        let include = params.take(&["include"], "deliveries", |text| {
            (text == "deliveries").then_some(true)
        });
        let part = PartQuery::take(&mut params);
        params.finish()?;
        let include = include.unwrap_or(false);
        Ok((part, Self { include }))
    }
}

/// The events of a saga, in the order in which they are folded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Timeline)]
pub(super) struct TimelineBody<'a> {
    saga_id: &'a str,
    #[serde(flatten)]
    moment: AskedMomentBody,
    /// The steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required)]
    steps: Vec<ToldStepBody<'a>>,
    /// Leads to the steps behind these, as `after`. Absent when there are none, and when all were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// One event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Step)]
pub(in crate::server::api) struct StepBody<'a> {
    /// Its place in the timeline, from 1.
    #[schema(minimum = 1, value_type = usize)]
    id: u32,
    event_id: &'a str,
    step: &'a str,
    /// What the producer said about the saga.
    status: Status,
    #[schema(required)]
    producer_service: Option<&'a str>,
    #[schema(required)]
    trace_id: Option<&'a str>,
    /// The producer's metadata, as it was sent; null when there is none or it is no JSON object.
    #[schema(required, value_type = Option<Object>)]
    metadata: Option<&'a RawValue>,
    /// Metadata that is no JSON object, verbatim. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    metadata_raw: Option<&'a str>,
    /// Event time.
    recorded_at: Instant,
    /// What an operator did, when the event is an operator's. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    operator_change: Option<OperatorChangeBody>,
}

/// An operator's change of the status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperatorChange)]
pub(super) struct OperatorChangeBody {
    /// Who, as they call themselves.
    #[schema(required)]
    operator: Option<String>,
    /// Why.
    #[schema(required)]
    reason: Option<String>,
    /// The status that it was decided on, if that mattered.
    #[schema(required)]
    expected_status: Option<String>,
    /// Whether the saga had another status when it was applied: then it changed nothing.
    refused: bool,
}

impl From<OperatorNote> for OperatorChangeBody {
    fn from(note: OperatorNote) -> Self {
        Self {
            operator: note.operator,
            reason: note.reason,
            expected_status: note.expected_status,
            refused: note.refused,
        }
    }
}

impl<'a> StepBody<'a> {
    pub(in crate::server::api) fn of(step: &TimelineStep<'a>) -> Self {
        let event = step.event;
        let (metadata, metadata_raw) = metadata(event.metadata, event.metadata_form);
        Self {
            id: step.number,
            event_id: event.event_id,
            step: event.step,
            status: event.status.into(),
            producer_service: event.producer_service,
            trace_id: event.trace_id,
            metadata,
            metadata_raw,
            recorded_at: Instant(event.place.recorded_at),
            operator_change: OperatorNote::of(&event, step.refused).map(Into::into),
        }
    }
}

/// An object goes out byte for byte, so that no number loses a digit on the way.
fn metadata(text: Option<&str>, form: MetadataForm) -> (Option<&RawValue>, Option<&str>) {
    let Some(text) = text else {
        return (None, None);
    };
    if form == MetadataForm::Object
        && let Ok(object) = serde_json::from_str::<&RawValue>(text)
    {
        return (Some(object), None);
    }
    (None, Some(text))
}

/// The timeline of a saga
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}/steps",
    operation_id = "getSteps",
    tag = "sagas",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        PartQuery,
        StepsQuery,
    ),
    responses(
        (status = 200, body = TimelineBody<'static>, description = "Its events, in fold order: all of them, or a page when size or after is given."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, it had not begun at that moment, or it was purged; the message says which."),
        (status = 409, body = ErrorBody, description = "Too many of its events came again to tell what was known at knownAt, or how often each did; or it has more than a million events, too many for include=deliveries."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (query, StepsQuery { include }) = StepsQuery::parse(query.as_deref())?;
    let (what, moment) = (format!("the timeline of saga {id}"), query.moment());
    let write = move |parts| async move {
        let saga = id.clone();
        let question = move |timeline: &mut Timeline<'_>| {
            let head = TimelineBody::head(&saga, moment, timeline.basis());
            let mut list = JsonList::begin(parts, &head, "steps", query.page());
            let mut last = None;
            let mut add = |step: &TimelineStep<'_>, body: &ToldStepBody<'_>| {
                let flow = list.add(body);
                if flow.is_continue() {
                    last = Some(step.event.place);
                }
                flow
            };
            let begun = if include {
                timeline.delivered_steps(moment, query.after, &mut |step, deliveries| {
                    add(step, &ToldStepBody::delivered(step, deliveries))
                })?
            } else {
                timeline.steps(moment, query.after, &mut |step| {
                    add(step, &ToldStepBody::of(step))
                })?
            };
            if !begun {
                return Err(timeline.not_begun(moment));
            }
            list.end(last.map(place_text));
            Ok(())
        };
        moment::ask(&context, (&id, query.archive), caller.peer(), question).await
    };
    chunked::sent(what, write).await
}

impl<'a> TimelineBody<'a> {
    /// What stands before the steps.
    fn head(saga: &'a SagaId, moment: Moment, basis: &Basis) -> Self {
        Self {
            saga_id: saga.as_str(),
            moment: AskedMomentBody::of(moment, basis),
            steps: Vec::new(),
            next: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: Option<&str>, form: MetadataForm) -> String {
        let (object, raw) = metadata(text, form);
        serde_json::json!({ "metadata": object, "raw": raw }).to_string()
    }

    #[test]
    fn an_object_goes_out_as_it_came() {
        let text = "{\"orderAmount\": 12345678901234567890.10, \"a\":1, \"a\":2}";
        let (object, raw) = metadata(Some(text), MetadataForm::Object);
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
        assert_eq!(raw, None);
    }

    #[test]
    fn text_that_is_no_object_goes_out_verbatim() {
        assert_eq!(
            shown(Some("[1"), MetadataForm::Verbatim),
            r#"{"metadata":null,"raw":"[1"}"#
        );
        assert_eq!(
            shown(Some("{broken"), MetadataForm::Object),
            r#"{"metadata":null,"raw":"{broken"}"#
        );
        assert_eq!(
            shown(None, MetadataForm::Absent),
            r#"{"metadata":null,"raw":null}"#
        );
    }
}
