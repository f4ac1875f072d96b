//! Decoding, without the consumer and the registry.

#[path = "../../src/ingest/decode/mod.rs"]
pub mod decode;
