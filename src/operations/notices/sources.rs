//! What happened behind a cursor, or holds now: read from projections and the table of dead letters.

use super::event::NoticeEvent;
use super::notice::Notice;
use crate::domain::{Cut, Millis, Position, SagaStatus, Stuck, StuckRule};
use crate::pipeline::query::{EventsRequest, Moment, Query, QueryError, SagaView, StuckRequest};
use crate::store::codec::Record;
use crate::store::dead_letters::EXTERNAL;
use crate::store::records::DeadLetterSummaryRecord;
use crate::store::{StoreError, StoreRead, Table, offsets, reads, until};

/// Notices that are found at once, at most: what a crash has told again.
const BATCH: usize = 100;
/// Sagas that are late by one rule and told of, at most.
const MAX_LATE: usize = 10_000;
/// Of these, so many are read at once.
const LATE_PAGE: usize = 1_000;

/// What lies behind a cursor.
pub(super) struct Found {
    pub(super) notices: Vec<Notice>,
    pub(super) next: Cut,
    /// Whether there is more behind already.
    pub(super) more: bool,
}

/// The end of what is there now: where telling begins.
pub(super) fn end(query: &Query, topics: &[String; 2], event: NoticeEvent) -> Result<Cut, QueryError> {
    if event == NoticeEvent::NewDeadLetter {
        return Ok(letters_cut(&**query.store(), topics)?);
    }
    let request = EventsRequest {
        limit: 1,
        ..EventsRequest::default()
    };
    Ok(query.events_after(&request)?.next)
}

/// Sagas that came into FAILED by what answers show behind a cursor.
pub(super) fn failed(query: &Query, after: &Cut) -> Result<Found, QueryError> {
    let found = query.events_after(&EventsRequest {
        after: Some(after.clone()),
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
        // One that failed already, or that this event did not bring there.
        let came = |to: crate::domain::StatusMove| to.at == event.recorded_at && to.to == SagaStatus::Failed;
        if state.path().moves().any(came) {
            notices.push(Notice::failed(query.topic(), event, &state));
        }
    }
    Ok(Found {
        notices,
        next: found.next,
        more: found.more,
    })
}

/// Dead letters behind a cursor.
pub(super) fn letters(query: &Query, topics: &[String; 2], after: &Cut) -> Result<Found, QueryError> {
    let snapshot = query.store().snapshot();
    let (end, mut next) = (letters_cut(&*snapshot, topics)?, after.clone());
    let (mut notices, mut more) = (Vec::new(), false);
    for (partition, end) in end.iter() {
        let first = next.next(partition);
        if first >= end {
            continue;
        }
        let rows = offsets::of_partition(&*snapshot, Table::Letters, partition);
        let reached = rows.forward(first..end, |offset, value| {
            let letter = DeadLetterSummaryRecord::read(value)?;
            notices.push(Notice::letter(Position::new(partition, offset), &letter));
            Ok(until(notices.len() >= BATCH))
        })?;
        next.set(partition, reached);
        if reached < end {
            more = true;
            break;
        }
    }
    Ok(Found { notices, next, more })
}

/// How far both topics are read: external dead letters have partitions of their own.
fn letters_cut(store: &dyn StoreRead, [topic, dlt_topic]: &[String; 2]) -> Result<Cut, StoreError> {
    let mut cut = reads::log_cut(store, topic)?;
    for (partition, next) in reads::log_cut(store, dlt_topic)?.iter() {
        cut.set(partition | EXTERNAL, next);
    }
    Ok(cut)
}

/// The sagas that are late now by a rule.
pub(super) fn late(
    query: &Query,
    rule: StuckRule,
    now: Millis,
) -> Result<Vec<(SagaView, Stuck)>, QueryError> {
    let mut late = Vec::new();
    for page in 0..(MAX_LATE / LATE_PAGE) as u64 {
        let found = query.stuck(&StuckRequest {
            moment: Moment::default(),
            now,
            saga_type: None,
            rule: Some(rule),
            from: None,
            to: None,
            page,
            size: LATE_PAGE,
        })?;
        let is_last = found.sagas.len() < LATE_PAGE;
        late.extend(found.sagas);
        if is_last {
            break;
        }
    }
    Ok(late)
}
