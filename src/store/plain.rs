//! The least that an engine is: all of the port, and nothing that an engine may lack.

use super::layer::{Layer, Layered};
use super::memory::MemoryStore;
use std::sync::Arc;

/// Hides what an engine may lack.
pub(crate) struct Plain;

impl Layer for Plain {}

/// A store in memory that cannot be copied as files, and whose tables cannot be cut.
pub(crate) type PlainStore = Layered<Plain>;

impl Default for PlainStore {
    fn default() -> Self {
        Self::over(Arc::new(MemoryStore::new()), Plain)
    }
}
