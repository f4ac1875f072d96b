//! Wing: what a tracker shows over HTTP: the API, and its metrics.
//!
//! Which options it was started with, and who is wired to whom, is not known here.

pub mod api;
pub mod metrics;
