//! What happened behind a cursor: read from projections and the table of dead letters.

use super::cursors::Places;
use super::event::NoticeEvent;
use super::notice::Notice;
use crate::domain::{Millis, Position, SagaStatus, StatusChange, StatusPath};
use crate::pipeline::query::{EventsRequest, Query, QueryError};
use crate::store::codec::Record;
use crate::store::dead_letters::EXTERNAL;
use crate::store::records::DeadLetterSummaryRecord;
use crate::store::{StoreError, StoreRead, Table, offsets, reads, until};

/// Notices that are found at once, at most: what a crash has told again.
const BATCH: usize = 100;

/// What lies behind a cursor.
pub(super) struct Found {
    pub(super) notices: Vec<Notice>,
    pub(super) next: Places,
    /// Whether there is more behind already.
    pub(super) more: bool,
}

/// The end of what is there now: where telling begins.
pub(super) fn end(query: &Query, topics: &[String; 2], event: NoticeEvent) -> Result<Places, QueryError> {
    if event == NoticeEvent::NewDeadLetter {
        return Ok(letters_end(&**query.store(), topics)?);
    }
    let request = EventsRequest {
        limit: 1,
        ..EventsRequest::default()
    };
    Ok(query.events_after(&request)?.next.iter().collect())
}

/// Sagas that came into FAILED by what answers show behind a cursor.
pub(super) fn failed(query: &Query, after: &Places) -> Result<Found, QueryError> {
    let found = query.events_after(&EventsRequest {
        after: Some(
            after
                .iter()
                .map(|(partition, next)| (*partition, *next))
                .collect(),
        ),
        status: Some(SagaStatus::Failed),
        limit: BATCH,
        ..EventsRequest::default()
    })?;
    let snapshot = query.store().snapshot();
    let generation = reads::active_generation(&*snapshot)?;
    let mut notices = Vec::new();
    for followed in found.events.iter().filter(|followed| !followed.duplicate) {
        let event = &followed.event;
        let Some(state) = reads::instance(&*snapshot, generation, &event.saga_id)? else {
            continue;
        };
        // One that failed already, or that this event did not bring there, has no such change.
        for (ordinal, at) in entries(&state.path(), &[SagaStatus::Failed]) {
            if at == event.recorded_at {
                notices.push(Notice::failed(query.topic(), event, (&state, ordinal)));
            }
        }
    }
    Ok(Found {
        notices,
        next: found.next.iter().collect(),
        more: found.more,
    })
}

/// The times that a saga came into one of these statuses, numbered from 1. Where only the first changes and the last
/// are kept, the last has the number of all changes.
pub(super) fn entries(path: &StatusPath, statuses: &[SagaStatus]) -> Vec<(u32, Millis)> {
    let is_one = |change: &&StatusChange| statuses.contains(&change.status);
    let kept = path.changes.kept.iter().filter(is_one);
    let mut entries: Vec<_> = (1..).zip(kept.map(|change| change.at)).collect();
    if !path.changes.is_complete() && is_one(&&path.last) {
        entries.push((path.changes.total, path.last.at));
    }
    entries
}

/// Dead letters behind a cursor.
pub(super) fn letters(query: &Query, topics: &[String; 2], after: &Places) -> Result<Found, QueryError> {
    let snapshot = query.store().snapshot();
    let (end, mut next) = (letters_end(&*snapshot, topics)?, after.clone());
    let (mut notices, mut more) = (Vec::new(), false);
    for (partition, end) in end {
        let first = next.get(&partition).copied().unwrap_or(0);
        if first >= end {
            continue;
        }
        let rows = offsets::of_partition(&*snapshot, Table::Letters, partition);
        let reached = rows.forward(first..end, |offset, value| {
            let letter = DeadLetterSummaryRecord::read(value)?;
            notices.push(Notice::letter(Position::new(partition, offset), &letter));
            Ok(until(notices.len() >= BATCH))
        })?;
        next.insert(partition, reached);
        if reached < end {
            more = true;
            break;
        }
    }
    Ok(Found { notices, next, more })
}

/// How far both topics are read: external dead letters have partitions of their own.
fn letters_end(store: &dyn StoreRead, [topic, dlt_topic]: &[String; 2]) -> Result<Places, StoreError> {
    let (own, others) = (reads::log_cut(store, topic)?, reads::log_cut(store, dlt_topic)?);
    let others = others
        .iter()
        .map(|(partition, next)| (partition | EXTERNAL, next));
    Ok(own.iter().chain(others).collect())
}
