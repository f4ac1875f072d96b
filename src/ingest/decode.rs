//! Bytes of a Kafka record to an event, or to the reason why it is a dead letter.
