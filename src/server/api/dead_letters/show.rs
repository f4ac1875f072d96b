//! One dead letter: its bytes, what they come to now, and what happened to it.

use super::super::caller::Caller;
use super::super::chunked::{self, Parts};
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::text::Instant;
use super::{DeadLetterPath, LetterBody};
use crate::domain::Millis;
use crate::operations::dead_letters::{
    DeadLetterHistory, DeadLetterId, DeadLetterQuery, DeadLetterView, Examined, HistoryEntry, RedriveOutcome,
};
use axum::extract::State;
use axum::response::Response;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use std::io::BufWriter;
use utoipa::ToSchema;

/// A dead letter with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterDetails)]
pub(super) struct ShowBody<'a> {
    #[serde(flatten)]
    letter: LetterBody,
    /// Kafka's timestamp as it came.
    #[schema(required)]
    timestamp: Option<Instant>,
    /// Its key; null when it has none.
    #[schema(required)]
    key: Option<BytesBody<'a>>,
    /// Its value; null for a tombstone. Of one longer than 16 MiB the first bytes: `bytes` says how many it had.
    #[schema(required)]
    value: Option<BytesBody<'a>>,
    /// Its headers in order.
    headers: Vec<HeaderBody<'a>>,
    /// What the bytes come to under the schemas that are known now.
    decoded: DecodedBody,
    /// What happened to it, in order.
    history: Vec<HistoryEntryBody>,
}

/// Bytes of a record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RawBytes)]
struct BytesBody<'a> {
    #[serde(serialize_with = "base64")]
    #[schema(value_type = String)]
    base64: &'a [u8],
    /// The same as text, where they are UTF-8.
    #[schema(required)]
    text: Option<&'a str>,
}

/// Written as it is made, a little at a time.
fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}

impl<'a> BytesBody<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            base64: bytes,
            text: std::str::from_utf8(bytes).ok(),
        }
    }
}

/// A header of a record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordHeader)]
struct HeaderBody<'a> {
    name: &'a str,
    #[schema(required)]
    value: Option<BytesBody<'a>>,
}

/// What bytes come to under the schemas that are known now: the fields up to where decoding fails.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DecodedLetter)]
struct DecodedBody {
    /// Whether it is an event now. Redriven as it is, it would be applied.
    is_event: bool,
    /// The id in front of the body.
    #[schema(required)]
    schema_id: Option<u32>,
    /// What is wrong with it now; null when nothing is.
    #[schema(required)]
    defect: Option<DefectBody>,
    #[schema(required)]
    event_id: Option<String>,
    #[schema(required)]
    event_timestamp: Option<Instant>,
    #[schema(required)]
    saga_id: Option<String>,
    #[schema(required)]
    saga_type: Option<String>,
    #[schema(required)]
    step: Option<String>,
    #[schema(required)]
    status: Option<String>,
    #[schema(required)]
    order_id: Option<String>,
    /// The metadata's text.
    #[schema(required)]
    metadata: Option<String>,
    #[schema(required)]
    recorded_at: Option<Instant>,
}

/// What is wrong with a record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Defect)]
struct DefectBody {
    /// One of a fixed list, or `unavailable` when the schema registry does not answer.
    reason: String,
    detail: String,
    /// The byte of the Avro body at which reading failed, from 0 behind the five bytes in front of it; null when no
    /// single one is to blame.
    #[schema(required)]
    offset: Option<u64>,
}

impl DecodedBody {
    fn of(examined: &Examined) -> Self {
        let fragment = examined.fragment();
        let defect = match examined {
            Examined::Unavailable { why, .. } => Some(DefectBody {
                reason: "unavailable".to_owned(),
                detail: why.clone(),
                offset: None,
            }),
            Examined::Event { .. } | Examined::Rejected { .. } => {
                examined.defect().map(|defect| DefectBody {
                    reason: defect.reason.as_str().to_owned(),
                    detail: defect.detail.clone(),
                    offset: defect.offset,
                })
            }
        };
        let instant = |millis: Option<i64>| millis.map(|millis| Instant(Millis(millis)));
        Self {
            is_event: matches!(examined, Examined::Event { .. }),
            schema_id: examined.schema_id(),
            defect,
            event_id: fragment.event_id,
            event_timestamp: instant(fragment.event_timestamp),
            saga_id: fragment.saga_id,
            saga_type: fragment.saga_type,
            step: fragment.step,
            status: fragment.status,
            order_id: fragment.order_id,
            metadata: fragment.metadata,
            recorded_at: instant(fragment.recorded_at),
        }
    }
}

/// Something that happened to a dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LetterEpisode)]
struct HistoryEntryBody {
    at: Instant,
    what: Happening,
    /// Where its event was published again, `partition@offset` of the tracker topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    /// What became of it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    became: Option<BecameBody>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What can happen to a dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Happening {
    /// It was consumed, and stored as a dead letter.
    Arrived,
    /// It was published again, and consumed there.
    Returned,
    /// It was discarded.
    Discarded,
}

/// What became of a dead letter that was published again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CameBack)]
pub(super) struct BecameBody {
    outcome: BecameOutcome,
    /// The saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    saga_id: Option<String>,
    /// The dead letter that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    letter_id: Option<String>,
    /// Why it became one.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What can become of a dead letter that is published again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum BecameOutcome {
    /// It stands in its saga's timeline.
    Applied,
    /// An event with its id stands there already.
    Duplicate,
    /// An event with its id and another body stands there already.
    Conflict,
    /// It became a dead letter again.
    DeadLetter,
    /// It is in the log, and not folded yet.
    Waiting,
    /// It was in the log, from which its saga has been removed since.
    Removed,
}

impl From<&RedriveOutcome> for BecameBody {
    fn from(became: &RedriveOutcome) -> Self {
        let of = |outcome, saga: Option<&crate::domain::SagaId>| Self {
            outcome,
            saga_id: saga.map(|saga| saga.as_str().to_owned()),
            letter_id: None,
            reason: None,
        };
        match became {
            RedriveOutcome::Applied(saga) => of(BecameOutcome::Applied, Some(saga)),
            RedriveOutcome::Duplicate {
                saga_id,
                conflicting: false,
            } => of(BecameOutcome::Duplicate, Some(saga_id)),
            RedriveOutcome::Duplicate {
                saga_id,
                conflicting: true,
            } => of(BecameOutcome::Conflict, Some(saga_id)),
            RedriveOutcome::DeadLetter { letter, reason } => Self {
                letter_id: Some(DeadLetterId(*letter).to_string()),
                reason: Some(reason.clone()),
                ..of(BecameOutcome::DeadLetter, None)
            },
            RedriveOutcome::Waiting(saga) => of(BecameOutcome::Waiting, Some(saga)),
            RedriveOutcome::Removed(saga) => of(BecameOutcome::Removed, Some(saga)),
        }
    }
}

impl From<HistoryEntry> for HistoryEntryBody {
    fn from(entry: HistoryEntry) -> Self {
        let mut body = Self {
            at: Instant(entry.at),
            what: Happening::Arrived,
            position: None,
            became: None,
            by: None,
            reason: None,
        };
        match entry.what {
            DeadLetterHistory::Arrived => {}
            DeadLetterHistory::Returned { at, became } => {
                body.what = Happening::Returned;
                body.position = Some(at.to_string());
                body.became = Some((&became).into());
            }
            DeadLetterHistory::Discarded { by, why } => {
                body.what = Happening::Discarded;
                body.by = Some(by);
                body.reason = Some(why);
            }
        }
        body
    }
}

/// Writes the answer while it is read.
fn write(parts: Parts, view: DeadLetterView) {
    let DeadLetterView {
        listed,
        letter,
        examined,
        history,
    } = view;
    let headers = letter.headers.iter().map(|(name, value)| HeaderBody {
        name,
        value: value.as_deref().map(BytesBody::of),
    });
    let body = ShowBody {
        timestamp: letter.timestamp.map(Instant),
        key: letter.key.as_deref().map(BytesBody::of),
        value: letter.value.as_deref().map(BytesBody::of),
        headers: headers.collect(),
        decoded: DecodedBody::of(&examined),
        history: history.into_iter().map(HistoryEntryBody::from).collect(),
        letter: listed.into(),
    };
    let mut out = BufWriter::new(parts);
    // Fails only when nobody reads any more.
    if serde_json::to_writer(&mut out, &body).is_ok()
        && let Ok(parts) = out.into_inner()
    {
        parts.finish();
    }
}

/// A dead letter with all that is known of it
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/{letterId}",
    operation_id = "getDeadLetter",
    tag = "dead letters",
    params(("letterId" = String, Path, pattern = "^(dlt-)?[0-9]+-[0-9]+$", description = "`id` of a listed dead letter.")),
    responses(
        (status = 200, body = ShowBody<'static>, description = "Its bytes, what they come to now, and what happened to it."),
        (status = 400, body = ErrorBody, description = "Not the id of a dead letter."),
        (status = 404, body = ErrorBody, description = "There is no such dead letter."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    DeadLetterPath(position): DeadLetterPath,
) -> Result<Response, ApiError> {
    let what = format!("dead letter {}", DeadLetterId(position));
    let show = |parts: Parts| async move {
        let ask = move |letters: &DeadLetterQuery| letters.show(position).map(|view| write(parts, view));
        Ok(context.letter(caller.peer(), ask).await??)
    };
    chunked::sent(what, show).await
}
