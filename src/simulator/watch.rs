//! What is looked at while a run goes on: the lag that a replica tells, and its counters.

use super::sim::Sim;
use std::collections::BTreeMap;

/// Counters that derive from stored state.
const STORED: [&str; 13] = [
    "saga_failed_total",
    "saga_compensated_total",
    "saga_compensation_duration_seconds",
    "saga_events_processed_total",
    "saga_tracker_duplicates_total",
    "saga_tracker_conflicts_total",
    "saga_tracker_dead_letters_total",
    "saga_tracker_late_events_total",
    "saga_tracker_anomalies",
    "saga_tracker_sagas_entered_total",
    "saga_tracker_saga_duration_seconds",
    "saga_tracker_edge_duration_seconds",
    "saga_tracker_compensations_failed_total",
];

impl Sim {
    /// Lag 0 means that everything shows: every record before the ends that were seen is folded.
    pub(super) fn look(&self, replica: usize) {
        let Some(process) = self.replicas[replica].up() else {
            return;
        };
        let status = process.status.snapshot();
        let known = status.end.iter().next().is_some();
        if !known || status.lag().any(|(_, lag)| lag > 0) {
            return;
        }
        let ends = match &*process.ingest.borrow() {
            Some(flow) => flow.source.told().ends,
            None => return,
        };
        let shown = process.handle.status().cursor;
        for (partition, end) in ends.iter() {
            let waiting = self.world.tracker().next(partition, shown.next(partition));
            if let Some(record) = waiting.filter(|record| record.position.offset < end) {
                return self.fault(format!(
                    "[1.2] replica {replica} tells lag 0 with ends {ends:?}, and record {} does not show yet",
                    record.position
                ));
            }
        }
    }

    /// No counter is below what was scraped before, whatever happened to the process since.
    pub(super) fn scrape(&self, replica: usize) {
        let Some(process) = self.replicas[replica].up() else {
            return;
        };
        // What is told is stored before, so a scrape may meet the process's end.
        let render = || process.metrics.render().unwrap();
        let Some(text) = self.as_part(replica, &process, render) else {
            return;
        };
        // Where that could not be stored it is not held against the next process.
        if process.disk().is_faulted() {
            return;
        }
        let mut scraped = self.replicas[replica].scraped.borrow_mut();
        for (name, value) in counters(&text) {
            let before = scraped.insert(name.clone(), value).unwrap_or(0.0);
            if value < before {
                self.fault(format!(
                    "[1.9] the counter {name} of replica {replica} falls from {before} to {value}"
                ));
            }
        }
    }
}

/// Samples of counters that derive from stored state.
fn counters(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter(|line| STORED.iter().any(|name| line.starts_with(name)))
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}
