//! How long another delivery stood in for the one that stands, of the events that came again. What that is for is said
//! in `store::contradicted`.

use super::arriving::Arriving;
use super::projections::Changes;
use super::visible::{ROWS_AT_ONCE, Visible};
use crate::domain::{EventDigest, EventKey, Millis, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::contradicted::{self, Of};
use crate::store::records::{LogRecord, StoodInRecord};
use crate::store::{ProjectionTable, StoreError, reads};

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

    fn stored(record: StoodInRecord) -> Self {
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

    fn write(&self, saga: &SagaId, changes: &mut Changes) {
        let (generation, of) = (changes.generation(), (saga, self.event));
        if self.before.0 != self.now.0 {
            contradicted::put_stood_in(&mut changes.rows, generation, of, self.now.0.as_ref());
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

/// Writes what changed for the events of a saga.
pub(super) fn write(arriving: &Arriving<'_>, changes: &mut Changes) {
    for stood_in in arriving.stood_in() {
        stood_in.write(&arriving.saga, changes);
    }
}

/// Finds, for events that come again, when their deliveries before arrived.
pub(super) fn find(visible: Visible<'_>, all: &mut [Arriving<'_>]) -> Result<(), StoreError> {
    let mut repeats = Vec::new();
    for (number, arriving) in all.iter().enumerate() {
        repeats.extend(arriving.repeats().into_iter().map(|repeat| (number, repeat)));
    }
    for some in repeats.chunks(ROWS_AT_ONCE) {
        find_stored(visible, all, some)?;
        find_arrivals(visible, all, some)?;
    }
    Ok(())
}

fn find_stored<'e>(
    visible: Visible<'_>,
    all: &mut [Arriving<'e>],
    repeats: &[(usize, Repeat<'e>)],
) -> Result<(), StoreError> {
    let events = repeats
        .iter()
        .map(|(number, (key, _))| (&all[*number].saga, key.digest()))
        .collect::<Vec<Of<'_>>>();
    let found = contradicted::stood_in(visible.store, visible.generation, &events)?;
    for ((number, (key, _)), record) in repeats.iter().zip(found) {
        if let Some(record) = record {
            all[*number].was_known(key, Known::stored(record));
        }
    }
    Ok(())
}

/// Of an event for which no other stood in, the delivery that stands arrived first.
fn find_arrivals<'e>(
    visible: Visible<'_>,
    all: &mut [Arriving<'e>],
    repeats: &[(usize, Repeat<'e>)],
) -> Result<(), StoreError> {
    let unknown: Vec<&(usize, Repeat<'e>)> = repeats
        .iter()
        .filter(|(number, (key, _))| !all[*number].is_known(key))
        .collect();
    let places = unknown
        .iter()
        .map(|(number, (_, place))| (&all[*number].saga, *place));
    let rows = reads::log_rows(visible.store, &places.collect::<Vec<_>>())?;
    for ((number, (key, _)), row) in unknown.into_iter().zip(rows) {
        let known = Known::first(LogRecord::read(&row)?.arrived_at());
        all[*number].was_known(key, known);
    }
    Ok(())
}
