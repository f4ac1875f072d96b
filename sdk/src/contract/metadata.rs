//! The event's free part: a JSON object, of which the tracker knows a few keys.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Name of the reporting service. Becomes a field of the step.
pub const PRODUCER_SERVICE: &str = "producerService";
/// Trace that the step belongs to. Becomes a field of the step.
pub const TRACE_ID: &str = "traceId";
/// Span that the step belongs to.
pub const SPAN_ID: &str = "spanId";
/// The producer's clock when it built the event: ISO 8601 in UTC.
pub const PRODUCER_TIMESTAMP: &str = "producerTimestamp";
/// Why the saga failed.
pub const FAILURE_REASON: &str = "failureReason";
/// Amount of the order.
pub const ORDER_AMOUNT: &str = "orderAmount";
/// How the order is paid.
pub const PAYMENT_METHOD: &str = "paymentMethod";
/// How often the producer tried.
pub const RETRY_COUNT: &str = "retryCount";

/// A JSON object that goes along with a step.
///
/// ```
/// use saga_tracker_sdk::contract::{Metadata, metadata};
///
/// let metadata = Metadata::new().with(metadata::RETRY_COUNT, 2).with("customerId", "c-7");
/// assert_eq!(metadata.to_text(), r#"{"customerId":"c-7","retryCount":2}"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more entry; an entry of the same key is replaced.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// With one more entry unless the key is there already.
    #[must_use]
    pub fn with_default(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.entry(key.into()).or_insert_with(|| value.into());
        self
    }

    /// The entry of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text that the event carries: one line, keys in order.
    #[must_use]
    pub fn to_text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}
