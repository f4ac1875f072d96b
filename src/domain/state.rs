//! The state of one saga: everything the fold has to remember to go on.

use super::{
    Anomaly, AnomalyKind, AnomalyLog, Event, Millis, OperatorChange, OrderId, SagaDefinitions, SagaStatus,
    SagaType, Step, TimelineKey, transition,
};

/// Beyond so many events a saga no longer carries their fingerprints, and each further window of
/// its events folds it anew from the log.
pub const MAX_FINGERPRINTS: usize = 2048;

/// Upper bounds of the buckets that times from FAILED to COMPENSATED are counted in, seconds.
pub const COMPENSATION_BUCKETS: [f64; 14] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];

/// The fold of a saga's timeline up to some event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaState {
    /// The first event's type.
    pub saga_type: SagaType,
    /// The first event's order.
    pub order_id: OrderId,
    /// Where the saga stands.
    pub status: SagaStatus,
    /// The last event's step.
    pub last_step: Step,
    /// The last trace id that any event named.
    pub last_trace_id: Option<Box<str>>,
    /// The first event's time.
    pub started_at: Millis,
    /// The last event's time.
    pub updated_at: Millis,
    /// Events in the timeline, duplicates left out.
    pub step_count: u32,
    /// Deliveries that were duplicates of an event in the timeline.
    pub duplicates: u32,
    /// How often the saga entered FAILED.
    pub failures: u32,
    /// How often the saga entered COMPENSATED.
    pub compensations: u32,
    /// Latest time of any delivery that reported the saga failed, duplicates too: so it only grows,
    /// whichever of two deliveries arrives first.
    pub last_failed_at: Option<Millis>,
    /// While the saga is FAILED: since when.
    pub failing_since: Option<Millis>,
    /// For each time it went from FAILED to COMPENSATED, how many milliseconds that took.
    pub compensation_millis: Vec<u64>,
    /// What is odd about the timeline, in its order.
    pub anomalies: AnomalyLog,
    /// Duplicates whose body differed from the event that stands, in order of position.
    pub conflicts: AnomalyLog,
    /// The last event's place in the timeline.
    pub tail: TimelineKey,
    /// The fingerprints of the events' keys in timeline order; none when there were too many.
    pub fingerprints: Option<Vec<u64>>,
}

impl SagaState {
    /// The state after a saga's first event.
    pub fn begin(event: &Event, definitions: &SagaDefinitions) -> Self {
        let mut state = Self {
            saga_type: event.saga_type.clone(),
            order_id: event.order_id.clone(),
            status: SagaStatus::Started,
            last_step: event.step.clone(),
            last_trace_id: None,
            started_at: event.recorded_at,
            updated_at: event.recorded_at,
            step_count: 0,
            duplicates: 0,
            failures: 0,
            compensations: 0,
            last_failed_at: None,
            failing_since: None,
            compensation_millis: Vec::new(),
            anomalies: AnomalyLog::default(),
            conflicts: AnomalyLog::default(),
            tail: event.timeline_key(),
            fingerprints: Some(Vec::new()),
        };
        state.advance(None, event, definitions);
        state
    }

    /// Applies an event that stands behind the tail and is no duplicate.
    pub fn apply(&mut self, event: &Event, definitions: &SagaDefinitions) {
        debug_assert!(
            event.timeline_key() > self.tail,
            "a late event needs a fold from the log"
        );
        self.advance(Some(self.status), event, definitions);
    }

    /// Whether the event may be applied to this state as it is: it stands behind the tail, and is
    /// surely no duplicate. Otherwise the saga has to be folded anew.
    pub fn accepts(&self, event: &Event) -> bool {
        event.timeline_key() > self.tail
            && self
                .fingerprints
                .as_ref()
                .is_some_and(|known| !known.contains(&event.key().fingerprint()))
    }

    fn advance(&mut self, current: Option<SagaStatus>, event: &Event, definitions: &SagaDefinitions) {
        self.note_disagreements(event);
        let next = self.next_status(current, event, definitions);
        if current != Some(next) {
            self.enter(current, next, event.recorded_at);
        }
        self.note_failed(event);
        self.status = next;
        self.last_step = event.step.clone();
        if event.trace_id.is_some() {
            self.last_trace_id.clone_from(&event.trace_id);
        }
        self.updated_at = event.recorded_at;
        self.step_count = self.step_count.saturating_add(1);
        self.tail = event.timeline_key();
        self.remember(event);
    }

    fn next_status(
        &mut self,
        current: Option<SagaStatus>,
        event: &Event,
        definitions: &SagaDefinitions,
    ) -> SagaStatus {
        if let Some(change) = OperatorChange::of(event) {
            if change.holds(current) {
                return event.status;
            }
            self.odd(AnomalyKind::OperatorChangeRefused, event);
            return current.unwrap_or(event.status);
        }
        let incoming = definitions.effective(&self.saga_type, &event.step, event.status);
        let made = transition(current, incoming, !definitions.knows(&self.saga_type));
        if let Some(kind) = made.anomaly {
            self.odd(kind, event);
        }
        made.next
    }

    fn enter(&mut self, current: Option<SagaStatus>, next: SagaStatus, at: Millis) {
        match next {
            SagaStatus::Failed => {
                self.failures = self.failures.saturating_add(1);
            }
            SagaStatus::Compensated => {
                self.compensations = self.compensations.saturating_add(1);
                if let (Some(SagaStatus::Failed), Some(since)) = (current, self.failing_since) {
                    self.compensation_millis.push(at.since(since));
                }
            }
            _ => {}
        }
        self.failing_since = (next == SagaStatus::Failed).then_some(at);
    }

    fn note_disagreements(&mut self, event: &Event) {
        if event.saga_type != self.saga_type {
            self.odd(AnomalyKind::SagaTypeChanged, event);
        }
        if event.order_id != self.order_id {
            self.odd(AnomalyKind::OrderIdChanged, event);
        }
    }

    fn odd(&mut self, kind: AnomalyKind, event: &Event) {
        self.anomalies.push(anomaly(kind, event));
    }

    fn remember(&mut self, event: &Event) {
        if let Some(known) = &mut self.fingerprints {
            if known.len() < MAX_FINGERPRINTS {
                known.push(event.key().fingerprint());
            } else {
                self.fingerprints = None;
            }
        }
    }

    fn note_failed(&mut self, event: &Event) {
        if event.status == SagaStatus::Failed {
            self.last_failed_at = self.last_failed_at.max(Some(event.recorded_at));
        }
    }

    pub(super) fn note_duplicate(&mut self, event: &Event) {
        self.duplicates = self.duplicates.saturating_add(1);
        self.note_failed(event);
    }

    pub(super) fn note_conflict(&mut self, event: &Event) {
        self.conflicts.push(anomaly(AnomalyKind::EventIdConflict, event));
    }
}

fn anomaly(kind: AnomalyKind, event: &Event) -> Anomaly {
    Anomaly {
        kind,
        event_id: event.event_id.clone(),
        at: event.recorded_at,
    }
}
