//! Why an operator's wish was not fulfilled, by what the operator can do about it.

use crate::pipeline::kafka::OutError;
use crate::store::StoreError;

/// Why an operator's wish was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// What it is about does not exist. Nothing was changed.
    #[error("{0}")]
    NotFound(String),
    /// State is otherwise than the operator thought. Nothing was changed.
    #[error("{0}")]
    Conflict(String),
    /// Kafka or the registry cannot be reached, or decisions are not read now. Nothing was changed.
    #[error("{0}; nothing was changed")]
    Unreachable(String),
    /// It may take effect or not, or does so later; the message says how to find out.
    #[error("{0}")]
    Unsettled(String),
    /// It went wrong, and nothing was changed.
    #[error("{0}")]
    Failed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpsError {
    /// What an outlet's error means; `trace` says how to find out whether it was published.
    pub(super) fn of_out(error: &OutError, trace: &str) -> Self {
        match error {
            OutError::Unreachable(_) => Self::Unreachable(error.to_string()),
            OutError::Refused(_) => Self::Failed(format!("{error}; nothing was changed")),
            OutError::Uncertain(_) => Self::Unsettled(format!(
                "{error}. It may still take effect: {trace} before trying again"
            )),
        }
    }
}
