//! Headers of the records that this crate publishes. The tracker needs none of them: they tell a
//! person who looks at the topic where a record came from.

/// Version of this crate that wrote the record, as text.
pub const SDK_VERSION: &str = "saga-tracker-sdk";
/// The event's identifier, as text: readable without a schema.
pub const EVENT_ID: &str = "saga-tracker-event-id";
