//! Bytes of a Kafka record to an event, or to the reason why it is a dead letter.
//!
//! [`wire`] takes the schema id off the front, [`DecodePlan`] (compiled once per writer schema) reads
//! the contract's fields where the writer put them, and [`Decoded::into_event`] holds them against
//! the contract's limits. Nothing here allocates before the last of these, waits, or panics.
//! Where schemas come from is not decided here (`registry`), nor what becomes of a dead letter.
//!
//! apache-avro parses the schemas and stays the reference: `tests/decode_reference` compares the
//! two on random schemas and values. They differ, on purpose, in these points:
//!
//! | input | here | apache-avro |
//! |---|---|---|
//! | bytes end inside a string, or before a union | refused | read as null |
//! | bytes left behind the record | refused | ignored |
//! | an integer of ten bytes with more than 64 bits | refused | upper bits dropped |
//! | values nested more than 128 deep | refused | read, until the stack ends |
//! | content of unknown fields (UTF-8, UUID, big-decimal) | not looked at | refused when wrong |
//! | many items of no size in an unknown array | stepped over | refused beyond the allocation limit |
//! | text with logical type uuid | the text as it is | parsed, then not resolvable to string |
//! | `sagaType` that the reader's enum lacks | accepted | refused |
//! | `fixed` or an enum for a text | refused / accepted | accepted / refused |

mod cursor;
mod defect;
mod event;
mod forms;
mod fragment;
mod metadata;
mod names;
mod plan;
mod plan_error;
mod skip;
pub mod wire;

pub use defect::{Defect, DefectReason, cut};
pub use event::Decoded;
pub use fragment::{Fragment, Rejected};
pub use plan::DecodePlan;
pub use plan_error::PlanError;
