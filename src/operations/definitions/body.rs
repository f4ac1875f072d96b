//! A version of the definitions as it stands on the ops topic, and what of it is believed.

use crate::domain::SagaDefinitions;
use crate::domain::text::first;
use serde::{Deserialize, Serialize};

/// Kind of a decision that brings a version of the definitions into force.
pub const KIND: &str = "definitions";
/// Bytes of a definitions file. Every replica keeps every version.
pub const MAX_TEXT_BYTES: usize = 256 << 10;

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
    /// The definitions in it.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(super) fn read(&self) -> Result<SagaDefinitions, String> {
        SagaDefinitions::from_toml(&self.definitions)
            .map_err(|fault| first(fault.to_string().trim_end(), FAULT_CHARS).to_owned())
    }

    /// The same of one that is not applied yet.
    pub(super) fn checked(&self) -> Result<SagaDefinitions, String> {
        let bytes = self.definitions.len();
        if bytes > MAX_TEXT_BYTES {
            return Err(format!(
                "its definitions have {bytes} bytes; accepted: up to {MAX_TEXT_BYTES}"
            ));
        }
        let read = self.read()?;
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
