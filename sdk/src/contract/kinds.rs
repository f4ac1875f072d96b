//! The two vocabularies of the schema: saga types (open) and saga statuses (closed).

use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Kind of saga. Open: the tracker accepts any symbol that the writer's schema knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SagaType {
    /// An order from its creation to its confirmation.
    OrderCreation,
    /// A payment from its request to its completion.
    PaymentCompletion,
    /// A type that this version of the crate has no name for.
    Other(String),
}

impl SagaType {
    /// The symbol on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::OrderCreation => "ORDER_CREATION",
            Self::PaymentCompletion => "PAYMENT_COMPLETION",
            Self::Other(symbol) => symbol,
        }
    }
}

impl From<String> for SagaType {
    fn from(symbol: String) -> Self {
        match symbol.as_str() {
            "ORDER_CREATION" => Self::OrderCreation,
            "PAYMENT_COMPLETION" => Self::PaymentCompletion,
            _ => Self::Other(symbol),
        }
    }
}

impl From<&str> for SagaType {
    fn from(symbol: &str) -> Self {
        Self::from(symbol.to_owned())
    }
}

impl From<SagaType> for String {
    fn from(saga_type: SagaType) -> Self {
        match saga_type {
            SagaType::Other(symbol) => symbol,
            named => named.as_str().to_owned(),
        }
    }
}

impl FromStr for SagaType {
    type Err = Infallible;

    fn from_str(symbol: &str) -> Result<Self, Infallible> {
        Ok(Self::from(symbol))
    }
}

impl fmt::Display for SagaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// By symbol: `Other("ORDER_CREATION")`, built by hand, is still the order creation saga.
impl PartialEq for SagaType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for SagaType {}

impl Hash for SagaType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// What a step did to its saga. Closed: anything else becomes a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum SagaStatus {
    /// The saga began.
    Started = 0,
    /// A step was taken and the saga goes on.
    InProgress = 1,
    /// The step, and on a completing step the saga, is done.
    Completed = 2,
    /// The saga failed; compensation is due.
    Failed = 3,
    /// A failed saga's effects were undone.
    Compensated = 4,
}

impl SagaStatus {
    /// All of them, in the schema's order.
    pub const ALL: [Self; 5] = [
        Self::Started,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Compensated,
    ];

    /// The symbol on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Compensated => "COMPENSATED",
        }
    }

    /// The number that it has in the schema, and in what the tracker stores. Never reused.
    #[must_use]
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The status with that [`tag`](Self::tag).
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }
}

impl fmt::Display for SagaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A status that the contract does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown saga status {0:?}: expected STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED")]
pub struct UnknownStatus(pub String);

impl FromStr for SagaStatus {
    type Err = UnknownStatus;

    fn from_str(symbol: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == symbol)
            .ok_or_else(|| UnknownStatus(symbol.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back_from_its_symbol() {
        for status in SagaStatus::ALL {
            assert_eq!(status.to_string().parse::<SagaStatus>(), Ok(status));
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{status}\""));
        }
    }

    #[test]
    fn a_status_outside_the_contract_is_refused_by_name() {
        let error = "started".parse::<SagaStatus>().unwrap_err();
        assert_eq!(error, UnknownStatus("started".to_owned()));
    }

    #[test]
    fn saga_types_are_open_and_compare_by_symbol() {
        assert_eq!(SagaType::from("ORDER_CREATION"), SagaType::OrderCreation);
        assert_eq!(
            SagaType::Other("PAYMENT_COMPLETION".to_owned()),
            SagaType::PaymentCompletion
        );
        assert_eq!(SagaType::from("REFUND").to_string(), "REFUND");
        let read: SagaType = serde_json::from_str("\"STORE_REGISTRATION\"").unwrap();
        assert_eq!(read, SagaType::Other("STORE_REGISTRATION".to_owned()));
    }
}
