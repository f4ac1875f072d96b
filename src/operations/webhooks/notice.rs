//! A notice: what a webhook is told, as one JSON object.

use super::event::NoticeEvent;
use crate::domain::text::hex;
use crate::domain::{Event, Millis, Position, SagaState, Stuck};
use crate::operations::dead_letters::DeadLetterId;
use crate::pipeline::query::SagaView;
use crate::store::records::DeadLetterSummaryRecord;
use serde::{Serialize, Serializer};

/// Version of the shape: another one for whatever is not an addition.
const VERSION: u32 = 1;

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notice {
    version: u32,
    /// The same for the same happening: on every attempt, after restarts, from every replica.
    pub(super) id: String,
    #[serde(serialize_with = "name")]
    pub(super) event: NoticeEvent,
    /// When it happened.
    #[serde(serialize_with = "instant")]
    at: Millis,
    /// The topic that the record or the saga came from.
    topic: String,
    saga: Option<SagaNotice>,
    dead_letter: Option<LetterNotice>,
    /// When it became known here: what is told no more is told by that.
    #[serde(skip)]
    pub(super) known: Millis,
}

/// The saga, as it stands when it is told of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SagaNotice {
    saga_id: String,
    saga_type: String,
    order_id: String,
    current_status: &'static str,
    last_step: String,
    failed_step: Option<String>,
    failure_reason: Option<String>,
    trace_id: Option<String>,
    /// Of a saga that is late: the steps that would have to come now.
    awaited: Vec<String>,
}

/// The dead letter, as far as it could be decoded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LetterNotice {
    id: String,
    reason: String,
    #[serde(serialize_with = "instant")]
    arrived_at: Millis,
    event_id: Option<String>,
    saga_id: Option<String>,
    saga_type: Option<String>,
    step: Option<String>,
}

impl Notice {
    /// A saga came into FAILED by this event, for so many times. When it did is not part of the id: an earlier event
    /// that arrives later may turn out to have brought it there.
    pub(super) fn failed(topic: &str, event: &Event, (state, ordinal): (&SagaState, u32)) -> Self {
        let about = event.saga_id.as_str();
        let id = id(NoticeEvent::SagaFailed, (topic, about), &[ordinal.into()]);
        Self {
            at: event.recorded_at,
            saga: Some(SagaNotice::of(about, state)),
            ..Self::of(NoticeEvent::SagaFailed, (topic, id), event.arrived_at)
        }
    }

    /// A saga is late, for so many times, which became known then.
    pub(super) fn late(
        event: NoticeEvent,
        topic: &str,
        (saga, stuck): (&SagaView, &Stuck),
        (ordinal, known): (u32, Millis),
    ) -> Self {
        let about = saga.saga_id.as_str();
        let id = id(event, (topic, about), &[ordinal.into(), stuck.since.0]);
        let saga = SagaNotice {
            awaited: stuck.awaited.clone(),
            ..SagaNotice::of(about, &saga.state)
        };
        Self {
            at: stuck.since,
            saga: Some(saga),
            ..Self::of(event, (topic, id), known)
        }
    }

    /// A record could not be applied.
    pub(super) fn letter(position: Position, letter: &DeadLetterSummaryRecord<'_>) -> Self {
        let id = DeadLetterId(position).to_string();
        let arrived_at = Millis(letter.arrived_at);
        let text = |text: Option<&str>| text.map(str::to_owned);
        let dead_letter = LetterNotice {
            id: id.clone(),
            reason: letter.reason.to_owned(),
            arrived_at,
            event_id: text(letter.event_id),
            saga_id: text(letter.saga_id),
            saga_type: text(letter.saga_type),
            step: text(letter.step),
        };
        let id = self::id(
            NoticeEvent::NewDeadLetter,
            (letter.topic, id.as_str()),
            &[arrived_at.0],
        );
        Self {
            dead_letter: Some(dead_letter),
            ..Self::of(NoticeEvent::NewDeadLetter, (letter.topic, id), arrived_at)
        }
    }

    fn of(event: NoticeEvent, (topic, id): (&str, String), known: Millis) -> Self {
        Self {
            version: VERSION,
            id,
            event,
            at: known,
            topic: topic.to_owned(),
            saga: None,
            dead_letter: None,
            known,
        }
    }

    /// Its JSON.
    pub(super) fn body(&self) -> Vec<u8> {
        // Texts and numbers can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl SagaNotice {
    fn of(id: &str, state: &SagaState) -> Self {
        let said = |said: &Option<crate::domain::Said>| said.as_ref().map(|said| said.text.to_string());
        Self {
            saga_id: id.to_owned(),
            saga_type: state.saga_type.as_str().to_owned(),
            order_id: state.order_id.as_str().to_owned(),
            current_status: state.status.as_str(),
            last_step: state.last_step.as_str().to_owned(),
            failed_step: said(&state.failed_step),
            failure_reason: said(&state.failure_reason),
            trace_id: state.last_trace_id.as_ref().map(ToString::to_string),
            awaited: Vec::new(),
        }
    }
}

/// Stands for what happened, to what, and which time. All of it must follow from the topic and the definitions.
fn id(event: NoticeEvent, (topic, about): (&str, &str), which: &[i64]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [event.as_str(), topic, about] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    for number in which {
        hasher.update(&number.to_be_bytes());
    }
    let hash = hasher.finalize();
    format!("ntc_{}", hex(&hash.as_bytes()[..16]))
}

fn name<S: Serializer>(event: &NoticeEvent, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(event.as_str())
}

fn instant<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}
