//! What the answers must be, from docs/contract.md and the topics' records alone.
//!
//! Nothing here calls the fold, the transition table, the deduplication or the projector of the
//! product; the decoder is trusted, and so is the hash that a purge is checked by.

pub(super) mod account;
pub(super) mod answers;
mod flow;
pub(super) mod fold;
pub(crate) mod inside;
pub(super) mod ledger;
mod moves;
pub(super) mod offsets;
pub(crate) mod past;
mod population;
pub(super) mod retention;
pub(crate) mod rules;
pub(super) mod sagas;
