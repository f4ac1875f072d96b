//! Reads dead letters of unknown schemas again, until the registry knows their schemas.
//!
//! When a registry hears of a schema is nobody's doing: a replica that met the registry a moment earlier
//! must not hold another truth than one that met it a moment later. So such a dead letter is not final. Once
//! its schema is there, its record becomes what it would have been at once, at its own position, in one
//! write: an event in the log, with the states that it changes, or a dead letter of another reason. What was
//! published of it, or redriven by hand meanwhile, is a later delivery of the same event, and the fold
//! knows those. Whatever is done twice, here or after a crash, finds no dead letter any more.

mod asked;
mod ids;

pub use asked::AskedFor;

use super::origin::DeadLetterTopics;
use super::writer::{put_letter, returned_mark};
use crate::domain::{Cut, Event, Millis, Position};
use crate::failpoint;
use crate::pipeline::decode::{DefectReason, Rejected, wire};
use crate::pipeline::kafka::source::{RawHeaders, RawRecord};
use crate::pipeline::projector::{Projector, ProjectorGone, ProjectorHandle};
use crate::pipeline::registry::SchemaSource;
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock, counts};
use crate::store::ledger::OffsetSums;
use crate::store::records::{DeadLetterRecord, DeadLetterSummaryRecord, FeedRecord, OffsetClass};
use crate::store::{Batch, Key, SharedStore, StoreError, StoreRead, Table, keys, offsets, reads, until};
use crate::wait;
use ids::{Answer, Ids, Met, may_pass};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Dead letters that are read again in one write.
const CHUNK: usize = 256;
/// Offsets whose dead letters are looked through in one round.
const OFFSETS: u64 = 1 << 26;
/// Bytes of values that one round holds: it ends behind the dead letter that goes beyond.
const VALUE_BYTES: usize = 4 << 20;

/// Reads dead letters again once their schemas are known.
pub struct LateSchemas {
    /// The store.
    pub store: SharedStore,
    /// Where writer schemas come from.
    pub schemas: Arc<dyn SchemaSource>,
    /// Who folds what became readable.
    pub projector: ProjectorHandle,
    /// The account of dead letters.
    pub book: DeadLetterLock,
    /// The topics that dead letters can come from.
    pub topics: DeadLetterTopics,
    /// Where to tell which dead letters' schemas were asked for.
    pub asked_for: Arc<AskedFor>,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LateSchemasError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Projector(#[from] ProjectorGone),
}

/// Why a round ended where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All dead letters were looked at and all their ids asked for, or none can be put in another's place now.
    Pass,
    /// There is more than one write takes.
    Room,
    /// There are more ids to ask for.
    Questions,
}

impl Ended {
    /// How long to wait for the next round, so that the registry hears a few questions a second.
    const fn wait(self) -> Duration {
        match self {
            Self::Pass => Duration::from_secs(5),
            Self::Room => Duration::from_millis(100),
            Self::Questions => Duration::from_secs(1),
        }
    }
}

const FIRST: Position = Position {
    partition: 0,
    offset: 0,
};

/// How far the dead letters are looked through. One pass goes through all that lie in a cut, and ends when their ids
/// were asked for; what is beyond is looked at by the way.
pub(crate) struct Walk {
    next: Position,
    ids: Ids,
    pass: u64,
    /// What the pass goes through, and what had been forgotten when it began; `None` between two passes.
    within: Option<(Cut, u64)>,
    /// The pass has come to the end, and waits for answers.
    is_through: bool,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            next: FIRST,
            ids: Ids::default(),
            pass: 0,
            within: None,
            is_through: false,
        }
    }
}

impl Walk {
    fn ends(&mut self, asked_for: &AskedFor) {
        if let Some((cut, forgotten)) = self.within.take() {
            asked_for.reach(cut, forgotten);
        }
        self.ids.forget_known();
        (self.next, self.is_through) = (FIRST, false);
    }

    /// Looks at the dead letters from there on again: the schema of those of one id is known now.
    fn goes_back(&mut self, to: Position) {
        if self.is_through || to < self.next {
            self.next = to;
        }
        self.is_through = false;
    }
}

/// What some dead letters came to.
#[derive(Default)]
struct LookedAt {
    found: Vec<Found>,
    /// Why not all of them were looked at, and where to go on.
    stopped: Option<(Ended, Position)>,
}

/// What a dead letter came to.
enum Looked {
    /// It stays one.
    Stays,
    /// Something else.
    Became(Box<Found>),
    /// Its id is to be asked for, and there is no room to remember it.
    NoRoom,
}

/// A dead letter, and what its record comes to now.
struct Found {
    position: Position,
    value: Vec<u8>,
    outcome: Result<Event, Rejected>,
}

impl LateSchemas {
    /// Starts it on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("reread".to_owned())
            .spawn(move || self.run())
    }

    fn run(self) {
        let mut walk = Walk::default();
        while !self.shutdown.is_cancelled() {
            failpoint::pass("thread.reread");
            let pause = match self.round(&mut walk, wait::now()) {
                Ok((letters, ended)) => {
                    if letters > 0 {
                        tracing::info!(
                            letters,
                            "dead letters whose schemas are known now were read again"
                        );
                    }
                    ended.wait()
                }
                Err(LateSchemasError::Projector(_)) => return,
                Err(error) => {
                    tracing::error!(%error, "dead letters are not read again now; trying later");
                    Ended::Pass.wait()
                }
            };
            wait::unless(|| self.shutdown.is_cancelled(), pause);
        }
    }

    /// Looks through some of the dead letters, from where the walk is, and asks for some of their ids. How many
    /// dead letters became something else, and why it ended.
    pub(crate) fn round(&self, walk: &mut Walk, now: Instant) -> Result<(usize, Ended), LateSchemasError> {
        if walk.within.is_none() {
            // What lies behind the cursor cannot be put in a dead letter's place yet.
            walk.within = Some((self.projector.status().cursor, self.asked_for.forgotten()));
            walk.pass += 1;
        }
        if self.has_no_letters()? {
            walk.ends(&self.asked_for);
            walk.ids = Ids::default();
            return Ok((0, Ended::Pass));
        }
        let (candidates, reached) = self.candidates(walk.next)?;
        let LookedAt { found, stopped } = self.look_at(candidates, walk, now)?;
        let count = found.len();
        // A rebuild reads the log meanwhile: then later, from here.
        if !self.replace(found)? {
            return Ok((0, Ended::Pass));
        }
        let (ended, next) = stopped.unwrap_or((Ended::Room, reached));
        walk.is_through |= stopped.is_none() && reached == FIRST;
        walk.next = next;
        Ok((count, self.ask(walk, ended, now)))
    }

    fn has_no_letters(&self) -> Result<bool, StoreError> {
        let counts = counts(&*self.store)?;
        let unknown = counts.get(DefectReason::UnknownSchema.as_str());
        Ok(unknown.is_none_or(|counts| counts.total() == 0))
    }

    /// Asks for ids whose turn it is. Why the round ends.
    fn ask(&self, walk: &mut Walk, ended: Ended, now: Instant) -> Ended {
        let mut known = None;
        let mut in_vain = false;
        for id in walk.ids.next(now) {
            let answer = self.schemas.plan_now(id);
            let is_away = matches!(&answer, Err(why) if why.defect(id).is_none());
            match walk.ids.answered(id, answer, walk.pass, now) {
                Some(first) => known = known.into_iter().chain([first]).min(),
                None => in_vain = true,
            }
            if is_away {
                break;
            }
        }
        if let Some(first) = known {
            walk.goes_back(first);
            return Ended::Room;
        }
        let is_over = walk.is_through && !walk.ids.is_any_wanted();
        if is_over {
            walk.ends(&self.asked_for);
        }
        match ended {
            _ if in_vain && (!is_over || walk.ids.is_any_due(now)) => Ended::Questions,
            _ if is_over => Ended::Pass,
            _ if walk.is_through => Ended::Questions,
            ended => ended,
        }
    }

    /// What these dead letters come to, and where to go on if not all of them were looked at.
    fn look_at(
        &self,
        candidates: Vec<Position>,
        walk: &mut Walk,
        now: Instant,
    ) -> Result<LookedAt, StoreError> {
        let (mut all, mut bytes) = (LookedAt::default(), 0);
        for position in candidates {
            match self.look(position, walk, now)? {
                Looked::Stays => {}
                Looked::Became(letter) => {
                    bytes += letter.value.len();
                    all.found.push(*letter);
                }
                // What is known without asking is read all the same.
                Looked::NoRoom => _ = all.stopped.get_or_insert((Ended::Questions, position)),
            }
            if bytes >= VALUE_BYTES {
                let behind = Position::new(position.partition, position.offset + 1);
                all.stopped = all.stopped.or(Some((Ended::Room, behind)));
                break;
            }
        }
        Ok(all)
    }

    /// Dead letters of unknown schemas from there on, and where to go on; at the end, with the first.
    fn candidates(&self, from: Position) -> Result<(Vec<Position>, Position), StoreError> {
        let ends = reads::log_cut(&*self.store, &self.topics.topic)?;
        let (mut found, mut left) = (Vec::new(), OFFSETS);
        for (partition, end) in ends.iter().filter(|(partition, _)| *partition >= from.partition) {
            let first = if partition == from.partition {
                from.offset
            } else {
                0
            };
            if first >= end {
                continue;
            }
            let rows = offsets::of_partition(&*self.store, Table::Letters, partition);
            let stop = end.min(first.saturating_add(left));
            let next = rows.forward(first..stop, |offset, value| {
                if DeadLetterSummaryRecord::read(value)?.reason == DefectReason::UnknownSchema.as_str() {
                    found.push(Position::new(partition, offset));
                }
                Ok(until(found.len() >= CHUNK))
            })?;
            if found.len() >= CHUNK || next < end {
                return Ok((found, Position::new(partition, next)));
            }
            left -= next - first;
        }
        Ok((found, FIRST))
    }

    /// What a dead letter comes to now.
    fn look(&self, position: Position, walk: &mut Walk, now: Instant) -> Result<Looked, StoreError> {
        let mut key = Key::default();
        keys::by_offset(&mut key, position);
        let Some(row) = self.store.get(Table::DeadLetters, &key)? else {
            return Ok(Looked::Stays);
        };
        let letter = DeadLetterRecord::read(&row)?;
        let Ok((id, body)) = wire::payload(letter.value) else {
            return Ok(Looked::Stays);
        };
        let answer = self.answer(id, walk);
        if answer.as_ref().is_none_or(may_pass) {
            let met = self.met(position, Millis(letter.arrived_at), walk);
            if !walk.ids.meet(id, met, now) {
                return Ok(Looked::NoRoom);
            }
        }
        let outcome = match answer {
            Some(Ok(plan)) => plan.event(body, position, Millis(letter.arrived_at)),
            Some(Err(why)) => match why.defect(id) {
                Some(defect) if defect.detail != letter.detail => Err(defect.into()),
                _ => return Ok(Looked::Stays),
            },
            None => return Ok(Looked::Stays),
        };
        Ok(Looked::Became(Box::new(Found {
            position,
            value: row,
            outcome,
        })))
    }

    fn answer(&self, id: u32, walk: &Walk) -> Option<Answer> {
        let told = walk.ids.answer(id).cloned();
        match self.schemas.known(id) {
            Some(plan) => Some(Ok(plan)),
            None => told,
        }
    }

    fn met(&self, position: Position, arrived_at: Millis, walk: &Walk) -> Met {
        let within = walk.within.as_ref();
        let is_in_pass = within.is_some_and(|(cut, _)| cut.contains(position));
        let waits = is_in_pass && !self.asked_for.contains(position);
        Met {
            position,
            arrived_at,
            asked_since: if waits { walk.pass } else { 0 },
        }
    }

    /// Puts what was found in the place of the dead letters. Whether that was possible now.
    fn replace(&self, found: Vec<Found>) -> Result<bool, LateSchemasError> {
        if found.is_empty() {
            return Ok(true);
        }
        let Some(guard) = self.projector.try_no_purges() else {
            return Ok(false);
        };
        let (store, book, topics) = (self.store.clone(), self.book.clone(), self.topics.clone());
        self.projector.between_windows(move |projector| {
            let held = book.hold();
            let replaced = Replaced::of(&*store, projector, &topics, found)?;
            let (events, rows) = replaced.entered(&held, &*store)?;
            projector.fill(&events, &rows)
        })??;
        drop(guard);
        Ok(true)
    }
}

/// One write that puts outcomes in the place of dead letters.
#[derive(Default)]
struct Replaced {
    events: Vec<Event>,
    rows: Batch,
    changes: DeadLetterChanges,
    accounted: OffsetSums,
}

impl Replaced {
    fn of(
        store: &dyn StoreRead,
        projector: &Projector,
        topics: &DeadLetterTopics,
        found: Vec<Found>,
    ) -> Result<Self, StoreError> {
        let mut replaced = Self::default();
        for letter in found {
            // What lies behind the cursor would be folded twice: the next time.
            if projector.cursor().contains(letter.position) {
                replaced.add(store, topics, letter)?;
            }
        }
        Ok(replaced)
    }

    fn add(
        &mut self,
        store: &dyn StoreRead,
        topics: &DeadLetterTopics,
        found: Found,
    ) -> Result<(), StoreError> {
        let mut key = Key::default();
        keys::by_offset(&mut key, found.position);
        let Some(listed) = store.get(Table::Letters, &key)? else {
            return Ok(());
        };
        self.rows.delete(Table::DeadLetters, &key);
        self.rows.delete(Table::Letters, &key);
        if let Some(id) = DeadLetterSummaryRecord::read(&listed)?.event_id {
            let mut by_event = Key::default();
            keys::letter_by_event(&mut by_event, id, found.position);
            self.rows.delete(Table::LettersByEvent, &by_event);
        }
        self.changes.take_back(found.position);
        let letter = DeadLetterRecord::read(&found.value)?;
        let headers: Vec<(String, Option<Vec<u8>>)> = letter
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
            .collect();
        if let Some(origin) = topics.letter_named(RawHeaders::List(&headers)) {
            let raw = RawRecord {
                position: found.position,
                timestamp: letter.timestamp.map(Millis),
                key: letter.key,
                value: letter.value,
                headers: RawHeaders::List(&headers),
            };
            let mark = returned_mark(&raw, Millis(letter.arrived_at), &found.outcome);
            self.changes.add_mark(origin, mark);
        }
        match found.outcome {
            Ok(event) => {
                let (partition, arrived_at) = (found.position.partition, Millis(letter.arrived_at));
                self.accounted
                    .add(partition, arrived_at, OffsetClass::DeadLetter, -1);
                self.accounted.add(partition, arrived_at, OffsetClass::Logged, 1);
                self.events.push(event);
            }
            Err(rejected) => {
                let reason = rejected.defect.reason.as_str();
                let letter = DeadLetterRecord {
                    reason,
                    detail: &rejected.defect.detail,
                    ..letter
                };
                let place = (found.position, &rejected);
                put_letter(&mut self.rows, &mut self.changes, &mut key, &letter, place);
                keys::by_offset(&mut key, found.position);
                let entry = FeedRecord::DeadLetter;
                self.rows.put_with(Table::Feed, &key, |bytes| entry.write(bytes));
            }
        }
        Ok(())
    }

    /// The events, and all rows with the changed account.
    fn entered(
        mut self,
        held: &crate::store::dead_letters::DeadLetterGuard<'_>,
        store: &dyn StoreRead,
    ) -> Result<(Vec<Event>, Batch), StoreError> {
        DeadLetterLock::enter(held, store, &mut self.rows, &self.changes)?;
        self.accounted.put(store, Table::Accounted, &mut self.rows)?;
        Ok((self.events, self.rows))
    }
}

#[cfg(test)]
mod tests;
