//! The state of one saga: everything the fold has to remember to go on.

use super::definition::{self, Role};
use super::said::{Said, TraceIds};
use super::{
    Anomaly, AnomalyKind, AnomalyLog, CompensationTimes, ConflictLog, Event, EventId, EventRef, Mark, Millis,
    OPERATOR_STATUS_CHANGE, OperatorChange, OrderId, SagaDefinition, SagaDefinitions, SagaStatus, SagaType,
    StatusChange, StatusLog, StatusPath, Step, StepTally, TimelineKey, transition,
};

/// A saga of more events carries no list of them; the projector keeps an index of them beside it.
pub const MAX_LISTED: usize = if cfg!(test) { 4 } else { 32 };

/// One event of a short timeline: enough to find the delivery that stands, and to see that an event
/// is surely none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The place of the delivery that stands.
    pub place: TimelineKey,
    /// The fingerprint of the event's key.
    pub fingerprint: u32,
    /// Whether different bodies of it were delivered.
    pub conflicting: bool,
}

/// The fold of a saga's timeline up to some event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaState {
    /// The first event's type.
    pub saga_type: SagaType,
    /// The first event's order.
    pub order_id: OrderId,
    /// Where the saga stands.
    pub status: SagaStatus,
    /// The time of the event that brought it there.
    pub since: Millis,
    /// How it came there: its changes of status, the first one among them.
    pub changes: StatusLog,
    /// The last event's step.
    pub last_step: Step,
    /// The last trace id that any event named.
    pub last_trace_id: Option<Box<str>>,
    /// The first trace ids that its events named.
    pub trace_ids: TraceIds,
    /// The step of the last event that reported it failed.
    pub failed_step: Option<Said>,
    /// The last reason for a failure that any event gave.
    pub failure_reason: Option<Said>,
    /// What was reported of the steps that the type's definition names.
    pub tally: StepTally,
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
    /// How long it took from FAILED to COMPENSATED, each time.
    pub compensation_times: CompensationTimes,
    /// What is odd about the timeline, in its order.
    pub anomalies: AnomalyLog,
    /// Events of which different bodies were delivered.
    pub conflicts: ConflictLog,
    /// The last event's place in the timeline.
    pub tail: TimelineKey,
    /// Its events in timeline order; `None` when there are more than [`MAX_LISTED`].
    pub listed: Option<Vec<Listed>>,
}

impl SagaState {
    /// The state after a saga's first event.
    pub fn begin(event: &Event, definitions: &SagaDefinitions) -> Self {
        Self::begin_listed(event, event.key().fingerprint(), definitions)
    }

    /// The same, given the fingerprint of the event's key.
    pub fn begin_listed(event: &Event, fingerprint: u32, definitions: &SagaDefinitions) -> Self {
        let names = (event.saga_type.clone(), event.order_id.clone());
        let mut state = Self::empty(names, event.timeline_key());
        state.advance(None, &event.view(), definitions);
        state.listed = Some(Vec::new());
        state.list(event.timeline_key(), fingerprint);
        state
    }

    /// The state after a saga's first event, without a list of events.
    pub fn begin_unlisted(event: &EventRef<'_>, definitions: &SagaDefinitions) -> Self {
        let names = (SagaType::new(event.saga_type), OrderId::new(event.order_id));
        let mut state = Self::empty(names, event.place);
        state.advance(None, event, definitions);
        state
    }

    /// Applies an event that stands behind the tail and is no duplicate.
    pub fn apply(&mut self, event: &Event, definitions: &SagaDefinitions) {
        if self.listed.is_some() {
            self.list(event.timeline_key(), event.key().fingerprint());
        }
        self.apply_unlisted(&event.view(), definitions);
    }

    /// The same, given the fingerprint of the event's key.
    pub fn apply_listed(&mut self, event: &Event, fingerprint: u32, definitions: &SagaDefinitions) {
        self.list(event.timeline_key(), fingerprint);
        self.apply_unlisted(&event.view(), definitions);
    }

    /// The same, without noting the event in the list.
    pub fn apply_unlisted(&mut self, event: &EventRef<'_>, definitions: &SagaDefinitions) {
        debug_assert!(
            event.place > self.tail,
            "what comes before a late event has to be folded anew"
        );
        self.advance(Some(self.status), event, definitions);
    }

    /// Whether the event may be applied to this state as it is: it stands behind the tail, and is
    /// surely no duplicate.
    pub fn accepts(&self, event: &Event) -> bool {
        event.timeline_key() > self.tail && self.lacks(event.key().fingerprint())
    }

    /// Whether there is a list of its events, and none in it has this fingerprint.
    pub fn lacks(&self, fingerprint: u32) -> bool {
        self.listed
            .as_ref()
            .is_some_and(|listed| listed.iter().all(|known| known.fingerprint != fingerprint))
    }

    /// What the timeline alone says: nothing of duplicates, and no list.
    pub fn of_timeline(&self) -> Self {
        Self {
            duplicates: 0,
            last_failed_at: None,
            conflicts: ConflictLog::default(),
            listed: None,
            ..self.clone()
        }
    }

    /// What is written down at a checkpoint: what the timeline says, anomalies and changes of status only
    /// counted. So many of them are the first ones that the whole timeline's state keeps.
    pub fn at_checkpoint(&self) -> Self {
        Self {
            anomalies: self.anomalies.counted(),
            changes: self.changes.counted(),
            ..self.of_timeline()
        }
    }

    /// The fold that was written down as this one, where `whole` is the state of the same timeline.
    #[must_use]
    pub fn out_of_checkpoint(self, whole: &Self) -> Self {
        Self {
            anomalies: whole.anomalies.first(self.anomalies.total),
            changes: whole.changes.first(self.changes.total),
            ..self
        }
    }

    /// Takes over what another state of the saga says of its deliveries: all but the timeline.
    pub fn take_deliveries_of(&mut self, other: &mut SagaState) {
        self.duplicates = other.duplicates;
        self.last_failed_at = self.last_failed_at.max(other.last_failed_at);
        self.conflicts = std::mem::take(&mut other.conflicts);
        self.listed = other.listed.take();
    }

    /// Notes a delivery that does not stand (or does not stand any more).
    pub fn note_duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1);
    }

    /// Notes that a delivery reported this status, whether it stands or not.
    pub fn note_reported(&mut self, status: SagaStatus, at: Millis) {
        if status == SagaStatus::Failed {
            self.last_failed_at = self.last_failed_at.max(Some(at));
        }
    }

    fn empty((saga_type, order_id): (SagaType, OrderId), first: TimelineKey) -> Self {
        Self {
            saga_type,
            order_id,
            status: SagaStatus::Started,
            since: first.recorded_at,
            changes: StatusLog::default(),
            last_step: Step::default(),
            last_trace_id: None,
            trace_ids: TraceIds::default(),
            failed_step: None,
            failure_reason: None,
            tally: StepTally::default(),
            started_at: first.recorded_at,
            updated_at: first.recorded_at,
            step_count: 0,
            duplicates: 0,
            failures: 0,
            compensations: 0,
            last_failed_at: None,
            compensation_times: CompensationTimes::default(),
            anomalies: AnomalyLog::default(),
            conflicts: ConflictLog::default(),
            tail: first,
            listed: None,
        }
    }

    fn list(&mut self, place: TimelineKey, fingerprint: u32) {
        let Some(listed) = &mut self.listed else {
            return;
        };
        if listed.len() < MAX_LISTED {
            listed.push(Listed {
                place,
                fingerprint,
                conflicting: false,
            });
        } else {
            self.listed = None;
        }
    }

    fn advance(&mut self, current: Option<SagaStatus>, event: &EventRef<'_>, definitions: &SagaDefinitions) {
        self.note_disagreements(event);
        let definition = definitions.of(&self.saga_type);
        let role = definition.map(|definition| definition.roles().role(event.step));
        let next = self.next_status(current, event, role);
        self.note_said(event);
        self.note_step(event, definition.zip(role));
        if current != Some(next) {
            self.enter(current, next, event.place.recorded_at);
        }
        self.note_reported(event.status, event.place.recorded_at);
        self.status = next;
        self.last_step = Step::new(event.step);
        self.updated_at = event.place.recorded_at;
        self.step_count = self.next_number();
        self.tail = event.place;
    }

    fn next_status(
        &mut self,
        current: Option<SagaStatus>,
        event: &EventRef<'_>,
        role: Option<Role>,
    ) -> SagaStatus {
        if let Some(change) = OperatorChange::of(event) {
            if change.holds(current) {
                return event.status;
            }
            self.odd(AnomalyKind::OperatorChangeRefused, event);
            return current.unwrap_or(event.status);
        }
        let incoming = definition::effective(role, event.status);
        let made = transition(current, incoming, role.is_none());
        if let Some(kind) = made.anomaly {
            self.odd(kind, event);
        }
        made.next
    }

    fn enter(&mut self, current: Option<SagaStatus>, next: SagaStatus, at: Millis) {
        match next {
            SagaStatus::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.tally.failed_by = self.next_number();
            }
            SagaStatus::Compensated => {
                self.compensations = self.compensations.saturating_add(1);
                if current == Some(SagaStatus::Failed) {
                    self.compensation_times.add(at.since(self.since));
                }
            }
            _ => {}
        }
        self.since = at;
        self.changes.push(StatusChange { at, status: next });
    }

    /// The number of the event that is applied.
    fn next_number(&self) -> u32 {
        self.step_count.saturating_add(1)
    }

    fn note_step(&mut self, event: &EventRef<'_>, defined: Option<(&SagaDefinition, Role)>) {
        let Some((definition, role)) = defined.filter(|_| event.step != OPERATOR_STATUS_CHANGE) else {
            return;
        };
        let (number, at) = (self.next_number(), event.place.recorded_at);
        self.tally.note(role, event.status, Mark { number, at });
        if definition.roles().is_strange(role) {
            self.tally.note_strange(event.place, event.step);
        }
        if let Some(why) = definition.roles().unfit(role, event.metadata) {
            self.odd(AnomalyKind::InvalidMetadata, event);
            self.tally
                .note_unfit(event.place, &format!("{}: {why}", event.step));
        }
    }

    fn note_said(&mut self, event: &EventRef<'_>) {
        if let Some(trace_id) = event.trace_id
            && event.trace_id != self.last_trace_id.as_deref()
        {
            self.trace_ids.add(trace_id);
            self.last_trace_id = Some(trace_id.into());
        }
        let said = |text: &str| {
            Some(Said {
                place: event.place,
                text: text.into(),
            })
        };
        if event.status == SagaStatus::Failed {
            self.failed_step = said(event.step);
        }
        if let Some(reason) = event.failure_reason() {
            self.failure_reason = said(&reason);
        }
    }

    /// What is known of its status at every instant.
    pub fn path(&self) -> StatusPath {
        StatusPath {
            changes: self.changes.clone(),
            last: StatusChange {
                at: self.since,
                status: self.status,
            },
        }
    }

    /// While it is FAILED: since when.
    pub fn failing_since(&self) -> Option<Millis> {
        (self.status == SagaStatus::Failed).then_some(self.since)
    }

    fn note_disagreements(&mut self, event: &EventRef<'_>) {
        if event.saga_type != self.saga_type.as_str() {
            self.odd(AnomalyKind::SagaTypeChanged, event);
        }
        if event.order_id != self.order_id.as_str() {
            self.odd(AnomalyKind::OrderIdChanged, event);
        }
    }

    fn odd(&mut self, kind: AnomalyKind, event: &EventRef<'_>) {
        self.anomalies.push(Anomaly {
            kind,
            event_id: EventId::new(event.event_id),
            at: event.place.recorded_at,
        });
    }
}
