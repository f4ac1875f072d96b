//! The events behind a cut of the topic, in the order of their partitions' offsets: what somebody who follows them has not
//! seen. Bounded: of what lies behind, so much is looked through, and where that ended is told.

use super::effective::Effective;
use super::trees::Trees;
use super::{Basis, QueryError, search};
use crate::domain::{
    Cut, Event, EventRef, InForce, Millis, Position, SagaId, SagaStatus, SagaType, TimelineKey,
};
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, LogRecord};
use crate::store::{Key, Store, StoreError, Table, keys, offsets, reads, timelines, until};
use std::sync::Arc;

/// Offsets that are looked through for one answer, at most.
const MAX_LOOKED_THROUGH: usize = if cfg!(test) { 12 } else { 20_000 };
/// Bytes of the log that are read for one answer, at most, but for the last row.
const MAX_BYTES: usize = if cfg!(test) { 64 << 10 } else { 32 << 20 };

/// Which events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventsRequest {
    /// Behind this cut; `None`: behind all that there is now.
    pub after: Option<Cut>,
    /// Of this saga.
    pub saga: Option<SagaId>,
    /// Of sagas of this type, as the event says.
    pub saga_type: Option<SagaType>,
    /// Of this step.
    pub step: Option<String>,
    /// With this status, as the producer said it.
    pub status: Option<SagaStatus>,
    /// Reported by this service.
    pub service: Option<String>,
    /// So many at most.
    pub limit: usize,
}

/// An event that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowedEvent {
    /// The event, without its metadata.
    pub event: Event,
    /// What its status means for its saga.
    pub effective: SagaStatus,
    /// Whether it is a delivery that does not stand.
    pub duplicate: bool,
    /// Whether it is an operator's change that was refused when it was applied.
    pub refused: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsAfter {
    /// The events, by when they arrived. Those who follow at the same time share them.
    pub events: Vec<Arc<FollowedEvent>>,
    /// Leads to what lies behind.
    pub next: Cut,
    /// Whether there is more behind already.
    pub more: bool,
    /// What they were read from.
    pub basis: Basis,
}

impl EventsAfter {
    /// Whether there is something to tell, or to look at next.
    pub fn is_news(&self) -> bool {
        !self.events.is_empty() || self.more
    }
}

impl EventsRequest {
    fn wants_saga(&self, saga_id: &str) -> bool {
        self.saga.as_ref().is_none_or(|wanted| wanted.as_str() == saga_id)
    }

    fn wants(&self, saga_id: &str, event: &EventRef<'_>) -> bool {
        let is =
            |wanted: Option<&str>, found: Option<&str>| wanted.is_none_or(|wanted| Some(wanted) == found);
        self.wants_saga(saga_id)
            && is(
                self.saga_type.as_ref().map(SagaType::as_str),
                Some(event.saga_type),
            )
            && self.status.is_none_or(|wanted| wanted == event.status)
            && is(self.step.as_deref(), Some(event.step))
            && is(self.service.as_deref(), event.producer_service)
    }
}

/// Answers several who follow from one reading: each as it would be alone, but that they share the bounds.
pub(super) fn events_after(
    store: &dyn Store,
    in_force: &InForce,
    requests: &[EventsRequest],
) -> Result<Vec<EventsAfter>, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let (cursor, rules) = search::basis(trees, in_force)?;
    let reading = Reading { trees };
    let mut meant = Effective::new(trees, &rules, &cursor);
    let basis = Basis::of(cursor.clone(), &rules);
    let mut followers: Vec<Follower<'_>> = requests
        .iter()
        .map(|request| Follower::of(request, &cursor, &basis))
        .collect();
    let partitions = in_turn(&cursor, &followers);
    let mut left = Bounds {
        rows: MAX_LOOKED_THROUGH,
        bytes: MAX_BYTES,
    };
    for (before, (partition, end)) in partitions.iter().enumerate() {
        // Each partition has its share, so that one that has much keeps no other back.
        let sharing = partitions.len() - before;
        for follower in &mut followers {
            follower.begin(sharing);
        }
        if !left.are_reached() {
            let within = left.share(sharing);
            let used = reading.partition((*partition, *end), &mut followers, &mut meant, within)?;
            left = left.without(used);
        }
        for follower in &mut followers {
            follower.found.more |= follower.found.next.next(*partition) < *end;
        }
    }
    Ok(followers.into_iter().map(Follower::answer).collect())
}

/// The partitions in which somebody is behind, and where each ends; another one first from answer to answer.
fn in_turn(cursor: &Cut, followers: &[Follower<'_>]) -> Vec<(u32, u64)> {
    let is_behind = |partition: u32, end: u64| {
        let mut places = followers
            .iter()
            .map(|follower| follower.found.next.next(partition));
        places.any(|next| next < end)
    };
    let behind = cursor
        .iter()
        .filter(|(partition, end)| is_behind(*partition, *end));
    let mut partitions: Vec<(u32, u64)> = behind.collect();
    if let Some(follower) = followers.first()
        && !partitions.is_empty()
    {
        let reached = follower.found.next.iter();
        let sum = reached.fold(0_u64, |sum, (_, next)| sum.wrapping_add(next));
        let turn = usize::try_from(sum % partitions.len() as u64).unwrap_or(0);
        partitions.rotate_left(turn);
    }
    partitions
}

/// What may be looked through.
#[derive(Clone, Copy)]
struct Bounds {
    rows: usize,
    bytes: usize,
}

impl Bounds {
    fn are_reached(self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    /// The part of one among so many.
    fn share(self, sharing: usize) -> Self {
        Self {
            rows: (self.rows / sharing).max(1),
            bytes: (self.bytes / sharing).max(1),
        }
    }

    fn without(self, used: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(used.rows),
            bytes: self.bytes.saturating_sub(used.bytes),
        }
    }
}

/// One who follows, while a partition is read.
struct Follower<'r> {
    request: &'r EventsRequest,
    found: EventsAfter,
    /// So many more of this partition.
    room: usize,
}

impl<'r> Follower<'r> {
    fn of(request: &'r EventsRequest, end: &Cut, basis: &Basis) -> Self {
        let found = EventsAfter {
            events: Vec::new(),
            next: request.after.clone().unwrap_or_else(|| end.clone()),
            more: false,
            basis: basis.clone(),
        };
        Self {
            request,
            found,
            room: 0,
        }
    }

    /// Has room for its share of the events that are left.
    fn begin(&mut self, sharing: usize) {
        let left = self.request.limit.saturating_sub(self.found.events.len());
        self.room = left.div_ceil(sharing);
    }

    /// Whether it has room for what lies before that offset.
    fn is_behind(&self, partition: u32, end: u64) -> bool {
        self.room > 0 && self.found.next.next(partition) < end
    }

    /// Whether it is to be told what lies at that position.
    fn awaits(&self, at: Position) -> bool {
        self.room > 0 && self.found.next.next(at.partition) <= at.offset
    }

    fn take(&mut self, event: Arc<FollowedEvent>) {
        let at = event.event.position;
        self.found.events.push(event);
        self.room -= 1;
        if self.room == 0 {
            self.found.next.set(at.partition, at.offset + 1);
        }
    }

    /// All before that offset were looked at.
    fn reach(&mut self, partition: u32, offset: u64) {
        if self.room > 0 && self.found.next.next(partition) < offset {
            self.found.next.set(partition, offset);
        }
    }

    fn answer(mut self) -> EventsAfter {
        self.found
            .events
            .sort_by_key(|of| (of.event.arrived_at, of.event.position));
        self.found
    }
}

/// What events are read from.
#[derive(Clone, Copy)]
struct Reading<'t> {
    trees: Trees<'t>,
}

impl Reading<'_> {
    /// Reads on in a partition, for all of them. Returns what of the bounds that took.
    fn partition(
        self,
        (partition, end): (u32, u64),
        followers: &mut [Follower<'_>],
        meant: &mut Effective<'_>,
        bounds: Bounds,
    ) -> Result<Bounds, StoreError> {
        let mut used = Bounds { rows: 0, bytes: 0 };
        let behind = followers
            .iter()
            .filter(|follower| follower.is_behind(partition, end));
        let places = behind.map(|follower| follower.found.next.next(partition));
        let Some(first) = places.min() else {
            return Ok(used);
        };
        let rows = offsets::of_partition(self.trees.store, Table::Feed, partition);
        let next = rows.forward(first..end, |offset, value| {
            used.rows += 1;
            used.bytes += self.row(Position::new(partition, offset), value, followers, meant)?;
            let all_have_enough = followers
                .iter()
                .all(|follower| !follower.is_behind(partition, end));
            Ok(until(
                all_have_enough || used.rows >= bounds.rows || used.bytes >= bounds.bytes,
            ))
        })?;
        for follower in followers {
            follower.reach(partition, next);
        }
        Ok(used)
    }

    /// Gives the event of an offset, when it is in the log, to those who want it. Returns its bytes.
    fn row(
        self,
        position: Position,
        value: &[u8],
        followers: &mut [Follower<'_>],
        meant: &mut Effective<'_>,
    ) -> Result<usize, StoreError> {
        let FeedRecord::Logged { saga_id, recorded_at } = FeedRecord::read(value)? else {
            return Ok(0);
        };
        let is_awaited =
            |follower: &Follower<'_>| follower.awaits(position) && follower.request.wants_saga(saga_id);
        if !followers.iter().any(is_awaited) {
            return Ok(0);
        }
        let place = TimelineKey {
            recorded_at: Millis(recorded_at),
            position,
        };
        let saga = SagaId::new(saga_id);
        let mut key = Key::default();
        keys::log(&mut key, &saga, place);
        // One that is being removed may be gone from the log already.
        let Some(row) = self.trees.store.get(Table::Log, &key)? else {
            return Ok(0);
        };
        let view = LogRecord::read(&row)?.view(place)?;
        let mut event = None;
        for follower in followers {
            if follower.awaits(position) && follower.request.wants(saga_id, &view) {
                let event = match &event {
                    Some(event) => Arc::clone(event),
                    None => Arc::clone(event.insert(Arc::new(self.followed(&saga, &view, meant)?))),
                };
                follower.take(event);
            }
        }
        Ok(row.len())
    }

    fn followed(
        self,
        saga: &SagaId,
        view: &EventRef<'_>,
        meant: &mut Effective<'_>,
    ) -> Result<FollowedEvent, StoreError> {
        let mut event = view.to_event(saga);
        let duplicate = timelines::is_duplicate(self.trees.store, self.trees.generation, saga, view.place)?;
        let (effective, refused) = meant.of(&event, !duplicate)?;
        // Nobody is shown it, and a thousand of them would be a gigabyte.
        event.metadata = None;
        Ok(FollowedEvent {
            event,
            effective,
            duplicate,
            refused,
        })
    }
}

#[cfg(test)]
mod tests;
