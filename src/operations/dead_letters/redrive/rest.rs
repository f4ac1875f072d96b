//! What is done while a redrive that has a pace rests: others are worked off.

use super::runner::{IDLE_INTERVAL, Interrupted, POLL_INTERVAL};
use super::{Redrives, unended};
use crate::domain::Position;
use crate::store::StoreError;
use crate::wait;
use std::collections::BTreeSet;
use std::time::Duration;

impl Redrives {
    /// Rests between the chunks of a redrive that has a pace, and meanwhile works off those that have none, even where
    /// they take longer: nobody is kept waiting for hours by one that wants to be slow.
    ///
    /// Those that publish are worked off only where they `may_publish`, and once all that this one published is consumed
    /// (`unread` is what is not): until then its dead letters are open, and would be published once more.
    pub(super) fn rest(
        &self,
        rest: Duration,
        may_publish: bool,
        unread: &mut Vec<Position>,
        passed_over: &mut BTreeSet<u64>,
    ) -> Result<(), Interrupted> {
        let begun = wait::now();
        loop {
            let seen = self.seen();
            self.forget_read(unread)?;
            while let Some(number) = self.next_unpaced(may_publish && unread.is_empty(), passed_over)? {
                self.check_shutdown()?;
                let done = self.work(number);
                self.turn().remove(&number);
                self.tell();
                done?;
            }
            let left = rest.saturating_sub(wait::since(begun));
            if left.is_zero() {
                return Ok(());
            }
            self.check_shutdown()?;
            let interval = if unread.is_empty() {
                IDLE_INTERVAL
            } else {
                POLL_INTERVAL
            };
            self.await_news(seen, left.min(interval));
        }
    }

    /// The oldest redrive that has no pace, where others may publish, or only tells. Those that have one are looked at
    /// once, and passed over from then on.
    fn next_unpaced(
        &self,
        may_publish: bool,
        passed_over: &mut BTreeSet<u64>,
    ) -> Result<Option<u64>, StoreError> {
        let unended = unended::all(&**self.store())?;
        for number in unended {
            if passed_over.contains(&number) {
                continue;
            }
            let Some(status) = self.status(number)? else {
                return Ok(Some(number));
            };
            let is_paced = !status.dry_run && status.per_second.is_some();
            let publishes = !status.dry_run && status.cancelled.is_none();
            if is_paced {
                passed_over.insert(number);
            } else if may_publish || !publishes {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}
