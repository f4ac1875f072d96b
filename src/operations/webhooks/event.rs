//! What can be told.

use crate::domain::StuckRule;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeEvent {
    /// A saga came into FAILED.
    SagaFailed,
    /// A saga has not ended within its deadline.
    SagaStuck,
    /// A saga failed and was not compensated in time.
    CompensationOverdue,
    /// A record could not be applied.
    NewDeadLetter,
}

impl NoticeEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::SagaFailed,
        Self::SagaStuck,
        Self::CompensationOverdue,
        Self::NewDeadLetter,
    ];

    /// Its name: in options, notices and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SagaFailed => "saga.failed",
            Self::SagaStuck => "saga.stuck",
            Self::CompensationOverdue => "saga.compensation_overdue",
            Self::NewDeadLetter => "dead_letter.new",
        }
    }

    /// The event of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }

    /// Its letter in keys of the store. Never changed.
    pub(super) const fn tag(self) -> u8 {
        match self {
            Self::SagaFailed => b'F',
            Self::SagaStuck => b'S',
            Self::CompensationOverdue => b'C',
            Self::NewDeadLetter => b'L',
        }
    }

    /// By which rule a saga is late, where that is what happened.
    pub(super) const fn rule(self) -> Option<StuckRule> {
        match self {
            Self::SagaStuck => Some(StuckRule::PastDeadline),
            Self::CompensationOverdue => Some(StuckRule::CompensationOverdue),
            Self::SagaFailed | Self::NewDeadLetter => None,
        }
    }
}
