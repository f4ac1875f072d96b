//! The timeline of a saga.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::removals::from_archive;
use super::super::text::Instant;
use super::{SagaIdPath, Status, wants_archive};
use crate::domain::{Event, MetadataForm, OPERATOR_STATUS_CHANGE};
use crate::query::Timeline;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The events of a saga, in the order in which they are folded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Timeline)]
pub(in crate::api) struct TimelineBody {
    saga_id: String,
    steps: Vec<StepBody>,
}

/// One event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Step)]
struct StepBody {
    /// Its place in the timeline, from 1.
    #[schema(minimum = 1)]
    id: usize,
    event_id: String,
    step: String,
    /// What the producer said about the saga.
    status: Status,
    #[schema(required)]
    producer_service: Option<String>,
    #[schema(required)]
    trace_id: Option<String>,
    /// The producer's metadata, as it was sent; null when there is none or it is no JSON object.
    #[schema(required, value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// Metadata that is no JSON object, verbatim. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    metadata_raw: Option<String>,
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
struct OperatorChangeBody {
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

impl OperatorChangeBody {
    fn of(event: &Event, refused: bool) -> Option<Self> {
        if event.step.as_str() != OPERATOR_STATUS_CHANGE {
            return None;
        }
        let metadata: Value = event
            .metadata
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            operator: text("operator"),
            reason: text("reason"),
            expected_status: text("expectedStatus"),
            refused,
        })
    }
}

impl StepBody {
    fn of(id: usize, event: Event, refused: bool) -> Self {
        let operator_change = OperatorChangeBody::of(&event, refused);
        let (metadata, metadata_raw) = metadata(event.metadata, event.metadata_form);
        Self {
            id,
            event_id: event.event_id.as_str().to_owned(),
            step: event.step.as_str().to_owned(),
            status: event.status.into(),
            producer_service: event.producer_service.map(String::from),
            trace_id: event.trace_id.map(String::from),
            metadata,
            metadata_raw,
            recorded_at: Instant(event.recorded_at),
            operator_change,
        }
    }
}

impl From<Timeline> for TimelineBody {
    fn from(timeline: Timeline) -> Self {
        let refused = timeline.refused;
        let steps = (1..)
            .zip(timeline.events)
            .map(|(id, event)| StepBody::of(id, event, refused.contains(&(id - 1))));

        Self {
            saga_id: timeline.saga_id.as_str().to_owned(),
            steps: steps.collect(),
        }
    }
}

/// An object goes out byte for byte, so that no number loses a digit on the way.
fn metadata(text: Option<Box<str>>, form: MetadataForm) -> (Option<Box<RawValue>>, Option<String>) {
    let Some(text) = text.map(String::from) else {
        return (None, None);
    };
    if form == MetadataForm::Object
        && let Ok(object) = serde_json::from_str::<Box<RawValue>>(&text)
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
        ("archive" = Option<bool>, Query, description = "Whether to look into the archive when it was purged."),
    ),
    responses(
        (status = 200, body = TimelineBody, description = "Its events, in fold order."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, or it was purged; the message says which."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(in crate::api) async fn handle(
    State(context): State<Context>,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Json<TimelineBody>, ApiError> {
    let archive = wants_archive(query.as_deref())?;
    let missing = match (context.timeline(id.clone()).await, archive) {
        (Err(missing), true) => missing,
        (found, _) => return Ok(Json(found?.into())),
    };
    if !context
        .purged(id.clone())
        .await?
        .is_some_and(|view| view.purged.is_gone())
    {
        return Err(missing);
    }
    let archived = from_archive(&context, &id).await?;
    Ok(Json(archived.timeline.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: Option<&str>, form: MetadataForm) -> String {
        let (object, raw) = metadata(text.map(Into::into), form);
        serde_json::json!({ "metadata": object, "raw": raw }).to_string()
    }

    #[test]
    fn an_object_goes_out_as_it_came() {
        let text = "{\"orderAmount\": 12345678901234567890.10, \"a\":1, \"a\":2}";
        let (object, raw) = metadata(Some(text.into()), MetadataForm::Object);
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
