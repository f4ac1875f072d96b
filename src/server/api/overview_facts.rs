//! All that an overview tells, found for all who ask the same.

use super::health::{Health, Report};
use super::incident_sagas::{counted, with_counts};
use super::parts::Parts;
use crate::domain::Millis;
use crate::operations::incidents::IncidentView;
use crate::pipeline::query::{Overview, OverviewRequest, Query, QueryError};

/// Incidents that are listed, at most.
const LISTED_INCIDENTS: usize = 5;

/// What the store says, and everybody else who has something to tell.
pub(super) struct OverviewFacts {
    pub(super) request: OverviewRequest,
    pub(super) overview: Overview,
    /// Records at the broker that answers do not show yet, where that is known.
    pub(super) lag: Option<u64>,
    /// When the last snapshot was made.
    pub(super) snapshot: Option<Millis>,
    pub(super) report: Report,
    /// How many incidents are open.
    pub(super) open_incidents: u64,
    /// The newest of them, with how many sagas they are about.
    pub(super) incidents: Vec<(IncidentView, Option<u64>)>,
}

impl OverviewFacts {
    /// Asks, once. Blocks.
    pub(super) fn ask(
        (parts, health): (&Parts, &Health),
        query: &Query,
        mut request: OverviewRequest,
    ) -> Result<Self, QueryError> {
        let mut open = parts.incidents.open_at(request.now);
        let open_incidents = open.len() as u64;
        open.truncate(LISTED_INCIDENTS);
        request.counted = open.iter().filter_map(counted).collect();
        let mut overview = query.overview(&request)?;
        Ok(Self {
            request,
            lag: lag(parts),
            snapshot: parts.snapshots.status().known().last.map(|last| last.at),
            report: health.report(),
            open_incidents,
            incidents: with_counts(open, std::mem::take(&mut overview.counts)),
            overview,
        })
    }
}

/// Records at the broker that answers do not show yet; none while nobody knows where the topic ends.
pub(super) fn lag(parts: &Parts) -> Option<u64> {
    let ingest = parts.ingest.snapshot();
    let known = ingest.end.iter().next().is_some();
    known.then(|| ingest.lag().map(|(_, lag)| lag).sum())
}
