//! The timeline of a saga.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::text::Instant;
use super::{SagaIdPath, Status};
use crate::domain::{Event, MetadataForm};
use crate::query::Timeline;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
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
}

impl StepBody {
    fn of(id: usize, event: Event) -> Self {
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
        }
    }
}

impl From<Timeline> for TimelineBody {
    fn from(timeline: Timeline) -> Self {
        let steps = (1..)
            .zip(timeline.events)
            .map(|(id, event)| StepBody::of(id, event));
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
    params(("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded.")),
    responses(
        (status = 200, body = TimelineBody, description = "Its events, in fold order."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen."),
    )
)]
pub(in crate::api) async fn handle(
    State(context): State<Context>,
    SagaIdPath(id): SagaIdPath,
) -> Result<Json<TimelineBody>, ApiError> {
    Ok(Json(context.timeline(id).await?.into()))
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
