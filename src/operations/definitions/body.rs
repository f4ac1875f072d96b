//! A version of the definitions as it stands on the ops topic, and what of it is believed.

use crate::domain::SagaDefinitions;
use crate::domain::text::first;
use serde::{Deserialize, Serialize};

/// Kind of a decision that brings a version of the definitions into force.
pub const KIND: &str = "definitions";
/// Bytes of a definitions file. Every replica keeps every version. It is part of the [form](DefinitionsBody::form):
/// trackers that hold it otherwise number versions otherwise.
pub const MAX_TEXT_BYTES: usize = 256 << 10;

/// Characters of a hash.
const HASH_CHARS: usize = 64;

/// Characters that are told of what is wrong with a file.
const FAULT_CHARS: usize = 1_000;

/// A version of the definitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DefinitionsBody {
    /// Its number: one more than that of the version before it.
    pub(super) version: u64,
    /// [Tells them apart](SagaDefinitions::hash). It shows that whoever reads them finds the same in them as
    /// whoever decided on them.
    pub(super) hash: String,
    /// The definitions file, as it was written.
    pub(super) definitions: String,
}

impl DefinitionsBody {
    /// Whether it has the form of a version. This alone decides whether it takes its number, never what its file
    /// says: so the numbers are the same on replicas of which one can read the file and another cannot.
    ///
    /// # Errors
    /// What is wrong with its form, in words.
    pub(super) fn form(&self) -> Result<(), String> {
        let bytes = self.definitions.len();
        if bytes > MAX_TEXT_BYTES {
            return Err(format!(
                "its definitions have {bytes} bytes; accepted: up to {MAX_TEXT_BYTES}"
            ));
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.hash.len() != HASH_CHARS || !self.hash.bytes().all(is_digit) {
            return Err(format!(
                "its hash is {:?}; accepted: {HASH_CHARS} hexadecimal digits",
                first(&self.hash, 100)
            ));
        }
        Ok(())
    }

    /// The definitions in it, as whoever decided on them reads them.
    ///
    /// # Errors
    /// Why they cannot be read here, in words.
    pub(super) fn read(&self) -> Result<SagaDefinitions, String> {
        let read = SagaDefinitions::from_toml(&self.definitions)
            .map_err(|fault| first(fault.to_string().trim_end(), FAULT_CHARS).to_owned())?;
        let found = read.hash();
        if found != self.hash {
            return Err(format!(
                "this tracker reads definitions of hash {found} in it, and it says that it holds those of {}; replicas \
                 of different versions may read them otherwise, run the same on all",
                first(&self.hash, 100)
            ));
        }
        Ok(read)
    }
}
