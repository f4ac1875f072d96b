//! When the deliveries of one event arrived, and so how long another delivery stood in for the one that stands.

use super::projections::Changes;
use crate::domain::{EventDigest, EventKey, Millis, SagaId, TimelineKey};
use crate::store::records::StoodInRecord;
use crate::store::{ProjectionTable, contradicted, stood_in};

/// When the deliveries of an event arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    first: Millis,
    /// That of the one that stands.
    standing: Millis,
    /// What is stored of it.
    stored: Option<StoodInRecord>,
}

impl Known {
    /// Of an event that has one delivery, or whose first one stands.
    pub(super) fn first(arrived_at: Millis) -> Self {
        Self {
            first: arrived_at,
            standing: arrived_at,
            stored: None,
        }
    }

    pub(super) fn stored(record: StoodInRecord) -> Self {
        Self {
            first: record.from(),
            standing: record.until(),
            stored: Some(record),
        }
    }

    /// Takes another delivery, and whether it stands from now on.
    pub(super) fn add(&mut self, arrived_at: Millis, stands: bool) {
        self.first = self.first.min(arrived_at);
        if stands {
            self.standing = arrived_at;
        }
    }

    fn now(&self) -> Option<StoodInRecord> {
        (self.first < self.standing).then(|| StoodInRecord::of(self.first, self.standing))
    }
}

/// An event that was stored before and comes again: its key, and where the delivery lies that stands.
pub(super) type Repeat<'e> = (EventKey<'e>, TimelineKey);

/// How long others stood in for an event before and do now, and whether it was and is in conflict.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoodIn {
    event: EventDigest,
    before: (Option<StoodInRecord>, bool),
    now: (Option<StoodInRecord>, bool),
}

impl StoodIn {
    /// Of an event; `None` when nothing changed.
    pub(super) fn of(event: EventDigest, known: &Known, (was, is): (bool, bool)) -> Option<Self> {
        let (before, now) = ((known.stored, was), (known.now(), is));
        let changed = (before.0.is_some() || now.0.is_some()) && before != now;
        changed.then_some(Self { event, before, now })
    }

    /// Writes what changed.
    pub(super) fn write(&self, saga: &SagaId, changes: &mut Changes) {
        let (generation, of) = (changes.generation(), (saga, self.event));
        if self.before.0 != self.now.0 {
            stood_in::put(&mut changes.rows, generation, of, self.now.0.as_ref());
        }
        let in_conflict =
            |(record, conflicting): (Option<StoodInRecord>, bool)| record.filter(|_| conflicting);
        let (before, now) = (in_conflict(self.before), in_conflict(self.now));
        if before == now || !changes.keeps(ProjectionTable::Contradicted) {
            return;
        }
        if let Some(before) = before {
            contradicted::delete(&mut changes.rows, generation, of, &before);
        }
        if let Some(now) = now {
            contradicted::put(&mut changes.rows, generation, of, &now);
        }
    }
}
