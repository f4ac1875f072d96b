//! The list of every metric. The doc comment of each is its help text; the names are part of the
//! contract (dashboards and alert rules use them).

use Kind::{Counter, Gauge, Histogram};
use prometheus_client::metrics::MetricType;

/// What a family's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises: while the process lives, and where it derives from the store over restarts too.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Observations by upper bound.
    Histogram,
}

/// One family of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name as Prometheus sees it.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
}

impl Family {
    /// The name as the encoder wants it: it puts `_total` behind the name of a counter itself.
    pub(crate) fn stem(&self) -> &'static str {
        match self.kind {
            Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Gauge | Histogram => self.name,
        }
    }

    pub(crate) fn metric_type(&self) -> MetricType {
        match self.kind {
            Counter => MetricType::Counter,
            Gauge => MetricType::Gauge,
            Histogram => MetricType::Histogram,
        }
    }
}

macro_rules! catalogue {
    ($(#[doc = $help:literal] $ident:ident = $kind:ident $name:literal [$($label:literal),*];)*) => {
        $(
            #[doc = $help]
            pub const $ident: Family = Family {
                name: $name,
                help: $help.trim_ascii(),
                kind: $kind,
                labels: &[$($label),*],
            };
        )*

        /// All of them.
        pub const ALL: &[Family] = &[$($ident),*];
    };
}

catalogue! {
    /// Sagas that are in a status now
    SAGA_ACTIVE = Gauge "saga_active_total" ["status"];
    /// Times that a saga entered FAILED
    SAGA_FAILED = Counter "saga_failed_total" [];
    /// Times that a saga entered COMPENSATED
    SAGA_COMPENSATED = Counter "saga_compensated_total" [];
    /// Time from FAILED to COMPENSATED, by event time
    SAGA_COMPENSATION_DURATION = Histogram "saga_compensation_duration_seconds" [];
    /// Latest event time of an event that reports FAILED, unix seconds; 0 before the first
    SAGA_LAST_FAILED = Gauge "saga_last_failed_timestamp" [];
    /// Events in timelines, duplicates left out; steps beyond the configured number count as other
    SAGA_EVENTS_PROCESSED = Counter "saga_events_processed_total" ["step", "status"];
    /// Times that a saga entered a status; types beyond the 50 most frequent count as other
    SAGAS_ENTERED = Counter "saga_tracker_sagas_entered_total" ["saga_type", "status"];
    /// Time from a saga's start to its first entry into COMPLETED, FAILED or COMPENSATED, by event time
    SAGA_DURATION = Histogram "saga_tracker_saga_duration_seconds" ["saga_type", "outcome"];
    /// Time from a saga's first event of one step to its first event of another, by event time, of the pairs that definitions name in edges
    EDGE_DURATION = Histogram "saga_tracker_edge_duration_seconds" ["edge"];
    /// Sagas that break a rule of their type's definition now; types beyond the 50 most frequent count as other
    CONFORMANCE_VIOLATIONS = Gauge "saga_tracker_conformance_violations" ["saga_type", "rule"];
    /// Times that a compensating step reported FAILED
    COMPENSATIONS_FAILED = Counter "saga_tracker_compensations_failed_total" ["saga_type"];
    /// Sagas that failed, owe a compensation, and are past the time for it now
    UNCOMPENSATED_OVERDUE = Gauge "saga_tracker_uncompensated_overdue" ["saga_type"];
    /// Sagas that are FAILED and did nothing before that can be undone: they owe no compensation
    NOTHING_TO_COMPENSATE = Gauge "saga_tracker_nothing_to_compensate" ["saga_type"];
    /// Sagas that have not ended within their deadline and are under way still
    PAST_DEADLINE = Gauge "saga_tracker_past_deadline" ["saga_type"];
    /// Time that deliveries took since the process began: producer is from the event to the broker, tracker from there until answers show it
    EVENT_DELAY = Histogram "saga_tracker_event_delay_seconds" ["stage"];
    /// Records at the broker that answers do not show yet: not read, or not folded; all partitions
    CONSUMER_LAG = Gauge "saga_tracker_consumer_lag" [];
    /// Records at the broker that answers do not show yet, by partition
    CONSUMER_PARTITION_LAG = Gauge "saga_tracker_consumer_partition_lag" ["partition"];
    /// The offset from which the tracker reads on, by partition: everything before it is stored
    CONSUMER_OFFSET = Gauge "saga_tracker_consumer_offset" ["partition"];
    /// The offset at which a partition ends at the broker, as far as it was asked
    CONSUMER_END_OFFSET = Gauge "saga_tracker_consumer_end_offset" ["partition"];
    /// 1 while consumption waits because the disk under the store is nearly full
    CONSUMPTION_PAUSED = Gauge "saga_tracker_consumption_paused" [];
    /// Bytes that are free on the disk under the store
    STORE_FREE = Gauge "saga_tracker_store_free_bytes" [];
    /// Time to answer an HTTP request; endpoint is the route's template
    API_LATENCY = Histogram "saga_tracker_api_latency_seconds" ["endpoint", "method", "status"];
    /// Time to answer an HTTP request, under the name that dashboards for Spring services use
    HTTP_SERVER_REQUESTS = Histogram "http_server_requests_seconds" ["endpoint", "method", "status"];
    /// Time that a question to the store took
    DB_QUERY = Histogram "saga_tracker_db_query_seconds" ["query"];
    /// Deliveries of an event that was already there
    DUPLICATES = Counter "saga_tracker_duplicates_total" [];
    /// Events of which different bodies were delivered
    CONFLICTS = Counter "saga_tracker_conflicts_total" [];
    /// Anomalies in timelines, by the rule that was broken
    ANOMALIES = Counter "saga_tracker_anomalies_total" ["kind"];
    /// Sagas that retention purged and nobody restored
    PURGED_SAGAS = Gauge "saga_tracker_purged_sagas" [];
    /// Their deliveries
    PURGED_EVENTS = Gauge "saga_tracker_purged_events" [];
    /// When the last search for due sagas came to its end, unix seconds; 0 when none did since the start
    RETENTION_LAST_SWEEP = Gauge "saga_tracker_retention_last_sweep_timestamp_seconds" [];
    /// How long the last search for due sagas took, with deciding and archiving
    RETENTION_SWEEP_DURATION = Gauge "saga_tracker_retention_last_sweep_duration_seconds" [];
    /// Sagas that the last search found due and that stay for now: held, recently active (within quiet hours), or left for the next one
    RETENTION_DUE = Gauge "saga_tracker_retention_due_sagas" [];
    /// Decisions that are read and not applied yet: what they name is still there
    RETENTION_PENDING = Gauge "saga_tracker_retention_pending_decisions" [];
    /// Searches for due sagas since the process began, by whether they came to their end
    RETENTION_SWEEPS = Counter "saga_tracker_retention_sweeps_total" ["result"];
    /// When a search for due sagas last did not come to its end, unix seconds; 0 when none since the start
    RETENTION_LAST_ERROR = Gauge "saga_tracker_retention_last_error_timestamp_seconds" [];
    /// 1 when decisions are no longer carried out, until a restart
    RETENTION_STOPPED = Gauge "saga_tracker_retention_stopped" [];
    /// 1 while a search for due sagas waits until all that both topics hold is read, folded and applied
    RETENTION_WAITING = Gauge "saga_tracker_retention_waiting" [];
    /// Decisions to purge or restore that this replica could not apply and skipped for good, by reason; health says which was the last
    RETENTION_SKIPPED = Counter "saga_tracker_retention_skipped_decisions_total" ["reason"];
    /// Attempts to tell webhooks what happened since the process began, by what it was and what the attempt came to
    WEBHOOK_NOTICES = Counter "saga_tracker_webhook_notices_total" ["event", "result"];
    /// Deliveries of sagas that were removed before
    LATE_EVENTS = Counter "saga_tracker_late_events_total" [];
    /// Records that could not be applied, by reason
    DEAD_LETTERS = Counter "saga_tracker_dead_letters_total" ["reason"];
    /// Dead letters to which nothing happened yet, by reason
    DEAD_LETTERS_OPEN = Gauge "saga_tracker_dead_letters_open" ["reason"];
    /// Dead letters whose event was published again and consumed, by reason
    DEAD_LETTERS_REDRIVEN = Counter "saga_tracker_dead_letters_redriven_total" ["reason"];
    /// Dead letters that were discarded and did not come back, by reason
    DEAD_LETTERS_DISCARDED = Gauge "saga_tracker_dead_letters_discarded" ["reason"];
    /// Redriven and discarded dead letters that are no longer kept, by reason
    DEAD_LETTERS_REMOVED = Counter "saga_tracker_dead_letters_removed_total" ["reason"];
    /// Times that the broker did not deliver offsets: expired means that events are lost to this store; undelivered is one for each transaction where producers use them
    OFFSET_GAPS = Counter "saga_tracker_offset_gaps_total" ["kind"];
    /// Offsets that the broker's retention removed before they were consumed
    OFFSETS_LOST = Counter "saga_tracker_offsets_lost_total" [];
    /// Offsets of the topic from the first that is accounted for on, each in exactly one class
    LEDGER_OFFSETS = Gauge "saga_tracker_ledger_offsets" ["class"];
    /// Offsets of which nobody knows what became of them; alert when above 0
    LEDGER_UNEXPLAINED = Gauge "saga_tracker_ledger_unexplained_offsets" [];
    /// Messages of the ops topic, by kind and what became of them
    DECISIONS = Counter "saga_tracker_decisions_total" ["kind", "outcome"];
    /// Messages of the ops topic that are not read yet
    OPS_LAG = Gauge "saga_tracker_ops_lag" [];
    /// 1 while messages of the ops topic wait because the disk under the store is nearly full
    OPS_PAUSED = Gauge "saga_tracker_ops_paused" [];
    /// 1 when the ops topic is no longer read until an operator does something; health says what
    OPS_STOPPED = Gauge "saga_tracker_ops_stopped" [];
    /// Entries of the audit log
    AUDIT_ENTRIES = Counter "saga_tracker_audit_entries_total" [];
    /// 1 while the state behind the other metrics can be read, 0 while the store refuses
    STORE_READABLE = Gauge "saga_tracker_store_readable" [];
    /// Bytes that the store takes up on disk
    STORE_DISK = Gauge "saga_tracker_store_disk_bytes" [];
    /// Bytes of memory that the store holds for caches and unwritten rows
    STORE_MEMORY = Gauge "saga_tracker_store_memory_bytes" [];
    /// When the last snapshot was made, unix seconds; 0 when none ever was, as far as known
    SNAPSHOT_LAST_SUCCESS = Gauge "saga_tracker_snapshot_last_success_timestamp_seconds" [];
    /// How long the last snapshot took
    SNAPSHOT_DURATION = Gauge "saga_tracker_snapshot_last_duration_seconds" [];
    /// Bytes of all files of the last snapshot
    SNAPSHOT_SIZE = Gauge "saga_tracker_snapshot_last_size_bytes" [];
    /// Bytes that were sent for the last snapshot
    SNAPSHOT_SENT = Gauge "saga_tracker_snapshot_last_sent_bytes" [];
    /// 1 while a snapshot is made
    SNAPSHOT_RUNNING = Gauge "saga_tracker_snapshot_running" [];
    /// Snapshots that were made or failed since the process began
    SNAPSHOTS = Counter "saga_tracker_snapshots_total" ["result", "trigger"];
    /// Resident memory size in bytes
    PROCESS_RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" [];
    /// Always 1; the version that runs is in the label
    BUILD_INFO = Gauge "saga_tracker_build_info" ["version"];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_only_sagas_in_a_status_is_a_gauge_named_total() {
        let names: BTreeSet<_> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len());
        for family in ALL {
            let total = family.name.ends_with("_total");
            assert_eq!(
                total,
                family.kind == Counter || *family == SAGA_ACTIVE,
                "{}",
                family.name
            );
            assert!(!family.help.is_empty() && !family.help.starts_with(' '));
        }
    }

    #[test]
    fn no_label_holds_an_id() {
        for family in ALL {
            for label in family.labels {
                assert!(
                    !label.to_ascii_lowercase().contains("id"),
                    "{} has {label}",
                    family.name
                );
            }
        }
    }
}
