//! The families that derive from stored state and from what ingest knows.

use super::catalogue::{self, Family};
use super::floor::Floor;
use super::sample::{Labels, Reading, Value};
use super::steps::{OTHER, StepLabels};
use super::{outcomes, rules};
use crate::domain::Millis;
use crate::operations::audit;
use crate::operations::decisions::OpsSnapshot;
use crate::operations::retention::{RetentionSnapshot, Skipped};
use crate::operations::snapshot::{Known, Trigger};
use crate::operations::webhooks::{NoticeEvent, NoticeResult, WebhookFigures};
use crate::pipeline::ingest::status::IngestSnapshot;
use crate::pipeline::query::{
    COMPENSATION_BUCKETS, GapCounts, LedgerRequest, OffsetsByClass, Query, QueryError, Totals,
};
use crate::store::dead_letters::DeadLetterCounts;
use crate::store::records::GapKind;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// What one scrape has to remember for the next.
pub(super) struct Remembered {
    /// None before the store was read for the first time.
    floor: Option<Floor>,
    steps: StepLabels,
    types: StepLabels,
}

impl Remembered {
    /// With labels for so many steps.
    pub(super) fn new(max_steps: usize) -> Self {
        Self {
            floor: None,
            steps: StepLabels::new(max_steps),
            types: StepLabels::new(outcomes::MAX_TYPES),
        }
    }

    /// All, as the last scrape left them, be it of an earlier process: what had a label keeps it.
    fn recall(
        &mut self,
        store: &dyn Store,
    ) -> Result<(&mut Floor, &mut StepLabels, &mut StepLabels), StoreError> {
        let floor = match self.floor.take() {
            Some(floor) => floor,
            None => {
                let floor = Floor::load(store)?;
                for (family, labels) in [
                    (catalogue::SAGA_EVENTS_PROCESSED, &mut self.steps),
                    (catalogue::SAGAS_ENTERED, &mut self.types),
                ] {
                    let mut told = floor.told(family);
                    told.remove(OTHER);
                    labels.admit(told);
                }
                floor
            }
        };
        Ok((self.floor.insert(floor), &mut self.steps, &mut self.types))
    }
}

/// Reads all that derives from the store. When the store refuses, its families are left out and
/// [`catalogue::STORE_READABLE`] says so: no metric is better than a wrong one.
pub(super) fn read(query: &Query, now: Millis, remembered: &mut Remembered, readings: &mut Vec<Reading>) {
    let readable = match from_store(query, now, remembered, readings) {
        Ok(()) => 1,
        Err(error) => {
            tracing::error!(%error, "the state behind the metrics cannot be read");
            0
        }
    };
    readings.push(Reading::gauge(catalogue::STORE_READABLE, Value::Whole(readable)));
}

fn from_store(
    query: &Query,
    now: Millis,
    remembered: &mut Remembered,
    readings: &mut Vec<Reading>,
) -> Result<(), QueryError> {
    let (floor, steps, types) = remembered.recall(&**query.store())?;
    let stored = Stored::read(query, steps)?;
    let by_type = query.outcomes(&|name| types.has(name), types.room())?;
    from_totals(&stored.totals, floor, steps, readings);
    outcomes::read(&by_type, floor, types, readings);
    rules::read(&query.rule_counts(now)?, floor, types, readings);
    from_letters(&stored.letters, floor, readings);
    readings.push(decisions(&stored.decisions, floor));
    readings.push(floor.counter(catalogue::AUDIT_ENTRIES, stored.audit_entries));
    readings.push(counted(catalogue::OFFSET_GAPS, &stored.gaps, floor));
    let lost = stored.gap_offsets.get(GapKind::Expired.as_str());
    readings.push(floor.counter(catalogue::OFFSETS_LOST, lost.copied().unwrap_or(0)));
    stored
        .ledger
        .iter()
        .for_each(|offsets| from_ledger(offsets, readings));
    if let Err(error) = floor.keep(&**query.store()) {
        tracing::error!(%error, "the highest values of counters are not stored: counters may fall at the next restart");
    }
    Ok(())
}

/// What one scrape needs of the store.
struct Stored {
    totals: Totals,
    letters: BTreeMap<String, DeadLetterCounts>,
    gaps: BTreeMap<String, u64>,
    gap_offsets: BTreeMap<String, u64>,
    /// `None` when it is switched off.
    ledger: Option<OffsetsByClass>,
    decisions: BTreeMap<String, u64>,
    audit_entries: u64,
}

impl Stored {
    fn read(query: &Query, steps: &mut StepLabels) -> Result<Self, QueryError> {
        let GapCounts {
            mut gaps,
            offsets: gap_offsets,
        } = query.gap_counts()?;
        // Both kinds show from the start, so that the first gap of a kind is a rise.
        for kind in [GapKind::Expired, GapKind::Undelivered] {
            gaps.entry(kind.as_str().to_owned()).or_default();
        }
        Ok(Self {
            totals: totals(query, steps)?,
            letters: query.letter_counts()?,
            gaps,
            gap_offsets,
            ledger: ledger(query)?,
            decisions: query.decision_counts()?,
            audit_entries: audit::count(&**query.store())?,
        })
    }
}

fn ledger(query: &Query) -> Result<Option<OffsetsByClass>, QueryError> {
    match query.ledger(&LedgerRequest::default()) {
        Ok(ledger) => Ok(Some(ledger.all())),
        Err(QueryError::SwitchedOff { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The sums, with every step that has a label.
fn totals(query: &Query, steps: &mut StepLabels) -> Result<Totals, QueryError> {
    let totals = query.totals_of(&|step| steps.has(step), steps.pairs())?;
    if totals.processed_elsewhere.is_empty() || steps.pairs() == 0 {
        return Ok(totals);
    }
    // Of the steps that get a label now, some counts may be among those that were not kept.
    admit(&totals, steps);
    query.totals_of(&|step| steps.has(step), steps.pairs())
}

fn admit(totals: &Totals, steps: &mut StepLabels) {
    let mut by_step: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, step), count) in &totals.processed {
        *by_step.entry(step).or_default() += count;
    }
    steps.admit(by_step);
}

fn from_letters(
    letters: &BTreeMap<String, DeadLetterCounts>,
    floor: &mut Floor,
    readings: &mut Vec<Reading>,
) {
    let by_reason = |count: fn(&DeadLetterCounts) -> u64| -> BTreeMap<String, u64> {
        letters
            .iter()
            .map(|(reason, counts)| (reason.clone(), count(counts)))
            .collect()
    };
    // What was removed since was there all the same: counters only grow.
    let all = by_reason(|counts| counts.total() + counts.removed());
    readings.push(counted(catalogue::DEAD_LETTERS, &all, floor));
    let removed = by_reason(DeadLetterCounts::removed);
    readings.push(counted(catalogue::DEAD_LETTERS_REMOVED, &removed, floor));
    let redriven = by_reason(|counts| counts.redriven + counts.removed_redriven);
    readings.push(counted(catalogue::DEAD_LETTERS_REDRIVEN, &redriven, floor));
    for (family, counts) in [
        (catalogue::DEAD_LETTERS_OPEN, by_reason(|counts| counts.open)),
        (
            catalogue::DEAD_LETTERS_DISCARDED,
            by_reason(|counts| counts.discarded),
        ),
    ] {
        let samples = counts
            .into_iter()
            .map(|(reason, count)| (vec![("reason", reason)], Value::Whole(count)));
        readings.push(Reading::gauges(family, samples.collect()));
    }
}

fn from_ledger(offsets: &OffsetsByClass, readings: &mut Vec<Reading>) {
    let by_class = offsets.by_label().into_iter();
    let samples = by_class.map(|(class, count)| (vec![("class", class.to_owned())], Value::Whole(count)));
    readings.push(Reading::gauges(catalogue::LEDGER_OFFSETS, samples.collect()));
    let unexplained = Value::Whole(offsets.unexplained);
    readings.push(Reading::gauge(catalogue::LEDGER_UNEXPLAINED, unexplained));
}

fn from_totals(totals: &Totals, floor: &mut Floor, steps: &mut StepLabels, readings: &mut Vec<Reading>) {
    let active = totals
        .active
        .iter()
        .map(|(status, sagas)| (vec![("status", status.to_string())], Value::Whole(*sagas)))
        .collect();
    readings.push(Reading::gauges(catalogue::SAGA_ACTIVE, active));
    for (family, value) in [
        (catalogue::SAGA_FAILED, totals.failed),
        (catalogue::SAGA_COMPENSATED, totals.compensated),
        (catalogue::DUPLICATES, totals.duplicates),
        (catalogue::CONFLICTS, totals.conflicts),
        (catalogue::LATE_EVENTS, totals.late),
    ] {
        readings.push(floor.counter(family, value));
    }
    for (family, value) in [
        (catalogue::PURGED_SAGAS, totals.purged_sagas),
        (catalogue::PURGED_EVENTS, totals.purged_events),
    ] {
        readings.push(Reading::gauge(family, Value::Whole(value)));
    }
    readings.push(compensation(totals, floor));
    let last_failed = totals.last_failed_at.map_or(0.0, Millis::as_seconds);
    readings.push(Reading::gauge(
        catalogue::SAGA_LAST_FAILED,
        Value::Real(last_failed),
    ));
    readings.push(processed(totals, floor, steps));
    let anomalies = totals.anomalies.iter();
    let anomalies = anomalies.map(|(kind, count)| (vec![("kind", (*kind).to_owned())], *count));
    readings.push(floor.counters(catalogue::ANOMALIES, anomalies.collect()));
}

fn compensation(totals: &Totals, floor: &mut Floor) -> Reading {
    let bounds = COMPENSATION_BUCKETS.into_iter().chain([f64::INFINITY]);
    let counts = totals
        .compensation_buckets
        .iter()
        .copied()
        .chain(std::iter::repeat(0));
    floor.histogram(
        catalogue::SAGA_COMPENSATION_DURATION,
        totals.compensation_millis,
        bounds.zip(counts).collect(),
    )
}

fn processed(totals: &Totals, floor: &mut Floor, steps: &mut StepLabels) -> Reading {
    admit(totals, steps);
    let mut shown: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for ((status, step), count) in &totals.processed {
        *shown.entry((steps.label(step), status.as_str())).or_default() += count;
    }
    for (status, count) in &totals.processed_elsewhere {
        *shown.entry((OTHER, status.as_str())).or_default() += count;
    }
    let samples = shown.into_iter().map(|((step, status), count)| {
        let labels = vec![("step", step.to_owned()), ("status", status.to_owned())];
        (labels, count)
    });
    floor.counters(catalogue::SAGA_EVENTS_PROCESSED, samples.collect())
}

/// Counts by `kind outcome`.
fn decisions(counts: &BTreeMap<String, u64>, floor: &mut Floor) -> Reading {
    let samples = counts.iter().map(|(member, count)| {
        let (kind, outcome) = member.split_once(' ').unwrap_or((member, ""));
        let labels = vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())];
        (labels, *count)
    });
    floor.counters(catalogue::DECISIONS, samples.collect())
}

/// A family with one label, from counts by its values.
fn counted(family: Family, counts: &BTreeMap<String, u64>, floor: &mut Floor) -> Reading {
    let label = family.labels.first().copied().unwrap_or("kind");
    let samples = counts.iter();
    let samples = samples.map(|(value, count)| (vec![(label, value.clone())], *count));
    floor.counters(family, samples.collect())
}

/// Reads how far consumption is behind.
pub(super) fn read_ingest(ingest: &IngestSnapshot, readings: &mut Vec<Reading>) {
    let sum = ingest.lag().map(|(_, lag)| lag).sum();
    readings.push(Reading::gauge(catalogue::CONSUMER_LAG, Value::Whole(sum)));
    readings.push(by_partition(catalogue::CONSUMER_PARTITION_LAG, ingest.lag()));
    readings.push(by_partition(catalogue::CONSUMER_OFFSET, ingest.next.iter()));
    readings.push(by_partition(catalogue::CONSUMER_END_OFFSET, ingest.end.iter()));
    let paused = u64::from(ingest.shortage.is_some());
    readings.push(Reading::gauge(
        catalogue::CONSUMPTION_PAUSED,
        Value::Whole(paused),
    ));
    if let Some(free) = ingest.free_bytes {
        readings.push(Reading::gauge(catalogue::STORE_FREE, Value::Whole(free)));
    }
}

fn by_partition(family: Family, values: impl Iterator<Item = (u32, u64)>) -> Reading {
    let samples = values.map(|(partition, value)| -> (Labels, Value) {
        (vec![("partition", partition.to_string())], Value::Whole(value))
    });
    Reading::gauges(family, samples.collect())
}

/// Reads how far decisions are behind.
pub(super) fn read_ops(ops: &OpsSnapshot, readings: &mut Vec<Reading>) {
    for (family, value) in [
        (catalogue::OPS_LAG, ops.lag()),
        (catalogue::OPS_PAUSED, u64::from(ops.shortage.is_some())),
        (catalogue::OPS_STOPPED, u64::from(ops.fatal.is_some())),
    ] {
        readings.push(Reading::gauge(family, Value::Whole(value)));
    }
}

/// Reads what retention does, of decisions that are read up to `decided`.
pub(super) fn read_retention(known: &RetentionSnapshot, decided: u64, readings: &mut Vec<Reading>) {
    for (family, value) in [
        (
            catalogue::RETENTION_LAST_SWEEP,
            known.last_sweep.map_or(0.0, Millis::as_seconds),
        ),
        (
            catalogue::RETENTION_SWEEP_DURATION,
            known.last_sweep_took.as_secs_f64(),
        ),
        (
            catalogue::RETENTION_LAST_ERROR,
            known.problem_at.map_or(0.0, Millis::as_seconds),
        ),
    ] {
        readings.push(Reading::gauge(family, Value::Real(value)));
    }
    for (family, value) in [
        (catalogue::RETENTION_DUE, known.due),
        (catalogue::RETENTION_PENDING, decided.saturating_sub(known.next)),
        (catalogue::RETENTION_STOPPED, u64::from(known.failed.is_some())),
        (catalogue::RETENTION_WAITING, u64::from(known.waiting.is_some())),
    ] {
        readings.push(Reading::gauge(family, Value::Whole(value)));
    }
    let results = [("success", known.sweeps), ("failure", known.failed_sweeps)];
    let results = results.map(|(result, count)| (vec![("result", result.to_owned())], count));
    readings.push(Reading::since_start(
        catalogue::RETENTION_SWEEPS,
        results.to_vec(),
    ));
    let skipped = Skipped::ALL.map(|why| {
        let count = known.skipped.get(&why).copied().unwrap_or(0);
        (vec![("reason", why.as_str().to_owned())], count)
    });
    readings.push(Reading::since_start(
        catalogue::RETENTION_SKIPPED,
        skipped.to_vec(),
    ));
}

/// Reads how webhooks are told.
pub(super) fn read_webhooks(known: &WebhookFigures, readings: &mut Vec<Reading>) {
    let mut attempts = Vec::new();
    for event in NoticeEvent::ALL {
        for result in NoticeResult::ALL {
            let labels = vec![
                ("event", event.as_str().to_owned()),
                ("result", result.as_str().to_owned()),
            ];
            let count = known.attempts.get(&(event, result)).copied().unwrap_or(0);
            attempts.push((labels, count));
        }
    }
    readings.push(Reading::since_start(catalogue::WEBHOOK_NOTICES, attempts));
}

/// Reads what is known of snapshots.
pub(super) fn read_snapshots(known: &Known, readings: &mut Vec<Reading>) {
    let last = known.last.as_ref();
    let seconds = |millis: u64| millis as f64 / 1000.0;
    let made_at = last.map_or(0.0, |last| last.at.as_seconds());
    let took = last.map_or(0.0, |last| seconds(last.took_ms));
    readings.push(Reading::gauge(
        catalogue::SNAPSHOT_LAST_SUCCESS,
        Value::Real(made_at),
    ));
    readings.push(Reading::gauge(catalogue::SNAPSHOT_DURATION, Value::Real(took)));
    for (family, value) in [
        (catalogue::SNAPSHOT_SIZE, last.map_or(0, |last| last.bytes)),
        (catalogue::SNAPSHOT_SENT, last.map_or(0, |last| last.sent_bytes)),
        (catalogue::SNAPSHOT_RUNNING, u64::from(known.running.is_some())),
    ] {
        readings.push(Reading::gauge(family, Value::Whole(value)));
    }
    let results = Trigger::ALL.into_iter().flat_map(|trigger| {
        let tally = known.tally(trigger);
        [("success", tally.successes), ("failure", tally.failures)].map(|(result, count)| {
            let labels = vec![
                ("result", result.to_owned()),
                ("trigger", trigger.as_str().to_owned()),
            ];
            (labels, count)
        })
    });
    readings.push(Reading::since_start(catalogue::SNAPSHOTS, results.collect()));
}

#[cfg(test)]
mod tests;
