//! One step report, as it stands in the log.

use super::{EventId, Millis, OrderId, Position, SagaId, SagaStatus, SagaType, Step, TimelineKey};

/// One event of a saga, decoded and validated, together with where and when it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it stands in the tracker topic.
    pub position: Position,
    /// Kafka's timestamp of the record, made monotone per partition: the same on every replica.
    pub arrived_at: Millis,
    /// Event time: what the fold sorts by.
    pub recorded_at: Millis,
    /// When the producer built the event.
    pub event_timestamp: Millis,
    /// Unique per event; empty when the producer gave none.
    pub event_id: EventId,
    /// The saga it reports on; never empty.
    pub saga_id: SagaId,
    /// The saga's kind.
    pub saga_type: SagaType,
    /// What happened.
    pub step: Step,
    /// What the producer says it means for the saga.
    pub status: SagaStatus,
    /// The order that the saga is about.
    pub order_id: OrderId,
    /// The metadata text, verbatim.
    pub metadata: Option<Box<str>>,
    /// Whether `metadata` is what the contract asks for.
    pub metadata_form: MetadataForm,
    /// `producerService` of the metadata.
    pub producer_service: Option<Box<str>>,
    /// `traceId` of the metadata.
    pub trace_id: Option<Box<str>>,
}

/// Whether an event's metadata could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MetadataForm {
    /// There is none.
    Absent = 0,
    /// A JSON object.
    Object = 1,
    /// Text that is not a JSON object: kept verbatim and flagged.
    Verbatim = 2,
}

impl MetadataForm {
    /// The form with that number in a record.
    pub fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Absent),
            1 => Some(Self::Object),
            2 => Some(Self::Verbatim),
            _ => None,
        }
    }
}

/// What makes two deliveries the same event, within one saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKey<'a> {
    /// The event's own id.
    Id(&'a str),
    /// Without an id: step, status and event time (the saga is given).
    Content(&'a str, SagaStatus, Millis),
}

impl EventKey<'_> {
    /// A 64-bit digest, the same on every machine: equal keys have equal fingerprints, and two
    /// different keys of one saga practically never do (when they do, the saga is folded anew
    /// from its log, and the result is still exact).
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Id(id) => digest(1, id.as_bytes()),
            Self::Content(step, status, recorded_at) => digest(
                digest(2, &recorded_at.0.to_be_bytes()) ^ u64::from(status.tag()),
                step.as_bytes(),
            ),
        }
    }
}

/// Multiplies and mixes eight bytes at a time. Stored in states, so it never changes.
fn digest(seed: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(FACTOR);
        product ^ (product >> 32)
    };
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let hash = words.fold(mix(seed, bytes.len() as u64), mix);
    mix(hash, hash >> 29)
}

impl Event {
    /// Its place in its saga's timeline.
    pub fn timeline_key(&self) -> TimelineKey {
        TimelineKey {
            recorded_at: self.recorded_at,
            position: self.position,
        }
    }

    /// What makes another delivery the same event.
    pub fn key(&self) -> EventKey<'_> {
        if self.event_id.as_str().is_empty() {
            EventKey::Content(self.step.as_str(), self.status, self.recorded_at)
        } else {
            EventKey::Id(self.event_id.as_str())
        }
    }

    /// Whether the producer sent the same thing, wherever and whenever it arrived.
    pub fn same_body(&self, other: &Event) -> bool {
        self.recorded_at == other.recorded_at
            && self.event_timestamp == other.event_timestamp
            && self.event_id == other.event_id
            && self.saga_id == other.saga_id
            && self.saga_type == other.saga_type
            && self.step == other.step
            && self.status == other.status
            && self.order_id == other.order_id
            && self.metadata == other.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn fingerprints_never_change() {
        // Stored states hold them: other values would fold every saga anew, or miss a duplicate.
        assert_eq!(EventKey::Id("").fingerprint(), FIXED[0]);
        assert_eq!(
            EventKey::Id("0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b").fingerprint(),
            FIXED[1]
        );
        assert_eq!(
            EventKey::Content("STEP", SagaStatus::Failed, Millis(1_000)).fingerprint(),
            FIXED[2]
        );
    }

    const FIXED: [u64; 3] = [
        0x1120_a20c_a3dc_c613,
        0xc090_712c_841b_d2e3,
        0xb871_48f9_10c5_c0db,
    ];

    #[test]
    fn fingerprints_of_similar_keys_differ() {
        let ids: Vec<String> = (0..20_000)
            .map(|n| format!("0190a1b2-7c3d-7e4f-8a5b-{n:012}"))
            .collect();
        let distinct: HashSet<u64> = ids.iter().map(|id| EventKey::Id(id).fingerprint()).collect();
        assert_eq!(distinct.len(), ids.len());
        let padded = [EventKey::Id("a").fingerprint(), EventKey::Id("a\0").fingerprint()];
        assert_ne!(padded[0], padded[1]);
    }
}
