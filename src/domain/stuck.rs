//! Whether a saga is stuck, at an instant that is given. No clock is in any state.

use super::conformance::{CompensationState, compensation, first_come};
use super::definition::{Named, Roles};
use super::{Millis, SagaDefinition, SagaState, SagaStatus};
use std::collections::BTreeSet;

/// Why a saga counts as stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StuckRule {
    /// It has not ended within its deadline.
    PastDeadline,
    /// It failed and is not compensated within its time.
    CompensationOverdue,
}

impl StuckRule {
    /// All rules.
    pub const ALL: [Self; 2] = [Self::PastDeadline, Self::CompensationOverdue];

    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PastDeadline => "PAST_DEADLINE",
            Self::CompensationOverdue => "COMPENSATION_OVERDUE",
        }
    }

    /// The rule with that name in answers.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }
}

/// A saga is stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Since when: the instant at which its time was over.
    pub since: Millis,
    /// By which rule.
    pub rule: StuckRule,
    /// The steps that would have to come now.
    pub awaited: Vec<String>,
}

/// Whether a saga is stuck at an instant, by what is known of it.
pub fn stuck(state: &SagaState, definition: &SagaDefinition, now: Millis) -> Option<Stuck> {
    let stuck = match state.status {
        SagaStatus::Started | SagaStatus::InProgress => Stuck {
            since: after(state.started_at, definition.deadline_seconds),
            rule: StuckRule::PastDeadline,
            awaited: awaited(state, definition.roles()),
        },
        SagaStatus::Failed => {
            let compensation = compensation(state, definition);
            if compensation.state != CompensationState::Owed {
                return None;
            }
            let by = compensation.owed.into_iter().flat_map(|owed| owed.by);
            Stuck {
                since: after(state.since, definition.compensation_seconds),
                rule: StuckRule::CompensationOverdue,
                awaited: by.collect::<BTreeSet<_>>().into_iter().collect(),
            }
        }
        SagaStatus::Completed | SagaStatus::Compensated => return None,
    };
    (stuck.since <= now).then_some(stuck)
}

/// The instant this many seconds after another.
pub(super) fn after(instant: Millis, seconds: u64) -> Millis {
    let millis = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    Millis(instant.0.saturating_add(millis))
}

/// Of the steps that are expected or have a place in the order, those that have not come and before which nothing
/// is missing. Where the definition names none, or all have come: what completes the saga.
fn awaited(state: &SagaState, roles: &Roles) -> Vec<String> {
    let is_missing = |step: &Named| first_come(state, step).is_none();
    let ordered = roles.order.iter().flat_map(|(before, after)| [before, after]);
    let waits = |step: &Named| {
        let mut before = roles.order.iter().filter(|(_, after)| after.name == step.name);
        before.any(|(before, _)| is_missing(before))
    };
    let mut next: Vec<&str> = Vec::new();
    for step in roles.expected.iter().chain(ordered) {
        if is_missing(step) && !waits(step) && !next.contains(&step.name.as_str()) {
            next.push(&step.name);
        }
    }
    if next.is_empty() {
        next = roles.completing.iter().map(|step| step.name.as_str()).collect();
    }
    next.into_iter().map(str::to_owned).collect()
}
