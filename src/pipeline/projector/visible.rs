//! What a fold may see of the store: up to which cut, and under which definitions.

use crate::domain::{Cut, SagaDefinitions};
use crate::store::{Generation, StoreRead};

/// Rows of the log that are in memory at once: each may hold a mebibyte of metadata.
pub(super) const ROWS_AT_ONCE: usize = 32;

/// What is folded, and which part of the log is seen.
#[derive(Clone, Copy)]
pub(super) struct Visible<'a> {
    pub(super) store: &'a dyn StoreRead,
    pub(super) generation: Generation,
    pub(super) definitions: &'a SagaDefinitions,
    pub(super) within: &'a Cut,
}
