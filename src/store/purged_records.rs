//! Values of the tables that retention keeps: what was removed, where it lies now, what must stay.

use super::StoreError;
use super::census_records::StartedRecord;
use super::codec::{Record, status};
use crate::domain::{
    AnomalyKind, CompensationTimes, Millis, OrderId, Position, PurgedSaga, Remains, RowGroups, SagaType, Step,
};
use bincode::{BorrowDecode, Encode};

/// `purged`: what was removed of a saga.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct PurgedRecord<'a> {
    decision: u64,
    purged_at: i64,
    rule: &'a str,
    saga_type: &'a str,
    order_id: &'a str,
    status: u8,
    started_at: i64,
    updated_at: i64,
    steps: u32,
    events: u32,
    hash: [u8; 32],
    first: (u32, u64),
    last: (u32, u64),
    row_groups: Option<(u32, u32)>,
    arrivals: Vec<(u32, i64, u32)>,
    path: StartedRecord,
    remains: RemainsRecord<'a>,
    restored: Option<(u64, i64)>,
}

#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
struct RemainsRecord<'a> {
    failures: u32,
    compensations: u32,
    compensation_counts: Vec<(u8, u32)>,
    compensation_millis: u64,
    duplicates: u32,
    conflicts: u32,
    anomalies: Vec<u8>,
    failed_compensations: u32,
    last_failed_at: Option<i64>,
    processed: Vec<(u8, &'a str, u32)>,
    edges: Vec<(&'a str, u64)>,
}

impl<'a> Record<'a> for PurgedRecord<'a> {
    const TABLE: &'static str = "purged";
    const FORMAT: u8 = 6;
}

impl<'a> PurgedRecord<'a> {
    /// The record of a purge.
    pub fn of(purged: &'a PurgedSaga) -> Self {
        let remains = &purged.remains;
        Self {
            decision: purged.decision,
            purged_at: purged.purged_at.0,
            rule: &purged.rule,
            saga_type: purged.saga_type.as_str(),
            order_id: purged.order_id.as_str(),
            status: purged.status.tag(),
            started_at: purged.started_at.0,
            updated_at: purged.updated_at.0,
            steps: purged.steps,
            events: purged.events,
            hash: purged.hash,
            first: (purged.first.partition, purged.first.offset),
            last: (purged.last.partition, purged.last.offset),
            row_groups: purged.row_groups.map(|groups| (groups.first, groups.count)),
            arrivals: purged
                .arrivals
                .iter()
                .map(|((partition, day), count)| (*partition, *day, *count))
                .collect(),
            path: StartedRecord::of(&purged.path, purged.started_at),
            remains: RemainsRecord {
                failures: remains.failures,
                compensations: remains.compensations,
                compensation_counts: remains.compensation_times.counts.clone(),
                compensation_millis: remains.compensation_times.millis,
                duplicates: remains.duplicates,
                conflicts: remains.conflicts,
                anomalies: remains.anomalies.iter().map(|kind| kind.tag()).collect(),
                failed_compensations: remains.failed_compensations,
                last_failed_at: remains.last_failed_at.map(|at| at.0),
                processed: remains
                    .processed
                    .iter()
                    .map(|((status, step), count)| (status.tag(), step.as_str(), *count))
                    .collect(),
                edges: remains
                    .edges
                    .iter()
                    .map(|(edge, millis)| (&**edge, *millis))
                    .collect(),
            },
            restored: purged.restored.map(|(decision, at)| (decision, at.0)),
        }
    }

    /// Whether it has not been restored since.
    pub fn is_gone(&self) -> bool {
        self.restored.is_none()
    }

    /// The purge of the record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a status or anomaly that does not exist.
    pub fn purged(self) -> Result<PurgedSaga, StoreError> {
        let position = |(partition, offset)| Position::new(partition, offset);
        Ok(PurgedSaga {
            decision: self.decision,
            purged_at: Millis(self.purged_at),
            rule: self.rule.into(),
            saga_type: SagaType::new(self.saga_type),
            order_id: OrderId::new(self.order_id),
            status: status(self.status, "purged")?,
            started_at: Millis(self.started_at),
            updated_at: Millis(self.updated_at),
            steps: self.steps,
            events: self.events,
            hash: self.hash,
            first: position(self.first),
            last: position(self.last),
            row_groups: self.row_groups.map(|(first, count)| RowGroups { first, count }),
            arrivals: self
                .arrivals
                .into_iter()
                .map(|(partition, day, count)| ((partition, day), count))
                .collect(),
            path: self.path.path(Millis(self.started_at))?,
            remains: self.remains.remains()?,
            restored: self.restored.map(|(decision, at)| (decision, Millis(at))),
        })
    }
}

impl RemainsRecord<'_> {
    fn remains(self) -> Result<Remains, StoreError> {
        let anomaly = |tag: u8| {
            AnomalyKind::from_tag(tag)
                .ok_or_else(|| StoreError::Corrupt(format!("purged: anomaly kind {tag}")))
        };
        let processed = self.processed.into_iter();
        Ok(Remains {
            failures: self.failures,
            compensations: self.compensations,
            compensation_times: CompensationTimes {
                counts: self.compensation_counts,
                millis: self.compensation_millis,
            },
            duplicates: self.duplicates,
            conflicts: self.conflicts,
            anomalies: self
                .anomalies
                .into_iter()
                .map(anomaly)
                .collect::<Result<_, _>>()?,
            failed_compensations: self.failed_compensations,
            last_failed_at: self.last_failed_at.map(Millis),
            processed: processed
                .map(|(tag, step, count)| Ok(((status(tag, "purged")?, Step::new(step)), count)))
                .collect::<Result<_, StoreError>>()?,
            edges: self
                .edges
                .into_iter()
                .map(|(edge, millis)| (edge.into(), millis))
                .collect(),
        })
    }
}

/// `archived`: an object that holds what a decision removed. Its key is the decision.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct ArchivedRecord<'a> {
    /// Its name, within the place where objects are kept.
    pub object: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub hash: [u8; 32],
    /// The type of the sagas in it.
    pub saga_type: &'a str,
    /// The day of their last events, as in its name.
    pub day: &'a str,
    /// How many sagas.
    pub sagas: u32,
    /// How many deliveries.
    pub events: u32,
    /// When the decision was made.
    pub at: i64,
}

impl<'a> Record<'a> for ArchivedRecord<'a> {
    const TABLE: &'static str = "archived";
    const FORMAT: u8 = 1;
}

/// `holds`: something that may not be removed. Its key is the decision that says so.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct HoldRecord<'a> {
    /// What it keeps.
    pub scope: HoldScopeRecord<'a>,
    /// Who decided.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// When.
    pub at: i64,
    /// The decision that lifted it.
    pub lifted: Option<LiftedRecord<'a>>,
}

/// What a hold keeps.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub enum HoldScopeRecord<'a> {
    /// One saga.
    Saga(&'a str),
    /// The sagas of an order.
    Order(&'a str),
    /// The sagas that match.
    Query {
        /// Of this type.
        saga_type: Option<&'a str>,
        /// In this status.
        status: Option<u8>,
        /// Started at or after.
        from: Option<i64>,
        /// Started at or before.
        to: Option<i64>,
    },
}

/// How a hold ended.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct LiftedRecord<'a> {
    /// The decision.
    pub decision: u64,
    /// Who decided.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// When.
    pub at: i64,
}

impl<'a> Record<'a> for HoldRecord<'a> {
    const TABLE: &'static str = "holds";
    const FORMAT: u8 = 1;
}
