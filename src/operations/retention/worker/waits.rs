//! What a decision waits for before it is done.

use super::{DEAD_LETTERS_POLL_INTERVAL, POLL_INTERVAL, Undone, WorkError, Worker};
use crate::domain::{Cut, Position};
use crate::operations::retention::body::CheckedPurge;
use crate::operations::retention::edge::Reach;
use crate::operations::retention::status::Skipped;
use crate::operations::retention::waiting::waiting_dead_letters;
use crate::pipeline::projector::ProjectorGone;
use crate::store::StoreError;
use crate::wait;
use std::cmp::Ordering;
use std::collections::BTreeSet;

impl Worker {
    /// Waits until the projections cover the cut of a decision, or it is certain that they never will.
    pub(super) fn wait_for(&self, decision: u64, cut: &Cut) -> Result<(), Undone> {
        loop {
            match self.edge.reach(decision, cut) {
                Reach::Here => return Ok(()),
                Reach::Never(why) => {
                    return Err(Undone::Skipped(
                        Skipped::Unreachable,
                        format!("{why}; it is made up, or of a topic that was deleted"),
                    ));
                }
                Reach::Ahead => {}
            }
            if let Some(why) = self.projector.status().failed {
                return Err(WorkError::Projector(ProjectorGone(why)).into());
            }
            self.pause(POLL_INTERVAL)?;
        }
    }

    /// Waits until all that its maker could read is readable here, for some time. Whoever decides names only
    /// partitions in which no dead letter waits for its schema, and what is settled and unread there, so any other
    /// that waits here may be read elsewhere.
    pub(super) fn wait_for_letters(&self, checked: &CheckedPurge) -> Result<(), Undone> {
        let until = wait::now() + self.edge.letters;
        let mut partitions = self.waiting_of(checked, &self.asked(checked))?;
        while !partitions.is_empty() {
            let words = format!(
                "dead letters of unknown schemas in partitions {partitions:?} of {} may be readable elsewhere and are \
                 not here; the registry that this replica asks does not know their schemas, or was not asked yet",
                self.edge.topic
            );
            if wait::now() >= until {
                self.status.update(|status| status.held_up = None);
                return self.goes_on_unread(checked, words);
            }
            self.status.update(|status| status.held_up = Some(words));
            self.pause(DEAD_LETTERS_POLL_INTERVAL)?;
            partitions = self.waiting_of(checked, &self.asked(checked))?;
        }
        self.status.update(|status| status.held_up = None);
        Ok(())
    }

    /// Enough was waited. Where only settled dead letters are left, a decision goes on: each saga is held against
    /// what it names, so no more than those stay that such a dead letter is of.
    fn goes_on_unread(&self, checked: &CheckedPurge, words: String) -> Result<(), Undone> {
        if !self.waiting_of(checked, &checked.extent.cut)?.is_empty() {
            return Err(Undone::Skipped(Skipped::UnreadableDeadLetters, words));
        }
        tracing::warn!("{words}; all of them are settled, so the purge continues");
        Ok(())
    }

    /// Dead letters of which nothing is expected any more, once they are settled: those that the registry was asked
    /// for, so far as the decision does not say that its maker could read them.
    fn asked(&self, checked: &CheckedPurge) -> Cut {
        let asked = self.edge.asked_for.within();
        let Some(Position { partition, offset }) = checked.read_but_named else {
            return asked;
        };
        let before = |(number, next): (u32, u64)| match number.cmp(&partition) {
            Ordering::Less => (number, next),
            Ordering::Equal => (number, next.min(offset)),
            Ordering::Greater => (number, 0),
        };
        asked.iter().map(before).collect()
    }

    fn waiting_of(&self, checked: &CheckedPurge, asked: &Cut) -> Result<BTreeSet<u32>, StoreError> {
        let mut waiting = waiting_dead_letters(&*self.store.snapshot(), &checked.extent, asked)?;
        waiting.retain(|partition| checked.seen.contains_key(partition));
        Ok(waiting)
    }

    /// What remains of a purged saga is told by the definitions in force where its purge was decided. While they cannot
    /// be read here, it waits, so that it comes to the same as elsewhere after an upgrade; once later ones can be read
    /// it goes on by those before, so that a file which nobody can read holds nothing up for good. Whoever upgrades
    /// after that has other records of sagas purged in between.
    pub(super) fn wait_for_definitions(&self, decision: u64) -> Result<(), WorkError> {
        let held_up = |words| self.status.update(|status| status.held_up = words);
        loop {
            let unreadable = self.definitions.in_force().unreadable;
            let Some(unreadable) = unreadable.filter(|unreadable| unreadable.since < decision) else {
                held_up(None);
                return Ok(());
            };
            held_up(Some(unreadable.to_string()));
            self.pause(POLL_INTERVAL)?;
        }
    }
}
