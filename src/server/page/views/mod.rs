//! The views: each asks the API and lays out what its template is given, which the template says at its top.

pub(super) mod compare;
pub(super) mod error;
mod events;
pub(super) mod find;
pub(super) mod flow;
pub(super) mod incidents;
pub(super) mod letter;
pub(super) mod letters;
pub(super) mod ops;
pub(super) mod overview;
mod published;
pub(super) mod redrives;
pub(super) mod rehearsal;
pub(super) mod saga;
pub(super) mod search;
pub(super) mod settings;
mod steps;
mod turns;
