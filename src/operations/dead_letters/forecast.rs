//! What a redrive would do to its sagas, told before anything is published.
//!
//! The event is put where it would come to lie: in the letter's partition, or the one that its key leads
//! to, behind all that is there. The fold then says what it says when the event is consumed. Letters of one redrive
//! see each other's effects, in the order in which they would be published.

use super::revise::{CannotRedrive, Revised};
use crate::domain::{Anomaly, Event, InForce, Position, SagaId, SagaState};
use crate::pipeline::projector::{Preview, Would};
use crate::store::{StoreError, StoreRead};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What will become of a letter when it is published again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PredictedOutcome {
    /// It comes to stand in its saga's timeline.
    Applied,
    /// An event with its id stands there already.
    Duplicate,
    /// An event with its id and another body stands there already.
    Conflict,
    /// It is still no event; it is not published.
    Undecodable,
    /// It would be an event that only the tracker itself publishes; it is not published.
    Reserved,
    /// It came back before; it is not published.
    AlreadyRedriven,
    /// It was discarded; it is not published.
    Discarded,
    /// Whether it is an event cannot be told now.
    Unknown,
}

impl PredictedOutcome {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "APPLIED",
            Self::Duplicate => "DUPLICATE",
            Self::Conflict => "CONFLICT",
            Self::Undecodable => "UNDECODABLE",
            Self::Reserved => "RESERVED",
            Self::AlreadyRedriven => "ALREADY_REDRIVEN",
            Self::Discarded => "DISCARDED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A saga's state, as far as a forecast tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The status.
    pub status: String,
    /// The last event's step.
    pub last_step: String,
    /// Events in the timeline.
    pub step_count: u32,
    /// What is odd about it, counted.
    pub anomaly_count: u32,
}

/// What publishing a letter again would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// What will become of it.
    pub outlook: PredictedOutcome,
    /// Why, where there is something to say.
    pub detail: Option<String>,
    /// The saga.
    pub saga_id: Option<String>,
    /// The event.
    pub event_id: Option<String>,
    /// The saga before; `None` when nothing is known of it.
    pub before: Option<Standing>,
    /// The saga after.
    pub after: Option<Standing>,
    /// The anomalies that come with it, by kind.
    pub anomalies: Vec<String>,
}

impl Forecast {
    /// A letter that is not published.
    pub fn not_published(outlook: PredictedOutcome, detail: impl Into<String>) -> Self {
        Self {
            outlook,
            detail: Some(detail.into()),
            saga_id: None,
            event_id: None,
            before: None,
            after: None,
            anomalies: Vec::new(),
        }
    }

    /// A letter that cannot be published.
    pub fn cannot_redrive(why: &CannotRedrive) -> Self {
        let outlook = match why {
            CannotRedrive::Undecodable(_) => PredictedOutcome::Undecodable,
            CannotRedrive::Reserved(_) => PredictedOutcome::Reserved,
            CannotRedrive::Unavailable(_) => PredictedOutcome::Unknown,
        };
        Self::not_published(outlook, why.to_string())
    }

    /// A dead letter whose event was redriven already.
    pub fn redriven() -> Self {
        Self::not_published(
            PredictedOutcome::AlreadyRedriven,
            "its event came back already; its history says when",
        )
    }

    /// A dead letter that was discarded.
    pub fn discarded() -> Self {
        Self::not_published(
            PredictedOutcome::Discarded,
            "it was discarded; its history says why",
        )
    }
}

impl Standing {
    fn of(state: &SagaState) -> Self {
        Self {
            status: state.status.as_str().to_owned(),
            last_step: state.last_step.as_str().to_owned(),
            step_count: state.step_count,
            anomaly_count: state.anomalies.total.saturating_add(state.conflicts.total),
        }
    }
}

/// Tells what letters would do, one after the other.
pub struct Forecaster<'f> {
    preview: Preview<'f>,
    /// Partitions of the tracker topic; 0 when nobody knows.
    partitions: u32,
    /// What the letters before would have added, by saga.
    added: HashMap<SagaId, Vec<Event>>,
    next: u64,
}

impl<'f> Forecaster<'f> {
    /// On one moment of the store.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn new(store: &'f dyn StoreRead, definitions: &InForce, partitions: u32) -> Result<Self, StoreError> {
        Ok(Self {
            preview: Preview::new(store, definitions)?,
            partitions,
            added: HashMap::new(),
            // Behind everything that was ever consumed, before nothing that matters.
            next: u64::MAX / 2,
        })
    }

    /// What this letter does, after those before it.
    ///
    /// # Errors
    /// [`StoreError`] when the saga cannot be read.
    pub fn next(&mut self, revised: &Revised) -> Result<Forecast, StoreError> {
        let mut event = revised.event.clone();
        let by_key = || partition_of(&revised.key, self.partitions);
        let partition = revised.partition.unwrap_or_else(by_key);
        event.position = Position::new(partition, self.next);
        self.next += 1;
        let saga_id = event.saga_id.clone();
        let added = self.added.entry(saga_id.clone()).or_default();
        let before = self.preview.after(&saga_id, added)?.map(|(state, _)| state);
        added.push(event.clone());
        let (after, would) = self.preview.after(&saga_id, added)?.unzip();
        let outlook = match would {
            None | Some(Would::Stand) => PredictedOutcome::Applied,
            Some(Would::Repeat) => PredictedOutcome::Duplicate,
            Some(Would::Contradict) => PredictedOutcome::Conflict,
        };
        Ok(Forecast {
            outlook,
            detail: None,
            saga_id: Some(saga_id.as_str().to_owned()),
            event_id: Some(event.event_id.as_str().to_owned()),
            anomalies: new_anomalies(before.as_ref(), after.as_ref()),
            before: before.as_ref().map(Standing::of),
            after: after.as_ref().map(Standing::of),
        })
    }
}

/// The kinds of the anomalies that the second state has and the first lacks.
fn new_anomalies(before: Option<&SagaState>, after: Option<&SagaState>) -> Vec<String> {
    let all = |state: Option<&SagaState>| -> Vec<Anomaly> {
        state.map_or_else(Vec::new, |state| {
            let kept = state.anomalies.kept.iter().chain(state.conflicts.anomalies());
            kept.cloned().collect()
        })
    };
    let mut known = all(before);
    let mut fresh = Vec::new();
    for anomaly in all(after) {
        match known.iter().position(|old| *old == anomaly) {
            Some(place) => drop(known.swap_remove(place)),
            None => fresh.push(anomaly.kind.as_str().to_owned()),
        }
    }
    fresh
}

/// The partition that producers' default partitioner (murmur2 of the key, as the Java client does it)
/// chooses.
pub(super) fn partition_of(key: &[u8], partitions: u32) -> u32 {
    if partitions == 0 {
        return 0;
    }
    (murmur2(key) & 0x7fff_ffff) % partitions
}

fn murmur2(bytes: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c ^ length;
    let mut words = bytes.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = word
            .iter()
            .rev()
            .fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        k = k.wrapping_mul(FACTOR);
        k ^= k >> 24;
        k = k.wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest
            .iter()
            .rev()
            .fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_to_the_partitions_that_the_java_client_chooses() {
        // The values of the Java client's own test.
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
        assert_eq!(partition_of(b"foobar", 0), 0);
    }
}
