//! The five statuses of the contract.

use std::fmt;
use std::str::FromStr;

/// Status of a saga, and of the event that reports on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SagaStatus {
    /// The saga began.
    Started = 0,
    /// A step was taken.
    InProgress = 1,
    /// All of it is done. Terminal.
    Completed = 2,
    /// A step failed; compensation is due.
    Failed = 3,
    /// What was done has been undone. Terminal.
    Compensated = 4,
}

impl SagaStatus {
    /// All five, in the order of the contract.
    pub const ALL: [SagaStatus; 5] = [
        Self::Started,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Compensated,
    ];

    /// The name of the contract, e.g. `IN_PROGRESS`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Compensated => "COMPENSATED",
        }
    }

    /// The number that records and keys carry. Never reused.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The status with that [`tag`](Self::tag).
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }
}

impl fmt::Display for SagaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A status that is none of the five.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("status \"{0}\" is unknown; accepted: STARTED, IN_PROGRESS, COMPLETED, FAILED, COMPENSATED")]
pub struct UnknownStatus(pub String);

impl FromStr for SagaStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}
