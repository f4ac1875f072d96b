//! Keys and records, without the engines.

#[path = "../../src/store/codec.rs"]
pub mod codec;
#[path = "../../src/store/error.rs"]
mod error;
#[path = "../../src/store/keys.rs"]
pub mod keys;
#[path = "../../src/store/records.rs"]
pub mod records;

pub use error::StoreError;
