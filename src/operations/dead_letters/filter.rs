//! Which letters are meant; all that is given must hold.

use super::listed::Listed;
use crate::domain::Millis;
use crate::store::dead_letters::DeadLetterState;

/// Which letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Of this reason.
    pub reason: Option<String>,
    /// From this topic.
    pub topic: Option<String>,
    /// Of this step.
    pub step: Option<String>,
    /// Of this saga.
    pub saga_id: Option<String>,
    /// With this event.
    pub event_id: Option<String>,
    /// In this state.
    pub state: Option<DeadLetterState>,
    /// Arrived then or later.
    pub from: Option<Millis>,
    /// Arrived then or earlier.
    pub to: Option<Millis>,
}

impl DeadLetterFilter {
    /// Whether the letter is meant.
    pub fn matches(&self, letter: &Listed) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.reason, Some(&letter.reason))
            && is(&self.topic, Some(&letter.topic))
            && is(&self.step, letter.step.as_deref())
            && is(&self.saga_id, letter.saga_id.as_deref())
            && is(&self.event_id, letter.event_id.as_deref())
            && self.state.is_none_or(|state| letter.state == state)
            && self.from.is_none_or(|from| letter.arrived_at >= from)
            && self.to.is_none_or(|to| letter.arrived_at <= to)
    }

    /// Whether reason and state are all that is asked for, so that the stored sums have the answer.
    pub(super) fn is_counted(&self) -> bool {
        let Self {
            reason: _,
            state: _,
            topic,
            step,
            saga_id,
            event_id,
            from,
            to,
        } = self;
        [topic, step, saga_id, event_id]
            .iter()
            .all(|given| given.is_none())
            && from.is_none()
            && to.is_none()
    }
}
