//! The names in the `totals` and `meta` tables. Never changed or reused.

/// Totals, numbered by partition: the next offset that the projections have not folded.
pub const CURSOR: &str = "cursor";
/// Totals, named by saga type: sagas of that type.
pub const TYPES: &str = "types";
/// Totals, numbered by status: sagas in it.
pub const ACTIVE: &str = "active";
/// Totals: times a saga entered FAILED.
pub const FAILED: &str = "failed";
/// Totals: times a saga entered COMPENSATED.
pub const COMPENSATED: &str = "compensated";
/// Totals: latest event time of any delivery that reported a failure.
pub const LAST_FAILED_AT: &str = "last_failed_at";
/// Totals, numbered by bucket: times from FAILED to COMPENSATED.
pub const COMPENSATION_BUCKETS: &str = "compensation_buckets";
/// Totals: sum of those times, milliseconds.
pub const COMPENSATION_MILLIS: &str = "compensation_millis";
/// Totals, by status and step: events in timelines.
pub const PROCESSED: &str = "processed";
/// Totals: deliveries that were duplicates.
pub const DUPLICATES: &str = "duplicates";
/// Totals: events of which different bodies were delivered.
pub const CONFLICTS: &str = "conflicts";
/// Totals, numbered by anomaly kind: anomalies.
pub const ANOMALIES: &str = "anomalies";

/// Totals, by saga type and status: times that a saga entered it.
pub const ENTERED: &str = "entered";
/// Totals, by saga type, status and bucket: times from a saga's start to its first entry into it.
pub const OUTCOME_BUCKETS: &str = "outcome_buckets";
/// Totals, by saga type and status: sum of those times, milliseconds.
pub const OUTCOME_MILLIS: &str = "outcome_millis";
/// Totals, by pair of steps and bucket: times from the one to the other.
pub const EDGE_BUCKETS: &str = "edge_buckets";
/// Totals, named by pair of steps: sum of those times, milliseconds.
pub const EDGE_MILLIS: &str = "edge_millis";
/// Totals, named by saga type: times that a compensating step reported FAILED.
pub const FAILED_COMPENSATIONS: &str = "failed_compensations";

/// Totals: sagas whose events were purged and not restored.
pub const PURGED_SAGAS: &str = "purged_sagas";
/// Totals: those events, deliveries that were duplicates included.
pub const PURGED_EVENTS: &str = "purged_events";
/// Totals: deliveries of sagas that were gone already.
pub const LATE: &str = "late";

/// The totals that are counters: whoever reads them must not see them fall.
pub const COUNTERS: [&str; 15] = [
    FAILED,
    COMPENSATED,
    COMPENSATION_BUCKETS,
    COMPENSATION_MILLIS,
    PROCESSED,
    DUPLICATES,
    CONFLICTS,
    ANOMALIES,
    LATE,
    ENTERED,
    OUTCOME_BUCKETS,
    OUTCOME_MILLIS,
    EDGE_BUCKETS,
    EDGE_MILLIS,
    FAILED_COMPENSATIONS,
];

/// All others: they go both ways, or are none of sagas and events.
#[cfg(test)]
pub const GAUGES: [&str; 6] = [CURSOR, TYPES, ACTIVE, LAST_FAILED_AT, PURGED_SAGAS, PURGED_EVENTS];

/// Meta, named by family and labels: the highest value of a counter that anybody was told.
pub const TOLD_COUNTERS: &str = "told_counters";
/// Meta: the next decision whose purge or restore is not done.
pub const RETENTION_CURSOR: &str = "retention_cursor";
/// Meta: the decision that is being done in several writes: it counts as not done, and some of it shows.
pub const RETENTION_BEGUN: &str = "retention_begun";
/// Meta, named by saga: it is purged, and not all rows of it are removed yet; by which decision, and
/// inside which cut.
pub const UNFINISHED_PURGES: &str = "unfinished_purges";
/// Meta, named by saga: it is being restored, or is back and not all rows of it are what they will be.
pub const UNFINISHED_RESTORES: &str = "unfinished_restores";
/// Meta: events removed since the room of removed rows was last given back.
pub const RECLAIMABLE: &str = "reclaimable";
/// Meta: the archive object that no decision names yet.
pub const ARCHIVE_PENDING: &str = "archive_pending";
/// Meta: which generation of projections serves, `a` or `b`.
pub const ACTIVE_GENERATION: &str = "active_generation";
/// Meta: format version of the store.
pub const FORMAT: &str = "format";
/// Meta, named by generation: the rules of the fold that its projections are made under.
pub const FOLD_RULES: &str = "fold_rules";
/// Meta, named by generation: the tables of projections that it lacks, by name, separated by commas.
pub const OFF: &str = "off";
/// Meta, numbered by partition: the next offset whose dead letter has not been published.
pub const DEAD_LETTER_CURSOR: &str = "dead_letter_cursor";
/// Meta, named by reason: dead letters.
pub const DEAD_LETTER_COUNTS: &str = "dead_letter_counts";
/// Meta, named by reason: dead letters that came back.
pub const REDRIVEN_COUNTS: &str = "redriven_counts";
/// Meta, named by reason: dead letters that were discarded and did not come back.
pub const DISCARDED_COUNTS: &str = "discarded_counts";
/// Meta, named by reason: dead letters that came back and were removed since.
pub const REMOVED_REDRIVEN_COUNTS: &str = "removed_redriven_counts";
/// Meta, named by reason: dead letters that were discarded and removed since.
pub const REMOVED_DISCARDED_COUNTS: &str = "removed_discarded_counts";
/// Meta: `1` once every stored dead letter has its row in `letters`.
pub const LETTERS_LISTED: &str = "letters_listed";
/// Meta, named by kind: gaps.
pub const GAP_COUNTS: &str = "gap_counts";
/// Meta: how many audit entries there are, and the hash of the last.
pub const AUDIT_HEAD: &str = "audit_head";
/// Meta, named by kind and outcome: what came over the ops topic.
pub const DECISION_COUNTS: &str = "decision_counts";
/// Meta, numbered by partition: from where on gaps are recorded as harmless before the broker said so.
pub const GAPS_UNSETTLED: &str = "gaps_unsettled";
/// Meta, named by id: one more than the offset of the decision of that id.
pub const DECISION_IDS: &str = "decision_ids";
/// Meta, named by number: the offset of the decision that applied that version of the saga definitions.
pub const DEFINITION_VERSIONS: &str = "definition_versions";
/// Meta, named by why: decisions to purge or restore that this replica could not do, and left.
pub const RETENTION_SKIPPED: &str = "retention_skipped";
/// Meta: the last of them, and why, in words.
pub const RETENTION_LAST_SKIPPED: &str = "retention_last_skipped";
/// Meta, named by kind: offsets inside gaps.
pub const GAP_OFFSETS: &str = "gap_offsets";
