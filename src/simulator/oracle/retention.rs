//! What a tracker would keep that has read everything, by a right clock.

use super::super::registry;
use super::super::world::{DAY, HOUR, World};
use super::fold::expected;
use crate::domain::{Cut, Event, Position, SagaDefinitions, SagaId};

/// Days that a saga is kept that is over, and one that is not; hours after anything of it arrived.
pub(crate) const KEPT: (u64, u64, u64) = (2, 6, 24);

/// Why the saga stays, if it does. What nobody told this replica of, it need not know: a record
/// behind the ends in `told` counts only where it has been read. Nor does what expired or was compacted
/// unread: nobody can have it any more; nor what is a letter to this replica which the decision leaves alone.
pub(crate) fn keeps(
    world: &World,
    saga: &SagaId,
    (cut, told): (&Cut, &Cut),
    (has_read, is_left_alone): (impl Fn(Position) -> bool, impl Fn(Position) -> bool),
) -> Option<String> {
    let history = world.history();
    let hidden = world.tracker().hidden.clone();
    let is_there = |at: Position| {
        let topic = world.tracker();
        let partition = topic.partitions.get(at.partition as usize);
        partition.is_some_and(|partition| partition.records.contains_key(&at.offset))
    };
    let is_lost = |at: Position| cut.contains(at) && !has_read(at) && !is_there(at);
    // Producers' clocks may be a little ahead; whoever goes by what they say is right.
    let told_time = history.iter().filter(|record| told.contains(record.position));
    let believable = told_time
        .map(|record| record.timestamp.0)
        .filter(|at| *at < world.now().0 + DAY);
    let now = believable.max().unwrap_or(0).max(world.now().0);
    let is_wild = |event: &&Event| event.arrived_at.0 > now;
    let events: Vec<Event> = history
        .iter()
        .filter(|record| cut.contains(record.position) || told.contains(record.position))
        .filter(|record| !hidden.contains(&record.position) && !is_lost(record.position))
        .filter(|record| !is_left_alone(record.position))
        .filter_map(|record| registry::read(record, record.timestamp).ok())
        .filter(|event| event.saga_id == *saga)
        .collect();
    let known = expected(&events, &SagaDefinitions::default())?;
    let over = ["COMPLETED", "FAILED", "COMPENSATED"].contains(&known.status.as_str());
    let days = i64::try_from(if over { KEPT.0 } else { KEPT.1 }).unwrap();
    let unread = events
        .iter()
        .filter(|event| !cut.contains(event.position))
        .count();
    if known.updated_at > now - days * DAY {
        let age = (now - known.updated_at) / HOUR;
        return Some(format!(
            "its last event is {age} hours old, it is {}, and {unread} of its events are not read here",
            known.status
        ));
    }
    let told_right = events.iter().filter(|event| !is_wild(event));
    let arrived = told_right.map(|event| event.arrived_at.0).max()?;
    let quiet = i64::try_from(KEPT.2).unwrap() * HOUR;
    (arrived + quiet > now).then(|| {
        let age = (now - arrived) / HOUR;
        format!("its last event arrived {age} hours ago, and {unread} of its events are not read here")
    })
}
