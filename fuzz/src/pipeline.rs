//! Decoding, without where they come from.

#[path = "../../src/pipeline/decode/mod.rs"]
pub mod decode;
