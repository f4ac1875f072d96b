//! Whether a timeline reported a step, as far as the state of its saga tells: the events themselves need not be read
//! where that is sure.

use super::{OPERATOR_STATUS_CHANGE, SagaDefinition, SagaState};

impl SagaState {
    /// Whether some event reported a step of exactly this name; `None` where only the events can tell. The definition
    /// must be that of the saga's type which the state was folded under.
    pub fn reported(&self, step: &str, definition: Option<&SagaDefinition>) -> Option<bool> {
        if self.last_step.as_str() == step {
            return Some(true);
        }
        if self.step_count == 1 {
            return Some(false);
        }
        if step == OPERATOR_STATUS_CHANGE {
            return None;
        }
        let roles = definition?.roles();
        let role = roles.role(step);
        match role.counted {
            Some(counted) if self.tally.of(&[counted]).next().is_none() => Some(false),
            // What is counted together with other names says nothing of one of them.
            Some(counted) => roles.counts_alone(counted, step).then_some(true),
            None if roles.is_strange(role) && self.tally.strange == 0 => Some(false),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
