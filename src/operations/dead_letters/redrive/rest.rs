//! What is done while a redrive that has a pace rests: others are worked off.

use super::runner::{IDLE_INTERVAL, Interrupted};
use super::{Redrives, unended};
use crate::store::StoreError;
use crate::wait;
use std::collections::BTreeSet;
use std::time::Duration;

impl Redrives {
    /// Rests between the chunks of a redrive that has a pace, and meanwhile works off those that have none, even where
    /// they take longer: nobody is kept waiting for hours by one that wants to be slow.
    pub(super) fn rest(&self, rest: Duration, passed_over: &mut BTreeSet<u64>) -> Result<(), Interrupted> {
        let begun = wait::now();
        loop {
            let seen = self.seen();
            while let Some(number) = self.next_unpaced(passed_over)? {
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
            self.await_news(seen, left.min(IDLE_INTERVAL));
        }
    }

    /// The oldest redrive that has no pace, or only tells. Others are looked at once, and passed over from then on.
    fn next_unpaced(&self, passed_over: &mut BTreeSet<u64>) -> Result<Option<u64>, StoreError> {
        let unended = unended::all(&**self.store())?;
        for number in unended {
            if passed_over.contains(&number) {
                continue;
            }
            let status = self.status(number)?;
            if status.is_none_or(|status| status.dry_run || status.per_second.is_none()) {
                return Ok(Some(number));
            }
            passed_over.insert(number);
        }
        Ok(None)
    }
}
