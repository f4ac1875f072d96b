//! Values about single sagas: their states, and what is kept beside states of long timelines.

use super::StoreError;
use super::census_records::ChangesRecord;
use super::codec::{Record, status};
use crate::domain::{
    Anomaly, AnomalyKind, AnomalyLog, CompensationTimes, Conflict, ConflictLog, EventDigest, EventId, Listed,
    Mark, Millis, OrderId, Position, Reports, SagaState, SagaStatus, SagaType, Said, Step, StepTally,
    TimelineKey, TraceIds,
};
use bincode::{BorrowDecode, Encode};

const STATUSES: u32 = SagaStatus::ALL.len() as u32;

/// `instances`: the state of a saga.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct InstanceRecord<'a> {
    saga_type: &'a str,
    order_id: &'a str,
    status: u8,
    /// Of a log that is not complete; the last change of one that is says it.
    since: Option<i64>,
    changes: ChangesRecord,
    last_step: &'a str,
    /// One more than where it stands in `trace_ids`; 0 when it does not.
    last_trace: u8,
    last_trace_id: Option<&'a str>,
    trace_ids: Vec<&'a str>,
    failed_step: Option<SaidRecord<'a>>,
    failure_reason: Option<SaidRecord<'a>>,
    tally: TallyRecord<'a>,
    started_at: i64,
    updated_at: i64,
    step_count: u32,
    duplicates: u32,
    failures: u32,
    compensations: u32,
    last_failed_at: Option<i64>,
    compensation_counts: Vec<(u8, u32)>,
    compensation_millis: u64,
    anomalies: AnomaliesRecord<'a>,
    conflicts: ConflictsRecord<'a>,
    tail_partition: u32,
    tail_offset: u64,
    listed: Option<Vec<ListedRecord>>,
}

/// An event of a short timeline. Places are told by how far they are from the one before (the first
/// from the saga's start and from offset 0): few bytes where events come one after the other.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
struct ListedRecord {
    fingerprint: [u8; 4],
    later_by: u64,
    /// The partition, doubled; one more when different bodies were delivered.
    partition_conflicting: u64,
    offset_by: i64,
}

#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
struct SaidRecord<'a> {
    recorded_at: i64,
    partition: u32,
    offset: u64,
    text: &'a str,
}

#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
struct TallyRecord<'a> {
    reports: Vec<ReportsRecord>,
    failed_by: u32,
    strange: u32,
    last_strange: Option<SaidRecord<'a>>,
    unfit: u32,
    last_unfit: Option<SaidRecord<'a>>,
}

#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
struct ReportsRecord {
    /// Five for each step, and the status.
    step_status: u32,
    count: u32,
    first: u32,
    /// Than the saga's start.
    first_later_by: u64,
    /// The last one, told by how far it is from the first; `None` when it is that.
    last: Option<(u32, u64)>,
}

#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
struct ConflictsRecord<'a> {
    total: u32,
    kept: Vec<(u32, u64, &'a str, i64)>,
}

#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
struct AnomaliesRecord<'a> {
    total: u32,
    kept: Vec<(u8, &'a str, i64)>,
}

impl<'a> Record<'a> for InstanceRecord<'a> {
    const TABLE: &'static str = "instances";
    const FORMAT: u8 = 4;
}

impl<'a> InstanceRecord<'a> {
    /// The record of a state.
    pub fn of(state: &'a SagaState) -> Self {
        let last_trace = state.last_trace_id.as_deref().map_or(0, |last| {
            let place = state.trace_ids.0.iter().position(|known| **known == *last);
            place.map_or(0, |place| u8::try_from(place + 1).unwrap_or(0))
        });
        Self {
            saga_type: state.saga_type.as_str(),
            order_id: state.order_id.as_str(),
            status: state.status.tag(),
            since: (!state.changes.is_complete()).then_some(state.since.0),
            changes: ChangesRecord::of(&state.changes, state.started_at),
            last_step: state.last_step.as_str(),
            last_trace,
            last_trace_id: state.last_trace_id.as_deref().filter(|_| last_trace == 0),
            trace_ids: state.trace_ids.0.iter().map(|trace_id| &**trace_id).collect(),
            failed_step: state.failed_step.as_ref().map(SaidRecord::of),
            failure_reason: state.failure_reason.as_ref().map(SaidRecord::of),
            tally: TallyRecord::of(&state.tally, state.started_at),
            started_at: state.started_at.0,
            updated_at: state.updated_at.0,
            step_count: state.step_count,
            duplicates: state.duplicates,
            failures: state.failures,
            compensations: state.compensations,
            last_failed_at: state.last_failed_at.map(|at| at.0),
            compensation_counts: state.compensation_times.counts.clone(),
            compensation_millis: state.compensation_times.millis,
            anomalies: AnomaliesRecord::of(&state.anomalies),
            conflicts: ConflictsRecord::of(&state.conflicts),
            tail_partition: state.tail.position.partition,
            tail_offset: state.tail.position.offset,
            listed: state
                .listed
                .as_ref()
                .map(|listed| list_of(listed, state.started_at)),
        }
    }

    /// The state of the record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a status or anomaly that does not exist.
    pub fn state(self) -> Result<SagaState, StoreError> {
        let changes = self.changes.log(Millis(self.started_at), Self::TABLE)?;
        let last_change = changes.kept.last().map(|change| change.at);
        let since = self.since.map(Millis).or(last_change);
        let last_trace = match self.last_trace {
            0 => self.last_trace_id,
            place => self.trace_ids.get(usize::from(place) - 1).copied(),
        };
        Ok(SagaState {
            saga_type: SagaType::new(self.saga_type),
            order_id: OrderId::new(self.order_id),
            status: status(self.status, Self::TABLE)?,
            since: since.ok_or_else(|| StoreError::Corrupt("instances: no change of status".into()))?,
            changes,
            last_step: Step::new(self.last_step),
            last_trace_id: last_trace.map(Into::into),
            trace_ids: TraceIds(self.trace_ids.into_iter().map(Into::into).collect()),
            failed_step: self.failed_step.map(SaidRecord::said),
            failure_reason: self.failure_reason.map(SaidRecord::said),
            tally: self.tally.tally(Millis(self.started_at))?,
            started_at: Millis(self.started_at),
            updated_at: Millis(self.updated_at),
            step_count: self.step_count,
            duplicates: self.duplicates,
            failures: self.failures,
            compensations: self.compensations,
            last_failed_at: self.last_failed_at.map(Millis),
            compensation_times: CompensationTimes {
                counts: self.compensation_counts,
                millis: self.compensation_millis,
            },
            anomalies: self.anomalies.log()?,
            conflicts: self.conflicts.log(),
            tail: TimelineKey {
                recorded_at: Millis(self.updated_at),
                position: Position::new(self.tail_partition, self.tail_offset),
            },
            listed: self
                .listed
                .map(|listed| listed_of(&listed, Millis(self.started_at))),
        })
    }
}

impl<'a> SaidRecord<'a> {
    fn of(said: &'a Said) -> Self {
        Self {
            recorded_at: said.place.recorded_at.0,
            partition: said.place.position.partition,
            offset: said.place.position.offset,
            text: &said.text,
        }
    }

    fn said(self) -> Said {
        Said {
            place: TimelineKey {
                recorded_at: Millis(self.recorded_at),
                position: Position::new(self.partition, self.offset),
            },
            text: self.text.into(),
        }
    }
}

impl<'a> TallyRecord<'a> {
    fn of(tally: &'a StepTally, started_at: Millis) -> Self {
        let reports = tally.reports.iter();
        Self {
            reports: reports
                .map(|reports| ReportsRecord::of(reports, started_at))
                .collect(),
            failed_by: tally.failed_by,
            strange: tally.strange,
            last_strange: tally.last_strange.as_ref().map(SaidRecord::of),
            unfit: tally.unfit,
            last_unfit: tally.last_unfit.as_ref().map(SaidRecord::of),
        }
    }

    fn tally(self, started_at: Millis) -> Result<StepTally, StoreError> {
        let reports = self.reports.iter().map(|reports| reports.reports(started_at));
        Ok(StepTally {
            reports: reports.collect::<Result<_, _>>()?,
            failed_by: self.failed_by,
            strange: self.strange,
            last_strange: self.last_strange.map(SaidRecord::said),
            unfit: self.unfit,
            last_unfit: self.last_unfit.map(SaidRecord::said),
        })
    }
}

impl ReportsRecord {
    fn of(reports: &Reports, started_at: Millis) -> Self {
        let (first, last) = (reports.first, reports.last);
        let later_by = |mark: Mark, than: Millis| mark.at.0.wrapping_sub(than.0) as u64;
        let behind = || (last.number.wrapping_sub(first.number), later_by(last, first.at));
        Self {
            step_status: u32::from(reports.step) * STATUSES + u32::from(reports.status.tag()),
            count: reports.count,
            first: first.number,
            first_later_by: later_by(first, started_at),
            last: (last != first).then(behind),
        }
    }

    fn reports(&self, started_at: Millis) -> Result<Reports, StoreError> {
        let at = |than: Millis, later_by: u64| Millis(than.0.wrapping_add(later_by as i64));
        let first = Mark {
            number: self.first,
            at: at(started_at, self.first_later_by),
        };
        let behind = |(number, later_by): (u32, u64)| Mark {
            number: first.number.wrapping_add(number),
            at: at(first.at, later_by),
        };
        let step = u16::try_from(self.step_status / STATUSES);
        Ok(Reports {
            step: step.map_err(|_| StoreError::Corrupt("instances: number of a step".into()))?,
            status: status((self.step_status % STATUSES) as u8, "instances")?,
            count: self.count,
            first,
            last: self.last.map_or(first, behind),
        })
    }
}

impl<'a> AnomaliesRecord<'a> {
    fn of(log: &'a AnomalyLog) -> Self {
        let kept = log
            .kept
            .iter()
            .map(|a| (a.kind.tag(), a.event_id.as_str(), a.at.0))
            .collect();
        Self {
            total: log.total,
            kept,
        }
    }

    fn log(self) -> Result<AnomalyLog, StoreError> {
        let kept = self
            .kept
            .into_iter()
            .map(|(tag, event_id, at)| {
                let kind = AnomalyKind::from_tag(tag)
                    .ok_or_else(|| StoreError::Corrupt(format!("instances: anomaly kind {tag}")))?;
                Ok(Anomaly {
                    kind,
                    event_id: EventId::new(event_id),
                    at: Millis(at),
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(AnomalyLog {
            kept,
            total: self.total,
        })
    }
}

impl<'a> ConflictsRecord<'a> {
    fn of(log: &'a ConflictLog) -> Self {
        let kept = log.kept.iter().map(|conflict| {
            let (at, anomaly) = (conflict.position, &conflict.anomaly);
            (at.partition, at.offset, anomaly.event_id.as_str(), anomaly.at.0)
        });
        Self {
            total: log.total,
            kept: kept.collect(),
        }
    }

    fn log(self) -> ConflictLog {
        let kept = self
            .kept
            .into_iter()
            .map(|(partition, offset, event_id, at)| Conflict {
                position: Position::new(partition, offset),
                anomaly: Anomaly {
                    kind: AnomalyKind::EventIdConflict,
                    event_id: EventId::new(event_id),
                    at: Millis(at),
                },
            });
        ConflictLog {
            kept: kept.collect(),
            total: self.total,
        }
    }
}

fn list_of(listed: &[Listed], started_at: Millis) -> Vec<ListedRecord> {
    let mut before = (started_at.0, 0u64);
    let mut record = |known: &Listed| {
        let (at, position) = (known.place.recorded_at.0, known.place.position);
        let record = ListedRecord {
            fingerprint: known.fingerprint.to_le_bytes(),
            later_by: at.wrapping_sub(before.0) as u64,
            partition_conflicting: u64::from(position.partition) << 1 | u64::from(known.conflicting),
            offset_by: position.offset.wrapping_sub(before.1) as i64,
        };
        before = (at, position.offset);
        record
    };
    listed.iter().map(&mut record).collect()
}

fn listed_of(records: &[ListedRecord], started_at: Millis) -> Vec<Listed> {
    let mut before = (started_at.0, 0u64);
    let mut listed = |record: &ListedRecord| {
        before.0 = before.0.wrapping_add(record.later_by as i64);
        before.1 = before.1.wrapping_add(record.offset_by as u64);
        Listed {
            place: TimelineKey {
                recorded_at: Millis(before.0),
                position: Position::new((record.partition_conflicting >> 1) as u32, before.1),
            },
            fingerprint: u32::from_le_bytes(record.fingerprint),
            conflicting: record.partition_conflicting & 1 == 1,
        }
    };
    records.iter().map(&mut listed).collect()
}

/// `timelines`: which delivery of an event stands. Its key is the digest of the event's key.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct StandingRecord {
    recorded_at: i64,
    partition: u32,
    offset: u64,
    body: [u8; 16],
    conflicting: bool,
}

impl Record<'_> for StandingRecord {
    const TABLE: &'static str = "timelines";
    const FORMAT: u8 = 1;
}

impl StandingRecord {
    /// The record of a delivery with this body in this place; `conflicting` when other bodies of the
    /// event were delivered.
    pub fn of(place: TimelineKey, body: EventDigest, conflicting: bool) -> Self {
        Self {
            recorded_at: place.recorded_at.0,
            partition: place.position.partition,
            offset: place.position.offset,
            body: body.0,
            conflicting,
        }
    }

    /// Its place.
    pub fn place(&self) -> TimelineKey {
        TimelineKey {
            recorded_at: Millis(self.recorded_at),
            position: Position::new(self.partition, self.offset),
        }
    }

    /// The digest of its body.
    pub fn body(&self) -> EventDigest {
        EventDigest(self.body)
    }

    /// Whether other bodies of the event were delivered.
    pub fn is_conflicting(&self) -> bool {
        self.conflicting
    }
}
