//! The events behind a cut of the topic, in the order of their partitions' offsets: what somebody who follows them has not
//! seen. Bounded: of what lies behind, so much is looked through, and where that ended is told.

use super::effective::Effective;
use super::trees::Trees;
use super::{Basis, QueryError, search};
use crate::domain::{Cut, Event, InForce, Millis, Position, SagaId, SagaStatus, SagaType, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::FeedRecord;
use crate::store::{Key, Store, StoreError, Table, keys, offsets, reads, timelines, until};

/// Offsets that are looked through for one answer, at most.
const MAX_LOOKED_THROUGH: usize = if cfg!(test) { 12 } else { 20_000 };

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
    /// The event.
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
    /// The events, by when they arrived.
    pub events: Vec<FollowedEvent>,
    /// Leads to what lies behind.
    pub next: Cut,
    /// Whether there is more behind already.
    pub more: bool,
    /// What they were read from.
    pub basis: Basis,
}

impl EventsRequest {
    fn wants(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        self.saga_type
            .as_ref()
            .is_none_or(|wanted| *wanted == event.saga_type)
            && self.status.is_none_or(|wanted| wanted == event.status)
            && is(&self.step, Some(event.step.as_str()))
            && is(&self.service, event.producer_service.as_deref())
    }
}

pub(super) fn events_after(
    store: &dyn Store,
    in_force: &InForce,
    request: &EventsRequest,
) -> Result<EventsAfter, QueryError> {
    let snapshot = store.snapshot();
    let trees = Trees {
        store: &*snapshot,
        generation: reads::active_generation(&*snapshot)?,
    };
    let (cursor, rules) = search::basis(trees, in_force)?;
    let mut found = EventsAfter {
        events: Vec::new(),
        next: request.after.clone().unwrap_or_else(|| cursor.clone()),
        more: false,
        basis: Basis::of(cursor.clone(), &rules),
    };
    // Each partition has its share, so that one that has much keeps no other back.
    let partitions = cursor.iter().count().max(1);
    let share = |all: usize| (all / partitions).max(1);
    let mut meant = Effective::new(trees, &rules, &cursor);
    for (partition, end) in cursor.iter() {
        let (first, mut looked, mut taken) = (found.next.next(partition), 0, 0);
        if first >= end {
            continue;
        }
        let rows = offsets::of_partition(trees.store, Table::Feed, partition);
        let next = rows.forward(first..end, |offset, value| {
            looked += 1;
            let position = Position::new(partition, offset);
            if let Some(event) = logged(trees, request, position, value)? {
                let place = event.timeline_key();
                let duplicate =
                    timelines::is_duplicate(trees.store, trees.generation, &event.saga_id, place)?;
                let (effective, refused) = meant.of(&event, !duplicate)?;
                found.events.push(FollowedEvent {
                    event,
                    effective,
                    duplicate,
                    refused,
                });
                taken += 1;
            }
            Ok(until(
                taken >= share(request.limit) || looked >= share(MAX_LOOKED_THROUGH),
            ))
        })?;
        found.next.set(partition, next);
        found.more |= next < end;
    }
    found
        .events
        .sort_by_key(|of| (of.event.arrived_at, of.event.position));
    Ok(found)
}

/// The event of an offset, when it is in the log and wanted.
fn logged(
    trees: Trees<'_>,
    request: &EventsRequest,
    position: Position,
    value: &[u8],
) -> Result<Option<Event>, StoreError> {
    let FeedRecord::Logged { saga_id, recorded_at } = FeedRecord::read(value)? else {
        return Ok(None);
    };
    if request
        .saga
        .as_ref()
        .is_some_and(|wanted| wanted.as_str() != saga_id)
    {
        return Ok(None);
    }
    let (saga, place) = (
        SagaId::new(saga_id),
        TimelineKey {
            recorded_at: Millis(recorded_at),
            position,
        },
    );
    let mut key = Key::default();
    keys::log(&mut key, &saga, place);
    // One that is being removed may be gone from the log already.
    let Some(row) = trees.store.get(Table::Log, &key)? else {
        return Ok(None);
    };
    let event = reads::event(&saga, place, &row)?;
    Ok(request.wants(&event).then_some(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SagaDefinitions;
    use crate::pipeline::query::Query;
    use crate::testkit::{event_at, project, store};
    use SagaStatus::{Completed, Started};
    use std::sync::Arc;

    fn events(count: u64) -> Vec<Event> {
        let one = |n: u64| {
            let (step, status) = if n % 2 == 0 {
                ("CREATED", Started)
            } else {
                ("PAID", Completed)
            };
            let mut event = event_at(&format!("s{}", n / 2), n, step, status);
            event.producer_service = Some(format!("service-{}", n % 3).into());
            event
        };
        (0..count).map(one).collect()
    }

    fn query(events: &[Event]) -> Query {
        let store = store();
        project(&store, events, &[13], 1);
        Query::new(store, Arc::new(SagaDefinitions::default()))
    }

    fn from_start(limit: usize) -> EventsRequest {
        EventsRequest {
            after: Some(Cut::default()),
            limit,
            ..EventsRequest::default()
        }
    }

    #[test]
    fn who_follows_sees_every_event_once() {
        let query = query(&events(30));
        let (mut request, mut seen) = (from_start(4), Vec::new());
        loop {
            let found = query.events_after(&request).unwrap();
            seen.extend(found.events.iter().map(|of| of.event.position.offset));
            request.after = Some(found.next);
            if !found.more {
                break;
            }
        }
        assert_eq!(seen, (0..30).collect::<Vec<_>>());
        let now = query
            .events_after(&EventsRequest {
                limit: 4,
                ..EventsRequest::default()
            })
            .unwrap();
        assert_eq!((now.events.len(), now.next.next(0), now.more), (0, 30, false));
    }

    #[test]
    fn what_is_not_wanted_is_passed_over_and_so_much_at_a_time() {
        let query = query(&events(30));
        let request = EventsRequest {
            step: Some("PAID".to_owned()),
            status: Some(Completed),
            service: Some("service-1".to_owned()),
            ..from_start(100)
        };
        let found = query.events_after(&request).unwrap();
        let offsets: Vec<u64> = found.events.iter().map(|of| of.event.position.offset).collect();
        assert_eq!((offsets, found.next.next(0), found.more), (vec![1, 7], 12, true));
        assert!(
            found
                .events
                .iter()
                .all(|of| of.effective == SagaStatus::InProgress)
        );
        let of_saga = EventsRequest {
            saga: Some("s3".into()),
            ..from_start(100)
        };
        assert_eq!(query.events_after(&of_saga).unwrap().events.len(), 2);
    }
    #[test]
    fn an_event_means_what_the_type_of_its_saga_says() {
        let mut events = vec![
            event_at("s", 0, "ASKED", Started),
            event_at("s", 1, "PAID", Completed),
        ];
        // The producer of the second names another type than the saga has: one in which this step completes nothing.
        events[0].saga_type = "WITHOUT_DEFINITION".into();
        let found = query(&events).events_after(&from_start(10)).unwrap();
        let told: Vec<_> = found.events.iter().map(|of| of.effective).collect();
        assert_eq!(told, [Started, Completed]);
    }

    #[test]
    fn an_operators_change_that_was_refused_is_told() {
        let change = |offset: u64, expected: &str| {
            let mut event = event_at("s", offset, crate::domain::OPERATOR_STATUS_CHANGE, Completed);
            event.metadata = Some(format!("{{\"expectedStatus\":\"{expected}\"}}").into());
            event
        };
        let mut events = vec![event_at("s", 0, "ASKED", Started)];
        events.push(change(1, "FAILED"));
        events.push(change(2, "STARTED"));
        let found = query(&events).events_after(&from_start(10)).unwrap();
        let told: Vec<_> = found.events.iter().map(|of| of.refused).collect();
        assert_eq!(told, [false, true, false]);
    }
}
