//! Wing: what a tracker shows over HTTP: the API, the page over it, and its metrics.
//!
//! Which options it was started with, and who is wired to whom, is not known here.

pub mod api;
pub mod metrics;
pub mod page;
