//! An operator's status change: an ordinary event on the tracker topic, and an answer once it is
//! applied here.

use super::{Conflict, Failure, OpsError, Trace, Unreachable, Unsettled};
use crate::domain::clock::SharedClock;
use crate::domain::{
    Anomaly, AnomalyKind, Millis, OPERATOR_STATUS_CHANGE, Position, SagaId, SagaState, SagaStatus,
    SharedDefinitions, TimelineKey,
};
use crate::pipeline::kafka::{Message, Outlet};
use crate::pipeline::projector::ProjectorWatch;
use crate::pipeline::registry::{SchemaError, SchemaSource};
use crate::store::codec::Record;
use crate::store::records::LogRecord;
use crate::store::{Direction, Key, Scan, SharedStore, StoreError, StoreRead, Table, keys, reads, timelines};
use jiff::Timestamp;
use saga_tracker_sdk::contract::{self, SagaEvent};
use saga_tracker_sdk::encoding::Encoder;
use saga_tracker_sdk::publishing::EventIds;
use serde_json::{Map, Value};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait until the published event is applied.
const APPLIED: Duration = Duration::from_secs(10);
/// What the events name as their producer.
const PRODUCER: &str = "saga-tracker";
/// The last instant that an event may have.
const LATEST: Millis = Millis(Millis::LATEST_EVENT.0 - 1);

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChangeOrder {
    /// The saga.
    pub saga_id: SagaId,
    /// Its new status.
    pub status: SagaStatus,
    /// Why.
    pub reason: String,
    /// The status that the operator saw; the change is refused when the saga has another.
    pub expected: Option<SagaStatus>,
    /// Who.
    pub operator: String,
    /// From where.
    pub origin: String,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChanged {
    /// The status that the event met.
    pub previous: SagaStatus,
    /// The status after it.
    pub current: SagaStatus,
    /// The event's time.
    pub updated_at: Millis,
    /// The event.
    pub event_id: String,
    /// Where it stands in the tracker topic.
    pub position: Position,
}

/// Where an operator's event has to stand.
struct Place {
    recorded_at: Millis,
    /// The one to publish it to; by the key when none is given.
    partition: Option<u32>,
}

/// Changes statuses.
pub struct StatusChanger {
    /// What is known of the sagas.
    pub store: SharedStore,
    /// The definitions in force.
    pub definitions: SharedDefinitions,
    /// The tracker topic.
    pub topic: String,
    /// Where the event is published.
    pub out: Arc<dyn Outlet>,
    /// Which schema it is written with.
    pub schemas: Arc<dyn SchemaSource>,
    /// How far the projections are.
    pub projected: ProjectorWatch,
    /// Tells the time.
    pub clock: SharedClock,
    /// Names events.
    pub ids: Arc<dyn EventIds>,
}

impl StatusChanger {
    /// Publishes the change and waits until it is applied. Blocks.
    ///
    /// # Errors
    /// [`OpsError`], see there for what was changed.
    pub fn change(&self, wish: &StatusChangeOrder) -> Result<StatusChanged, OpsError> {
        let state = self.state(&wish.saga_id)?;
        refuse_in_vain(wish, &state)?;
        let place = self.place(wish, &state)?;
        let event = self.event(wish, &state, place.recorded_at)?;
        let value = self.encode(&event)?;
        let message = Message {
            topic: self.topic.clone(),
            partition: place.partition,
            key: Some(event.saga_id.clone().into_bytes()),
            value: Some(value),
            headers: vec![(
                contract::headers::EVENT_ID.to_owned(),
                Some(event.event_id.clone().into_bytes()),
            )],
        };
        let position = self
            .out
            .publish(&message)
            .map_err(|error| OpsError::of_out(error, Trace::Event(event.event_id.clone())))?;
        let applied = self
            .projected
            .wait_for(position, APPLIED)
            .map_err(|gone| unsettled(&event.event_id, position, &gone.to_string()))?;
        if !applied {
            return Err(unsettled(
                &event.event_id,
                position,
                "consumption has not come that far yet",
            ));
        }
        let place = TimelineKey {
            recorded_at: Millis(event.recorded_at.as_millisecond()),
            position,
        };
        self.told(wish, &event.event_id, place)
    }

    fn state(&self, saga: &SagaId) -> Result<SagaState, OpsError> {
        let snapshot = self.store.snapshot();
        let generation = reads::active_generation(&*snapshot)?;
        reads::instance(&*snapshot, generation, saga)?.ok_or_else(|| OpsError::NotFound(saga.clone()))
    }

    /// Where the event has to stand: behind the saga's last one, even when that one's clock was ahead of
    /// ours. Behind the latest instant of all there is no other. There an event is the last one by its
    /// position, so it goes into the partition of the one that is last now, where its offset is greater.
    fn place(&self, wish: &StatusChangeOrder, state: &SagaState) -> Result<Place, OpsError> {
        let recorded_at = self.clock.now().max(Millis(state.updated_at.0.saturating_add(1)));
        if recorded_at <= LATEST {
            return Ok(Place {
                recorded_at,
                partition: None,
            });
        }
        let last = self.last_delivery(&wish.saga_id)?;
        Ok(Place {
            recorded_at: LATEST,
            partition: last.map(|last| last.partition),
        })
    }

    fn last_delivery(&self, saga: &SagaId) -> Result<Option<Position>, StoreError> {
        let mut last = None;
        let partition = saga.as_str().as_bytes();
        Scan::of(Table::Log, partition)
            .direction(Direction::Reverse)
            .limit(1)
            .each(&*self.store, |sort, _| {
                last = Some(keys::parse_log_sort(sort)?.position);
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(last)
    }

    /// The event that asks for the change.
    fn event(
        &self,
        wish: &StatusChangeOrder,
        state: &SagaState,
        recorded_at: Millis,
    ) -> Result<SagaEvent, OpsError> {
        let now = self.clock.now();
        let instant =
            |at: Millis| Timestamp::from_millisecond(at.0).map_err(|why| Failure::Instant { at, why });
        let mut metadata = Map::new();
        let mut put = |name: &str, value: &str| metadata.insert(name.to_owned(), Value::from(value));
        put("operator", &wish.operator);
        put("operatorAddress", &wish.origin);
        put("reason", &wish.reason);
        if let Some(expected) = wish.expected {
            put("expectedStatus", expected.as_str());
        }
        put(contract::metadata::PRODUCER_SERVICE, PRODUCER);
        put(contract::metadata::PRODUCER_TIMESTAMP, &now.to_string());
        Ok(SagaEvent {
            event_id: self.ids.next(),
            event_timestamp: instant(now)?,
            saga_id: wish.saga_id.as_str().to_owned(),
            saga_type: state.saga_type.as_str().into(),
            step: OPERATOR_STATUS_CHANGE.to_owned(),
            status: wish.status,
            order_id: state.order_id.as_str().to_owned(),
            metadata: Some(Value::Object(metadata).to_string()),
            recorded_at: instant(recorded_at)?,
        })
    }

    fn encode(&self, event: &SagaEvent) -> Result<Vec<u8>, OpsError> {
        let schema = self.schemas.writer(&self.topic).map_err(|error| match error {
            SchemaError::Unavailable(why) => OpsError::from(Unreachable::Registry(why)),
            other => Failure::NoSchema(other).into(),
        })?;
        let encoder = Encoder::new(&schema.text).map_err(|why| Failure::OtherSchema {
            schema: schema.id,
            topic: self.topic.clone(),
            why,
        })?;
        let written = encoder.encode(event, schema.id);
        let schema = schema.id;
        Ok(written.map_err(|why| Conflict::Unwritable { schema, why })?)
    }

    /// What the applied event did: read from the timeline, where it stands for good.
    fn told(
        &self,
        wish: &StatusChangeOrder,
        event_id: &str,
        place: TimelineKey,
    ) -> Result<StatusChanged, OpsError> {
        let (before, after) = self.judged(&wish.saga_id, event_id, place)?;
        let event_id = event_id.to_owned();
        let refused = |anomaly: &Anomaly| anomaly.kind == AnomalyKind::OperatorChangeRefused;
        if after.anomalies.kept.iter().any(refused) {
            return Err(Conflict::Overtaken {
                found: before,
                expected: wish.expected,
                event_id,
            }
            .into());
        }
        if before == after.status {
            let found = before;
            return Err(Conflict::InVain { found, event_id }.into());
        }
        Ok(StatusChanged {
            previous: before,
            current: after.status,
            updated_at: after.updated_at,
            event_id,
            position: place.position,
        })
    }

    /// The status that an event of the timeline met, and the state after it. Of the anomalies in that only
    /// those are kept that the event made.
    fn judged(
        &self,
        saga: &SagaId,
        event_id: &str,
        place: TimelineKey,
    ) -> Result<(SagaStatus, SagaState), OpsError> {
        let snapshot = self.store.snapshot();
        let generation = reads::active_generation(&*snapshot)?;
        let cursor = reads::cursor(&*snapshot, generation)?;
        let missing = || unsettled(event_id, place.position, "it is not in the saga's timeline");
        let whole = reads::instance(&*snapshot, generation, saga)?.ok_or_else(missing)?;
        let mut key = Key::default();
        keys::log(&mut key, saga, place);
        let row = snapshot.get(Table::Log, &key)?.ok_or_else(missing)?;
        if timelines::is_duplicate(&*snapshot, generation, saga, place)? {
            return Err(missing());
        }
        let in_force = self.definitions.in_force();
        let definitions = reads::definitions_of(&*snapshot, generation, &in_force)?;
        let moment = (&*snapshot as &dyn StoreRead, generation, &cursor);
        let before = timelines::fold_before(moment, &definitions, saga, &whole, place)?;
        let event = LogRecord::read(&row)?.view(place)?;
        Ok(match before {
            Some(mut state) => {
                let before = state.status;
                // The list is bounded; emptied, it surely has what comes now.
                state.anomalies.kept.clear();
                state.apply_unlisted(&event, &definitions);
                (before, state)
            }
            None => {
                let state = SagaState::begin_unlisted(&event, &definitions);
                (state.status, state)
            }
        })
    }
}

/// What need not be published, because the saga is not as it would have to be.
fn refuse_in_vain(wish: &StatusChangeOrder, state: &SagaState) -> Result<(), Conflict> {
    if let Some(expected) = wish.expected
        && expected != state.status
    {
        let found = state.status;
        return Err(Conflict::NotAsExpected { found, expected });
    }
    if wish.status == state.status {
        return Err(Conflict::AlreadySo(state.status));
    }
    Ok(())
}

fn unsettled(event_id: &str, position: Position, why: &str) -> OpsError {
    let (event_id, why) = (event_id.to_owned(), why.to_owned());
    Unsettled::NotApplied {
        event_id,
        position,
        why,
    }
    .into()
}
