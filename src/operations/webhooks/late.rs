//! Sagas that are late: which of them are, of which a webhook was told, and which are late no more.
//!
//! Nothing happens when a saga becomes late, so there is no cursor: each round looks at all, and a row for each saga
//! says what was done about it.

use super::cursors::{LateRows, Places};
use super::event::NoticeEvent;
use super::notice::Notice;
use super::sender::{RoundError, Sender};
use super::sources::entries;
use super::transport::Transport;
use crate::domain::{Millis, SagaId, SagaStatus, SagaType, Stuck, StuckRule};
use crate::failpoint;
use crate::pipeline::query::{Moment, Query, QueryError, SagaView, StuckRequest};
use crate::store::records::LateNoticeRecord;
use std::collections::BTreeSet;

/// Sagas that are late by one rule and looked at, at most: those that became so last, of each type the same share.
pub(super) const MAX_LATE: usize = if cfg!(test) { 12 } else { 10_000 };

/// A saga that is late.
struct Late {
    saga: SagaView,
    stuck: Stuck,
    /// How often it had ended by then: tells one time that it is late from the next.
    ordinal: u32,
}

/// The sagas of one type that are late by a rule.
struct OfType {
    /// Those that became so last, in that order.
    sagas: Vec<Late>,
    /// Whether there are more.
    more: bool,
}

impl Late {
    fn notice(&self, event: NoticeEvent, topic: &str, row: LateNoticeRecord) -> Notice {
        let known = Millis(row.first_seen);
        Notice::late(event, topic, (&self.saga, &self.stuck), (self.ordinal, known))
    }

    fn of((saga, stuck): (SagaView, Stuck)) -> Self {
        const ENDED: [SagaStatus; 3] = [SagaStatus::Completed, SagaStatus::Failed, SagaStatus::Compensated];
        let ended = entries(&saga.state.path(), &ENDED);
        let ordinal = ended.last().map_or(0, |(number, _)| *number);
        Self { saga, stuck, ordinal }
    }
}

/// The sagas that are late at an instant by a rule, type by type.
fn late(query: &Query, rule: StuckRule, at: Millis) -> Result<Vec<OfType>, QueryError> {
    let definitions = query.definitions();
    let share = (MAX_LATE / definitions.types.len().max(1)).max(1);
    let of_type = |name: &String| -> Result<OfType, QueryError> {
        let found = query.stuck(&StuckRequest {
            moment: Moment::default(),
            now: at,
            saga_type: Some(SagaType::new(name)),
            rule: Some(rule),
            from: None,
            to: None,
            page: 0,
            size: share,
            newest_first: true,
        })?;
        Ok(OfType {
            more: found.total > found.sagas.len() as u64,
            sagas: found.sagas.into_iter().rev().map(Late::of).collect(),
        })
    };
    definitions.types.keys().map(of_type).collect()
}

/// One saga, if it is late at an instant by a rule.
fn late_saga(query: &Query, rule: StuckRule, (saga, at): (&str, Millis)) -> Result<Option<Late>, QueryError> {
    let found = query.judged_saga(&SagaId::from(saga), at)?;
    let late = found.and_then(|(saga, judgement)| Some((saga, judgement.stuck?)));
    Ok(late.filter(|(_, stuck)| stuck.rule == rule).map(Late::of))
}

/// What became of sagas that were late.
#[derive(Default)]
struct LeftOut {
    /// They are late, and that was not told yet.
    waiting: Vec<Late>,
    /// They are late no more.
    recovered: Vec<String>,
}

impl<T: Transport> Sender<T> {
    /// Tells who was late at an instant and was not told of. Who is late no more is forgotten, and told of when it is
    /// late again.
    pub(super) fn tell_late(
        &mut self,
        event: NoticeEvent,
        rule: StuckRule,
        at: Millis,
    ) -> Result<(), RoundError> {
        let query = &self.parts.query.clone();
        let mut rows = self.cursors.late(event)?;
        let found = late(query, rule, at)?;
        self.warn_of_more(event, &found, &rows);
        let mut late: Vec<Late> = found.into_iter().flat_map(|found| found.sagas).collect();
        let left_out = left_out(query, (rule, at), &rows, &late)?;
        late.extend(left_out.waiting);
        self.cursors.forget_late(event, &left_out.recovered)?;
        self.note_new(event, &mut rows, &late)?;
        for late in &late {
            let saga = late.saga.saga_id.as_str();
            let Some(row) = rows.get(saga).filter(|row| !row.settled) else {
                continue;
            };
            self.tell(&late.notice(event, query.topic(), *row))?;
            failpoint::pass("webhooks.before_told");
            let settled = LateNoticeRecord {
                settled: true,
                ..*row
            };
            self.cursors.put_late(event, [(saga, settled)])?;
        }
        Ok(())
    }

    /// When of those that became late last none was known, others may be new as well.
    fn warn_of_more(&self, event: NoticeEvent, found: &[OfType], rows: &LateRows) {
        let is_new = |late: &Late| !rows.contains_key(late.saga.saga_id.as_str());
        if found
            .iter()
            .any(|found| found.more && found.sagas.iter().all(is_new))
        {
            tracing::warn!(
                webhook = self.webhook.shown,
                event = event.as_str(),
                "more sagas became late than are told of at once; those that did first are not"
            );
        }
    }

    /// Notes who is late for the first time, or once more. What is late when telling begins counts as seen when it
    /// became so.
    fn note_new(&self, event: NoticeEvent, rows: &mut LateRows, late: &[Late]) -> Result<(), RoundError> {
        let now = self.parts.clock.now();
        let has_begun = self.cursors.progress(event)?.is_some();
        let mut new = Vec::new();
        for late in late {
            let saga = late.saga.saga_id.as_str();
            if rows.get(saga).is_none_or(|row| row.ordinal != late.ordinal) {
                let first_seen = if has_begun { now } else { late.stuck.since };
                let row = LateNoticeRecord {
                    first_seen: first_seen.0,
                    ordinal: late.ordinal,
                    settled: false,
                };
                rows.insert(saga.to_owned(), row);
                new.push((saga, row));
            }
        }
        self.cursors.put_late(event, new)?;
        if !has_begun {
            self.cursors.begin(event, now, &Places::new())?;
        }
        Ok(())
    }
}

/// What became of the sagas of rows that are not among those that were found: only their states tell.
fn left_out(
    query: &Query,
    (rule, at): (StuckRule, Millis),
    rows: &LateRows,
    found: &[Late],
) -> Result<LeftOut, QueryError> {
    let found: BTreeSet<&str> = found.iter().map(|late| late.saga.saga_id.as_str()).collect();
    let mut left_out = LeftOut::default();
    for (saga, row) in rows.iter().filter(|(saga, _)| !found.contains(saga.as_str())) {
        // A clock that went back is no recovery.
        let at = at.max(Millis(row.first_seen));
        match late_saga(query, rule, (saga, at))? {
            Some(late) if !row.settled || row.ordinal != late.ordinal => left_out.waiting.push(late),
            Some(_) => {}
            None => left_out.recovered.push(saga.clone()),
        }
    }
    Ok(left_out)
}
