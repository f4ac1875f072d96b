//! Kafka, as the rest of the tracker sees it: a source of records, producers whose answers can be relied on, and
//! questions about topics. librdkafka is known here only.
//!
//! What a record means is not known here.

mod admin;
mod client;
mod consumer;
pub(crate) mod inspect;
mod mock;
mod pipelined;
mod producer;
pub(crate) mod properties;
pub(crate) mod reader;
mod settings;
pub(crate) mod shape;
pub mod source;
mod topics;
mod unreadable;
mod watch;

pub use admin::create_ops_topic;
pub use client::{StartError, TopicBounds, TopicError};
pub use consumer::KafkaSource;
pub use mock::{MockBroker, MockBrokerError};
pub use pipelined::{DeliveryError, PipelinedProducer};
pub use producer::{KafkaOut, Message, OutError, Outlet};
pub use properties::Properties;
pub use settings::KafkaSettings;
pub use shape::OPS_TOPIC;
pub use topics::{KafkaTopics, Topics, topic_bounds};
