//! How often a registry is asked for ids that it may not have. Anybody can write a record with any id, and
//! each question is a round trip that consumption waits for: a million made-up ids must not be a million of
//! them. Beyond so many a second an id is unknown without a question, and its letter is read again later
//! (`late_schemas`), so that costs no record. Answers that know an id cost nothing.

use std::time::{Duration, Instant};

/// Questions in vain that may come at once.
const BURST: u32 = 64;
/// How soon one more may be asked.
const ONE_MORE_AFTER: Duration = Duration::from_millis(50);

/// Counts questions in vain.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// When all that were asked in vain are forgotten: each moves it on.
    spent_until: Option<Instant>,
}

impl Questions {
    /// Whether one more may be asked.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        let full = ONE_MORE_AFTER * BURST;
        self.spent_until
            .is_none_or(|until| until.saturating_duration_since(now) + ONE_MORE_AFTER <= full)
    }

    /// One was asked, and the registry did not know the id.
    pub(super) fn in_vain(&mut self, now: Instant) {
        let from = self.spent_until.map_or(now, |until| until.max(now));
        self.spent_until = Some(from + ONE_MORE_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let (mut questions, begun) = (Questions::default(), Instant::now());
        let ask = |questions: &mut Questions, now: Instant| {
            let mut asked = 0;
            while questions.may_ask(now) {
                questions.in_vain(now);
                asked += 1;
            }
            asked
        };
        assert_eq!(ask(&mut questions, begun), 64);
        assert_eq!(ask(&mut questions, begun + Duration::from_secs(1)), 20);
        assert_eq!(ask(&mut questions, begun + Duration::from_secs(60)), 64);
    }
}
