//! The decisions of this room as they stand on the operations topic, and what each does at once.
//!
//! A hold and its end are rows, written with the decision. A purge and a restore wait for the
//! projections: what is checked here is their form, the rest is the worker's.

use super::holds::{Hold, HoldQuery, Lifted, Scope};
use crate::domain::{Cut, Event, Millis, SagaId};
use crate::ops::{Applier, Decided, Verdict};
use crate::projector::PurgeSaga;
use crate::store::codec::Record;
use crate::store::letters::HeldBook;
use crate::store::records::ArchivedRecord;
use crate::store::{Batch, Key, Read, StoreError, Table, keys};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Kind of a decision that keeps sagas.
pub const HOLD: &str = "hold";
/// Kind of a decision that ends a hold.
pub const LIFT: &str = "lift";
/// Kind of a decision that removes sagas.
pub const PURGE: &str = "purge";
/// Kind of a decision that brings a saga back.
pub const RESTORE: &str = "restore";

/// What to keep: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldBody {
    /// One saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga: Option<String>,
    /// The sagas of an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The sagas that match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<HoldQuery>,
}

impl HoldBody {
    /// What it keeps.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn scope(self) -> Result<Scope, String> {
        match (self.saga, self.order, self.query) {
            (Some(saga), None, None) if !saga.is_empty() => Ok(Scope::Saga(saga.into())),
            (None, Some(order), None) => Ok(Scope::Order(order.into())),
            (None, None, Some(query)) => match query.fault() {
                Some(fault) => Err(fault),
                None => Ok(Scope::Query(query)),
            },
            _ => Err("a hold names exactly one of saga, order, query".to_owned()),
        }
    }
}

/// Which hold ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiftBody {
    /// Its name.
    pub hold: u64,
}

/// What to remove.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeBody {
    /// By partition of the tracker topic, the offset that everything removed lies before.
    pub cut: BTreeMap<u32, u64>,
    /// The rule, in words.
    pub rule: String,
    /// The type of the sagas.
    pub saga_type: String,
    /// The day of their last events.
    pub day: String,
    /// Where they are archived, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectBody>,
    /// The sagas.
    pub sagas: Vec<PurgeSagaBody>,
}

/// An archive object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectBody {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The hash of its bytes, hexadecimal.
    pub hash: String,
}

/// One saga of a purge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeSagaBody {
    /// The saga.
    pub id: String,
    /// Its deliveries inside the cut.
    pub events: u32,
    /// The evidence of them, hexadecimal.
    pub hash: String,
    /// The row group that holds them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_group: Option<u32>,
}

impl PurgeBody {
    /// The cut of the tracker topic.
    pub fn cut(&self) -> Cut {
        self.cut
            .iter()
            // A partition number that no topic has would only cost memory.
            .filter(|(partition, _)| **partition < 1_000_000)
            .map(|(partition, next)| (*partition, *next))
            .collect()
    }

    /// The sagas.
    ///
    /// # Errors
    /// What is wrong with one, in words.
    pub fn sagas(&self) -> Result<Vec<PurgeSaga>, String> {
        self.sagas
            .iter()
            .map(|saga| {
                Ok(PurgeSaga {
                    saga: SagaId::from(saga.id.as_str()),
                    events: saga.events,
                    hash: unhex(&saga.hash).ok_or_else(|| format!("saga {:?}: its hash is none", saga.id))?,
                    row_group: saga.row_group,
                })
            })
            .collect()
    }
}

/// What to bring back: the deliveries themselves, so that every replica can do it, without asking
/// an object store that may be gone by then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreBody {
    /// The saga.
    pub saga: String,
    /// The decision that removed it.
    pub purge: u64,
    /// Everything that was removed.
    pub events: Vec<EventBody>,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventBody {
    partition: u32,
    offset: u64,
    arrived_at: i64,
    recorded_at: i64,
    event_timestamp: i64,
    event_id: String,
    saga_type: String,
    step: String,
    status: String,
    order_id: String,
    metadata: Option<String>,
    metadata_form: u8,
    producer_service: Option<String>,
    trace_id: Option<String>,
}

impl EventBody {
    /// A delivery as it travels.
    pub fn of(event: &Event) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Self {
            partition: event.position.partition,
            offset: event.position.offset,
            arrived_at: event.arrived_at.0,
            recorded_at: event.recorded_at.0,
            event_timestamp: event.event_timestamp.0,
            event_id: event.event_id.as_str().to_owned(),
            saga_type: event.saga_type.as_str().to_owned(),
            step: event.step.as_str().to_owned(),
            status: event.status.as_str().to_owned(),
            order_id: event.order_id.as_str().to_owned(),
            metadata: text(&event.metadata),
            metadata_form: event.metadata_form as u8,
            producer_service: text(&event.producer_service),
            trace_id: text(&event.trace_id),
        }
    }

    /// The delivery; none when it is not one.
    pub fn event(&self, saga: &SagaId) -> Option<Event> {
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        Some(Event {
            position: crate::domain::Position::new(self.partition, self.offset),
            arrived_at: Millis(self.arrived_at),
            recorded_at: Millis(self.recorded_at),
            event_timestamp: Millis(self.event_timestamp),
            event_id: self.event_id.as_str().into(),
            saga_id: saga.clone(),
            saga_type: self.saga_type.as_str().into(),
            step: self.step.as_str().into(),
            status: self.status.parse().ok()?,
            order_id: self.order_id.as_str().into(),
            metadata: text(&self.metadata),
            metadata_form: crate::domain::MetadataForm::from_tag(self.metadata_form)?,
            producer_service: text(&self.producer_service),
            trace_id: text(&self.trace_id),
        })
    }
}

impl RestoreBody {
    /// The deliveries; none when one is not one.
    pub fn events(&self) -> Option<Vec<Event>> {
        let saga = SagaId::from(self.saga.as_str());
        self.events.iter().map(|event| event.event(&saga)).collect()
    }
}

/// Bytes as hexadecimal text.
pub fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal text.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

fn body<'d, T: Deserialize<'d>>(decided: &Decided<'d>) -> Result<T, String> {
    T::deserialize(&decided.decision.body).map_err(|error| format!("its body is not of its kind: {error}"))
}

/// Sets holds.
pub struct Keep;

impl Applier for Keep {
    fn kind(&self) -> &'static str {
        HOLD
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&HeldBook<'_>>,
        _: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let scope = match body::<HoldBody>(&decided).and_then(HoldBody::scope) {
            Ok(scope) => scope,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let hold = Hold {
            id: decided.offset,
            scope,
            by: decided.decision.by.clone(),
            reason: decided.decision.reason.clone(),
            at: decided.arrived_at,
            lifted: None,
        };
        hold.put(rows);
        Ok(Verdict::Applied(format!("hold {} is in force", hold.id)))
    }
}

/// Ends holds.
pub struct Release;

impl Applier for Release {
    fn kind(&self) -> &'static str {
        LIFT
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&HeldBook<'_>>,
        store: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let id = match body::<LiftBody>(&decided) {
            Ok(body) => body.hold,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let Some(mut hold) = super::Holds::find(store, id)? else {
            return Ok(Verdict::Refused(format!("there is no hold {id}")));
        };
        if hold.lifted.is_some() {
            return Ok(Verdict::Refused(format!("hold {id} was lifted already")));
        }
        hold.lifted = Some(Lifted {
            decision: decided.offset,
            by: decided.decision.by.clone(),
            reason: decided.decision.reason.clone(),
            at: decided.arrived_at,
        });
        hold.put(rows);
        Ok(Verdict::Applied(format!("hold {id} is lifted")))
    }
}

/// Notes purges, for the worker.
pub struct Remove(pub Arc<Notify>);

impl Applier for Remove {
    fn kind(&self) -> &'static str {
        PURGE
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&HeldBook<'_>>,
        _: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let purge: PurgeBody = match body(&decided) {
            Ok(body) => body,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let sagas = match purge.sagas() {
            Ok(sagas) => sagas,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        if let Some(object) = &purge.object {
            let Some(hash) = unhex(&object.hash) else {
                return Ok(Verdict::Refused(
                    "the hash of the archive object is none".to_owned(),
                ));
            };
            let record = ArchivedRecord {
                object: &object.name,
                size: object.size,
                hash,
                saga_type: &purge.saga_type,
                day: &purge.day,
                sagas: u32::try_from(sagas.len()).unwrap_or(u32::MAX),
                events: sagas
                    .iter()
                    .fold(0, |sum: u32, saga| sum.saturating_add(saga.events)),
                at: decided.arrived_at.0,
            };
            let mut key = Key::default();
            keys::by_decision(&mut key, decided.offset);
            rows.put_with(Table::Archived, &key, |bytes| record.write(bytes));
        }
        let rule = &purge.rule;
        Ok(Verdict::Applied(format!("{} sagas go: {rule}", sagas.len())))
    }

    fn written(&self) {
        self.0.notify_one();
    }
}

/// Notes restores, for the worker.
pub struct BringBack(pub Arc<Notify>);

impl Applier for BringBack {
    fn kind(&self) -> &'static str {
        RESTORE
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&HeldBook<'_>>,
        _: &dyn Read,
        _: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let restore: RestoreBody = match body(&decided) {
            Ok(body) => body,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        Ok(match restore.events() {
            Some(events) => {
                let saga = &restore.saga;
                Verdict::Applied(format!("saga {saga} comes back with {} deliveries", events.len()))
            }
            None => Verdict::Refused("one of the deliveries is none".to_owned()),
        })
    }

    fn written(&self) {
        self.0.notify_one();
    }
}
