//! Decisions after they are stored.

use super::decision::{Decision, Parsed, parse};
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::offsets::OffsetRows;
use crate::store::records::{DecisionOutcome, DecisionRecord};
use crate::store::{Key, StoreError, StoreRead, Table, keys, until};

/// A message of the ops topic, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its offset.
    pub offset: u64,
    /// Kafka's timestamp, made monotone.
    pub arrived_at: Millis,
    /// What became of it.
    pub outcome: DecisionOutcome,
    /// The kind, if this tracker knows it; empty otherwise.
    pub kind: String,
    /// What became of it, in words.
    pub detail: String,
    /// The decision, unless the message holds no decision that this version reads.
    pub decision: Option<Decision>,
}

impl Recorded {
    fn of(offset: u64, record: &DecisionRecord<'_>) -> Result<Self, StoreError> {
        let outcome = DecisionOutcome::from_tag(record.outcome)
            .ok_or_else(|| StoreError::Corrupt(format!("decisions: outcome {}", record.outcome)))?;
        let decision = match parse(Some(record.message)) {
            Parsed::Decision(decision) => Some(decision),
            Parsed::Later { .. } | Parsed::Malformed(_) => None,
        };
        Ok(Self {
            offset,
            arrived_at: Millis(record.arrived_at),
            outcome,
            kind: record.kind.to_owned(),
            detail: record.detail.to_owned(),
            decision,
        })
    }
}

/// The decisions in `from..to`, in order, at most `limit`, and the offset that all before it are read.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn decisions_from(
    store: &dyn StoreRead,
    from: u64,
    to: u64,
    limit: usize,
) -> Result<(Vec<Recorded>, u64), StoreError> {
    let rows = OffsetRows {
        store,
        table: Table::Decisions,
        key: keys::decision,
    };
    let mut found = Vec::new();
    let next = rows.forward(from..to, |offset, value| {
        found.push(Recorded::of(offset, &DecisionRecord::read(value)?)?);
        Ok(until(found.len() >= limit))
    })?;
    Ok((found, next))
}

/// The decision at that offset.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub(super) fn decision_at(store: &dyn StoreRead, offset: u64) -> Result<Option<Recorded>, StoreError> {
    let mut key = Key::default();
    keys::decision(&mut key, offset);
    store
        .get(Table::Decisions, &key)?
        .map(|value| Recorded::of(offset, &DecisionRecord::read(&value)?))
        .transpose()
}
