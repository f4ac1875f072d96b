//! The timeline of a saga: whole, sent as it is read, or page by page.

use super::super::caller::Caller;
use super::super::chunked::{self, Parts};
use super::super::context::{Context, StepsWriter};
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, parse_number};
use super::super::retention::write_archived_steps;
use super::super::saga_fields::{SagaIdPath, Status};
use super::super::text::Instant;
use super::archive_wanted;
use crate::domain::{EventRef, MetadataForm, Millis, OPERATOR_STATUS_CHANGE, Position, SagaId, TimelineKey};
use crate::pipeline::query::TimelineStep;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::ops::ControlFlow;
use utoipa::ToSchema;

const DEFAULT_SIZE: u64 = 100;
const LARGEST_SIZE: u64 = 1_000;

/// Which steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(in crate::server::api) struct StepsQuery {
    /// Whether to look into the archive when it was purged.
    #[param(value_type = Option<bool>)]
    archive: bool,
    /// Steps on a page. Without it and without `after` all are answered.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000)]
    size: Option<u64>,
    /// `next` of an earlier answer: answers with the steps behind it, 100 unless size says otherwise.
    #[param(value_type = Option<String>, min_length = 1)]
    after: Option<TimelineKey>,
}

impl StepsQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let archive = archive_wanted(&mut params);
        let size = params.take(&["size"], "a whole number from 1 to 1000", |text| {
            parse_number(text, 1, LARGEST_SIZE)
        });
        let after = params.take(&["after"], "next of an earlier answer", parse_place);
        params.finish()?;
        Ok(Self { archive, size, after })
    }

    /// Steps on a page; none when all are asked for.
    fn page(&self) -> Option<u64> {
        self.size.or(self.after.map(|_| DEFAULT_SIZE))
    }
}

/// A place in a timeline as `next` tells it.
fn place_text(place: TimelineKey) -> String {
    let Position { partition, offset } = place.position;
    format!("{}.{partition}.{offset}", place.recorded_at.0)
}

fn parse_place(text: &str) -> Option<TimelineKey> {
    let (at, position) = text.split_once('.')?;
    let (partition, offset) = position.split_once('.')?;
    let place = TimelineKey {
        recorded_at: Millis(at.parse().ok()?),
        position: Position::new(partition.parse().ok()?, offset.parse().ok()?),
    };
    (place_text(place) == text).then_some(place)
}

/// The events of a saga, in the order in which they are folded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Timeline)]
pub(in crate::server::api) struct TimelineBody<'a> {
    saga_id: &'a str,
    steps: Vec<StepBody<'a>>,
    /// Leads to the steps behind these, as `after`. Absent when there are none, and when all were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// One event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Step)]
struct StepBody<'a> {
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
    fn of(event: &EventRef<'_>, refused: bool) -> Option<Self> {
        if event.step != OPERATOR_STATUS_CHANGE {
            return None;
        }
        let metadata: Value = event
            .metadata
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

impl<'a> StepBody<'a> {
    fn of(step: &TimelineStep<'a>) -> Self {
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
            operator_change: OperatorChangeBody::of(&event, step.refused),
        }
    }
}

/// Writes a [`TimelineBody`] step by step.
struct Writing {
    parts: Parts,
    saga: SagaId,
    /// What is at or before this place is not asked for.
    after: Option<TimelineKey>,
    left: Option<u64>,
    /// The last step that was written.
    last: Option<TimelineKey>,
    /// Whether there was a step too many for the page.
    more: bool,
    failed: bool,
}

impl Writing {
    fn new(parts: Parts, saga: SagaId, query: StepsQuery) -> Self {
        Self {
            parts,
            saga,
            after: query.after,
            left: query.page(),
            last: None,
            more: false,
            failed: false,
        }
    }

    fn write(&mut self, step: &TimelineStep<'_>) -> ControlFlow<()> {
        if Some(step.event.place) <= self.after {
            return ControlFlow::Continue(());
        }
        if self.left == Some(0) {
            self.more = true;
            return ControlFlow::Break(());
        }
        self.left = self.left.map(|left| left - 1);
        if self.last.is_none() {
            self.begin();
        } else {
            self.parts.part().push(b',');
        }
        self.last = Some(step.event.place);
        self.json(&StepBody::of(step));
        let sent = self.parts.send_when_full();
        // What was not sent must not look like the end.
        self.failed |= sent.is_break();
        sent
    }

    fn begin(&mut self) {
        self.parts.part().extend_from_slice(b"{\"sagaId\":");
        let saga = self.saga.clone();
        self.json(&saga.as_str());
        self.parts.part().extend_from_slice(b",\"steps\":[");
    }

    /// Text and numbers can always be written.
    fn json(&mut self, value: &impl Serialize) {
        self.failed |= serde_json::to_writer(self.parts.part(), value).is_err();
    }

    /// Closes the answer, when all that is asked for was written.
    fn close(mut self) {
        if self.last.is_none() {
            self.begin();
        }
        self.parts.part().push(b']');
        if let Some(last) = self.last.filter(|_| self.more) {
            self.parts.part().extend_from_slice(b",\"next\":");
            self.json(&place_text(last));
        }
        self.parts.part().push(b'}');
        if !self.failed {
            self.parts.finish();
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
        StepsQuery,
    ),
    responses(
        (status = 200, body = TimelineBody<'static>, description = "Its events, in fold order: all of them, or a page when size or after is given."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, or it was purged; the message says which."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(in crate::server::api) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = StepsQuery::parse(query.as_deref())?;
    let missing = match (from_log(&context, &id, query, &caller).await, query.archive) {
        (Err(missing), true) => missing,
        (found, _) => return found,
    };
    if !context
        .purged(id.clone())
        .await?
        .is_some_and(|view| view.purged.is_gone())
    {
        return Err(missing);
    }
    let (asked, saga) = (context.clone(), id.clone());
    let write = |writing: Writing| async move { write_archived_steps(&asked, saga, writing).await };
    sent_as_read(&id, query, write).await
}

/// The steps that the log holds.
async fn from_log(
    context: &Context,
    id: &SagaId,
    query: StepsQuery,
    caller: &Caller,
) -> Result<Response, ApiError> {
    let (asked, saga, peer) = (context.clone(), id.clone(), caller.peer());
    let write = |writing: Writing| async move { asked.write_steps(saga, query.after, peer, writing).await };
    sent_as_read(id, query, write).await
}

/// The steps that are written, sent while they are.
async fn sent_as_read<W>(
    id: &SagaId,
    query: StepsQuery,
    write: impl FnOnce(Writing) -> W,
) -> Result<Response, ApiError>
where
    W: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    let (saga, what) = (id.clone(), format!("the timeline of saga {id}"));
    chunked::sent(what, |parts| write(Writing::new(parts, saga, query))).await
}

impl StepsWriter for Writing {
    fn step(&mut self, step: &TimelineStep<'_>) -> ControlFlow<()> {
        self.write(step)
    }

    fn end(self) {
        self.close();
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

    #[test]
    fn a_place_reads_back_and_nothing_else_is_one() {
        let place = TimelineKey {
            recorded_at: Millis(-5),
            position: Position::new(2, u64::MAX),
        };
        assert_eq!(place_text(place), "-5.2.18446744073709551615");
        assert_eq!(parse_place(&place_text(place)), Some(place));
        for text in ["", "1.2", "1.2.3.4", "+1.2.3", "1.02.3", "1.-2.3", "a.b.c"] {
            assert_eq!(parse_place(text), None, "{text}");
        }
    }
}
