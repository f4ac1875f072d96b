//! An event to the bytes of one Kafka record: Avro binary behind Confluent's five-byte frame.
//!
//! ```text
//! | 0: magic | 1..5: schema id, big-endian | 5..: Avro binary |
//! ```
//!
//! Reading is the tracker's job, and sending is [`publishing`](crate::publishing)'s.

mod encoder;
mod schema_id;

#[cfg(feature = "registry")]
mod registry;

pub use encoder::{EncodeError, Encoder, SchemaError};
#[cfg(feature = "registry")]
pub use registry::{Registry, RegistrySettings, RegistrySetupError};
pub use schema_id::{Fixed, SchemaIdError, SchemaIdFuture, SchemaIds};

/// First byte of every record in Confluent's wire format.
pub const MAGIC: u8 = 0;

/// Bytes before the Avro body.
pub const FRAME_LEN: usize = 5;

/// Puts the frame in front of an Avro body.
///
/// ```
/// assert_eq!(saga_tracker_sdk::encoding::frame(258, &[7]), [0, 0, 0, 1, 2, 7]);
/// ```
#[must_use]
pub fn frame(schema_id: u32, body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(FRAME_LEN + body.len());
    framed.push(MAGIC);
    framed.extend_from_slice(&schema_id.to_be_bytes());
    framed.extend_from_slice(body);
    framed
}
