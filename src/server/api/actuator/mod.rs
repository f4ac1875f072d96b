//! What probes and scrapers ask, under the paths that deployments know.

pub(super) mod health;
pub(super) mod info;
pub(super) mod prometheus;
