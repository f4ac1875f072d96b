//! What remains of a saga whose events were removed.
//!
//! Retention removes a saga's deliveries up to a cut of the topic. What it leaves must say what was
//! there ([`evidence`]), and must let every sum that only grows stay what it was ([`Remains`]):
//! nobody can fold those events again.

use super::{
    AnomalyKind, CompensationTimes, Event, EventRef, Millis, OrderId, Position, SagaDefinitions, SagaId,
    SagaState, SagaStatus, SagaType, StatusPath, Step,
};
use std::collections::BTreeMap;

/// What a removed saga added to the sums that never shrink.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Remains {
    /// Entries into FAILED.
    pub failures: u32,
    /// Entries into COMPENSATED.
    pub compensations: u32,
    /// Times from FAILED to COMPENSATED.
    pub compensation_times: CompensationTimes,
    /// Deliveries that were duplicates.
    pub duplicates: u32,
    /// Events of which different bodies were delivered.
    pub conflicts: u32,
    /// The anomalies that were kept.
    pub anomalies: Vec<AnomalyKind>,
    /// Times that a compensating step reported FAILED.
    pub failed_compensations: u32,
    /// Latest event time of a delivery that reported a failure.
    pub last_failed_at: Option<Millis>,
    /// Events of the timeline, by status and step.
    pub processed: BTreeMap<(SagaStatus, Step), u32>,
    /// How long it took between the pairs of steps that were measured, milliseconds.
    pub edges: Vec<(Box<str>, u64)>,
}

impl Remains {
    /// What the saga with this state and these events in its timeline, by status and step, added.
    pub fn of(
        state: &SagaState,
        definitions: &SagaDefinitions,
        processed: BTreeMap<(SagaStatus, Step), u32>,
    ) -> Self {
        Self {
            failures: state.failures,
            compensations: state.compensations,
            compensation_times: state.compensation_times.clone(),
            duplicates: state.duplicates,
            conflicts: state.conflicts.total,
            anomalies: state.anomalies.kept.iter().map(|anomaly| anomaly.kind).collect(),
            failed_compensations: definitions.failed_compensations(state),
            last_failed_at: state.last_failed_at,
            processed,
            edges: definitions.edge_times(state),
        }
    }
}

/// The record of a purge of one saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgedSaga {
    /// The decision that removed it: its offset in the ops topic.
    pub decision: u64,
    /// When that decision was made.
    pub purged_at: Millis,
    /// The rule that it was made by, in words.
    pub rule: Box<str>,
    /// Its type.
    pub saga_type: SagaType,
    /// Its order.
    pub order_id: OrderId,
    /// Its last status.
    pub status: SagaStatus,
    /// Its first event's time.
    pub started_at: Millis,
    /// Its last event's time.
    pub updated_at: Millis,
    /// Events in its timeline.
    pub steps: u32,
    /// Deliveries that were removed, duplicates included.
    pub events: u32,
    /// The [`evidence`] of those deliveries.
    pub hash: [u8; 32],
    /// The lowest position among them.
    pub first: Position,
    /// The highest.
    pub last: Position,
    /// In which row groups of the decision's archive object they are, if it has one.
    pub row_groups: Option<RowGroups>,
    /// How many of those deliveries arrived in which partition on which day.
    pub arrivals: BTreeMap<(u32, i64), u32>,
    /// What is known of its status at every instant.
    pub path: StatusPath,
    /// What it added to sums that never shrink.
    pub remains: Remains,
    /// The decision that brought it back, and when that was made.
    pub restored: Option<(u64, Millis)>,
}

/// Some row groups of an archive object, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowGroups {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl PurgedSaga {
    /// Whether its events are gone now.
    pub fn is_gone(&self) -> bool {
        self.restored.is_none()
    }
}

/// A hash over everything that is known of these deliveries. Does not depend on how they are laid out
/// on disk, so that it can be checked on what comes back from an archive years later.
pub fn evidence(deliveries: &[Event]) -> [u8; 32] {
    let mut sorted: Vec<&Event> = deliveries.iter().collect();
    sorted.sort_unstable_by_key(|event| event.timeline_key());
    let mut evidence = Evidence::default();
    for event in sorted {
        evidence.add(&event.saga_id, &event.view());
    }
    evidence.hash()
}

/// The [`evidence`] of deliveries that come one after the other, in timeline order.
#[derive(Clone, Default)]
pub struct Evidence(blake3::Hasher);

impl Evidence {
    /// Adds the next delivery.
    pub fn add(&mut self, saga_id: &SagaId, event: &EventRef<'_>) {
        let EventRef {
            place,
            arrived_at,
            event_timestamp,
            event_id,
            saga_type,
            step,
            status,
            order_id,
            metadata,
            metadata_form,
            producer_service,
            trace_id,
        } = *event;
        let hasher = &mut self.0;
        hasher.update(&place.position.partition.to_be_bytes());
        hasher.update(&place.position.offset.to_be_bytes());
        for at in [arrived_at, place.recorded_at, event_timestamp] {
            hasher.update(&at.0.to_be_bytes());
        }
        for text in [
            Some(event_id),
            Some(saga_id.as_str()),
            Some(saga_type),
            Some(step),
            Some(status.as_str()),
            Some(order_id),
            metadata,
            producer_service,
            trace_id,
        ] {
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            hasher.update(&length.to_be_bytes());
            hasher.update(text.unwrap_or_default().as_bytes());
        }
        hasher.update(&[metadata_form as u8]);
    }

    /// The hash of what was added.
    pub fn hash(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MetadataForm;

    fn event(offset: u64, recorded_at: i64, step: &str, status: SagaStatus) -> Event {
        Event {
            position: Position::new(0, offset),
            arrived_at: Millis(recorded_at + 5),
            recorded_at: Millis(recorded_at),
            event_timestamp: Millis(recorded_at),
            event_id: "e".into(),
            saga_id: "saga".into(),
            saga_type: "ORDER_CREATION".into(),
            step: step.into(),
            status,
            order_id: "o".into(),
            metadata: None,
            metadata_form: MetadataForm::Absent,
            producer_service: None,
            trace_id: None,
        }
    }

    #[test]
    fn evidence_is_of_every_field_and_of_no_order() {
        let first = event(1, 1_000, "A", SagaStatus::Started);
        let second = event(2, 2_000, "B", SagaStatus::Completed);
        let both = evidence(&[first.clone(), second.clone()]);
        assert_eq!(both, evidence(&[second.clone(), first.clone()]));
        assert_ne!(both, evidence(std::slice::from_ref(&first)));
        let changes: [fn(&mut Event); 5] = [
            |event| event.arrived_at.0 += 1,
            |event| event.position.offset += 1,
            |event| event.metadata = Some("".into()),
            |event| event.trace_id = Some("t".into()),
            |event| event.status = SagaStatus::Failed,
        ];
        for change in changes {
            let mut other = second.clone();
            change(&mut other);
            assert_ne!(both, evidence(&[first.clone(), other]));
        }
        // Records in use hold such hashes.
        let hex: String = evidence(&[first])
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, FIXED);
    }

    const FIXED: &str = "98c3060491e0c5a360cba04007b0372c33b217cce36a0d6a640ccd429b35f78d";
}
