//! The audit log, to read: nothing here changes it.

pub(super) mod list;
pub(super) mod verification;
