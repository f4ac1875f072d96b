//! What makes two deliveries the same event, and digests that tell so without the deliveries.

use super::mix::mix;
use super::{Millis, SagaStatus};

/// What makes two deliveries the same event, within one saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKey<'a> {
    /// The event's own id.
    Id(&'a str),
    /// Without an id: step, status and event time (the saga is given).
    Content(&'a str, SagaStatus, Millis),
}

impl EventKey<'_> {
    /// Equal keys have equal fingerprints; different keys of one saga nearly never do. Where two agree,
    /// the keys themselves have to be compared.
    pub fn fingerprint(&self) -> u32 {
        let whole = match self {
            Self::Id(id) => mixed(1, id.as_bytes()),
            Self::Content(step, status, recorded_at) => mixed(
                mixed(2, &recorded_at.0.to_be_bytes()) ^ u64::from(status.tag()),
                step.as_bytes(),
            ),
        };
        (whole >> 32) as u32
    }

    /// Equal keys have equal digests, and nobody can make two different ones that do.
    pub fn digest(&self) -> EventDigest {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Id(id) => hasher.update(&[1]).update(id.as_bytes()),
            Self::Content(step, status, recorded_at) => hasher
                .update(&[2, status.tag()])
                .update(&recorded_at.0.to_be_bytes())
                .update(step.as_bytes()),
        };
        EventDigest::of(&hasher)
    }
}

/// Sixteen bytes that stand for an event's key, or for its body. Stored, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventDigest(pub [u8; 16]);

impl EventDigest {
    pub(super) fn of(hasher: &blake3::Hasher) -> Self {
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(bytes)
    }
}

/// Multiplies and mixes eight bytes at a time. Stored in states, so it never changes.
fn mixed(seed: u64, bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let hash = words.fold(mix(seed, bytes.len() as u64), mix);
    mix(hash, hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventRef, MetadataForm, Position, TimelineKey};
    use std::collections::HashSet;

    const DIGESTS: [&str; 2] = [
        "51f772e1c0cc5babb16d4934eb2c13b9",
        "3cbeb858c8fa6b0f7e40711f281172e3",
    ];
    const BODY: &str = "b038faf4a9325e39088d50beb2599c75";

    #[test]
    fn fingerprints_never_change() {
        // Stored states hold them: with other values a duplicate would be missed.
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

    const FIXED: [u32; 3] = [0x1120_a20c, 0xc090_712c, 0xb871_48f9];

    #[test]
    fn fingerprints_of_similar_keys_differ() {
        let ids: Vec<String> = (0..20_000)
            .map(|n| format!("0190a1b2-7c3d-7e4f-8a5b-{n:012}"))
            .collect();
        let distinct: HashSet<u32> = ids.iter().map(|id| EventKey::Id(id).fingerprint()).collect();
        assert_eq!(distinct.len(), ids.len());
        let padded = [EventKey::Id("a").fingerprint(), EventKey::Id("a\0").fingerprint()];
        assert_ne!(padded[0], padded[1]);
    }

    #[test]
    fn digests_never_change_and_tell_every_field() {
        let hex = |digest: EventDigest| {
            digest
                .0
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let keys = [
            EventKey::Id("A"),
            EventKey::Content("A", SagaStatus::Failed, Millis(1_000)),
        ];
        assert_eq!(keys.map(|key| hex(key.digest())), DIGESTS);
        let body = EventRef {
            place: TimelineKey {
                recorded_at: Millis(1_000),
                position: Position::new(0, 7),
            },
            arrived_at: Millis(0),
            event_timestamp: Millis(999),
            event_id: "e",
            saga_type: "T",
            step: "S",
            status: SagaStatus::Started,
            order_id: "o",
            metadata: None,
            metadata_form: MetadataForm::Absent,
            producer_service: None,
            trace_id: None,
        };
        assert_eq!(hex(body.body_digest()), BODY);
        let changes: [fn(&mut EventRef<'_>); 8] = [
            |body| body.place.recorded_at.0 += 1,
            |body| body.event_timestamp.0 += 1,
            |body| body.event_id = "f",
            |body| body.saga_type = "TS",
            |body| body.step = "",
            |body| body.status = SagaStatus::Failed,
            |body| body.order_id = "",
            |body| body.metadata = Some(""),
        ];
        for change in changes {
            let mut other = body;
            change(&mut other);
            assert_ne!(other.body_digest(), body.body_digest());
        }
        let mut elsewhere = body;
        elsewhere.place.position = Position::new(2, 9);
        assert_eq!(elsewhere.body_digest(), body.body_digest());
    }
}
