//! Reads what the log received between two cuts, from the feed: for catching up after a restart and
//! at the end of a rebuild.

use crate::domain::{Cut, Event, Millis, Position, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::records::FeedRecord;
use crate::store::{StoreError, StoreRead, Table, offsets, reads, until};

/// Rows of the log that are read at once: each may hold a mebibyte of metadata.
const ROWS_AT_ONCE: usize = 32;

/// Reads the next events behind `from`, at most about `limit` and about so many bytes of memory, not
/// beyond `to`, and returns them with the cut that they lead to. The cut equals `to` when there are no
/// more.
pub(super) fn next_events(
    store: &dyn StoreRead,
    from: &Cut,
    to: &Cut,
    (limit, bytes): (usize, usize),
) -> Result<(Vec<Event>, Cut), StoreError> {
    let mut places: Vec<(SagaId, TimelineKey)> = Vec::new();
    let mut reached = from.clone();
    for (partition, end) in to.iter() {
        let room = limit.saturating_sub(places.len());
        if room == 0 {
            break;
        }
        let next = read_partition(store, partition, from.next(partition), end, room, &mut places)?;
        reached.set(partition, next.max(from.next(partition)));
    }
    let events = read_events(store, &places, bytes)?;
    // What was not read is not reached.
    for (_, place) in places[events.len()..].iter().rev() {
        reached.set(place.position.partition, place.position.offset);
    }
    Ok((events, reached))
}

/// Collects the log keys of one partition's offsets in `next..end`; returns the offset reached.
fn read_partition(
    store: &dyn StoreRead,
    partition: u32,
    mut next: u64,
    end: u64,
    room: usize,
    places: &mut Vec<(SagaId, TimelineKey)>,
) -> Result<u64, StoreError> {
    let full = places.len() + room;
    let rows = offsets::of_partition(store, Table::Feed, partition);
    while next < end && places.len() < full {
        // A gap is passed in one step: it may be longer than anybody could look through.
        let mut behind_gap = 0;
        let reached = rows.forward(next..end, |offset, value| {
            match FeedRecord::read(value)? {
                FeedRecord::Logged { saga_id, recorded_at } => {
                    let place = TimelineKey {
                        recorded_at: Millis(recorded_at),
                        position: Position::new(partition, offset),
                    };
                    places.push((saga_id.into(), place));
                }
                FeedRecord::DeadLetter | FeedRecord::Purged { .. } => {}
                FeedRecord::Gap { next } => behind_gap = next,
            }
            let stops = places.len() >= full || behind_gap > 0;
            Ok(until(stops))
        })?;
        next = reached.max(behind_gap);
    }
    Ok(next)
}

/// The events in these places, until they take so many bytes of memory.
fn read_events(
    store: &dyn StoreRead,
    places: &[(SagaId, TimelineKey)],
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let (mut events, mut bytes) = (Vec::with_capacity(places.len()), 0);
    for some in places.chunks(ROWS_AT_ONCE) {
        if bytes >= limit {
            break;
        }
        for event in read_some(store, some)? {
            bytes += event.weight();
            events.push(event);
        }
    }
    Ok(events)
}

fn read_some(store: &dyn StoreRead, places: &[(SagaId, TimelineKey)]) -> Result<Vec<Event>, StoreError> {
    let deliveries: Vec<_> = places.iter().map(|(saga, at)| (saga, *at)).collect();
    let rows = reads::log_rows(store, &deliveries)?.into_iter();
    rows.zip(places)
        .map(|(row, (saga, at))| reads::event(saga, *at, &row))
        .collect()
}
