//! Kafka, as the rest of the tracker sees it: a source of records, a producer whose answers can be relied on, and
//! questions about topics.
//!
//! What a record means is not known here.

mod bounds;
mod consumer;
mod ops_topic;
mod producer;
pub(crate) mod properties;
mod settings;
pub mod source;
mod topics;
mod watch;

pub use bounds::{TopicBounds, topic_bounds};
pub use consumer::KafkaSource;
pub use ops_topic::create_ops_topic;
pub use producer::{KafkaOut, Message, OutError, Outlet};
pub use properties::Properties;
pub use settings::KafkaSettings;
pub use topics::{KafkaTopics, Topics};
