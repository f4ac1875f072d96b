//! What decisions of this room say as they travel, and what of it is believed.
//!
//! A message of the ops topic is input like any other: partitions, offsets, sizes, counts and
//! texts are held to bounds here, before anything is allocated, asked or waited for. A decision that was
//! stored before a bound existed meets it when it is applied. What decisions do is not said here.

use super::claim::Seen;
use super::holds::{HoldQuery, Scope};
use crate::domain::text::{hex, is_longer, unhex_array};
use crate::domain::{Cut, Event, Millis, Position, RowGroups, SagaId};
use crate::pipeline::projector::{Extent, PurgeSaga};
use saga_tracker_sdk::contract::limits::{MAX_ID_CHARS, MAX_SAGA_TYPE_CHARS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Kind of a decision that keeps sagas.
pub const HOLD: &str = "hold";
/// Kind of a decision that ends a hold.
pub const LIFT: &str = "lift";
/// Kind of a decision that removes sagas.
pub const PURGE: &str = "purge";
/// Kind of a decision that restores a saga.
pub const RESTORE: &str = "restore";
/// Kind of a message that carries deliveries of a saga that a later decision restores.
pub const RESTORE_PART: &str = "restore-part";

/// Partitions of a topic, at most. Memory for each is taken when one is named.
const MAX_PARTITIONS: u32 = 65_536;
/// Offsets are signed in Kafka, and one more than an offset must be one.
const MAX_OFFSET: u64 = i64::MAX as u64 - 1;
/// Sagas of one purge.
const MAX_SAGAS: usize = 100_000;
/// Records of one purge that were not read.
pub(super) const MAX_UNREAD: usize = 4_096;
/// Days and hours of a rule: ten thousand years.
const MAX_DAYS: u64 = 3_660_000;
/// Bytes of an archive object.
pub const MAX_OBJECT_BYTES: u64 = 64 << 30;
/// Bytes of short texts: rules, days, names of objects and topics.
const MAX_WORDS: usize = 1_000;
/// Parts of one restore.
const MAX_PARTS: usize = 50_000;

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
            (Some(saga), None, None) if !saga.is_empty() => {
                Ok(Scope::Saga(within("saga", &saga, MAX_ID_CHARS)?.into()))
            }
            (None, Some(order), None) => Ok(Scope::Order(within("order", &order, MAX_ID_CHARS)?.into())),
            (None, None, Some(query)) => match query.fault() {
                Some(fault) => Err(fault),
                None => {
                    let saga_type = query.saga_type.as_deref().unwrap_or_default();
                    within("sagaType", saga_type, MAX_SAGA_TYPE_CHARS)?;
                    Ok(Scope::Query(query))
                }
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
    /// The tracker topic that the positions are of. Its id would tell a topic that was made anew; the
    /// client offers that only beyond our ban on unsafe code, so `seen` tells it.
    pub topic: String,
    /// By partition of that topic, the offset that everything removed lies before.
    pub cut: BTreeMap<u32, u64>,
    /// By partition the last delivery inside the cut: the time that the sagas are due by, and a mark
    /// by which a topic is told from another one of the same name.
    pub seen: BTreeMap<u32, SeenBody>,
    /// By partition the offsets inside the cut of what whoever decided could not read, though it was settled: dead
    /// letters of unknown schemas. Where they can be read they stay. Not there in decisions of before they were
    /// named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<BTreeMap<u32, Vec<u64>>>,
    /// Days after its last event that a saga is due.
    pub days: u64,
    /// Hours after the arrival of its last delivery that it is not.
    pub quiet_hours: u64,
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

/// A delivery that stands in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenBody {
    /// Its offset.
    pub offset: u64,
    /// When it arrived.
    pub arrived_at: i64,
    /// The first bytes of its evidence, hexadecimal.
    pub mark: String,
}

impl From<&Seen> for SeenBody {
    fn from(seen: &Seen) -> Self {
        Self {
            offset: seen.offset,
            arrived_at: seen.arrived_at.0,
            mark: hex(&seen.mark),
        }
    }
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
    /// The first row group that holds them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_group: Option<u32>,
    /// How many do, if it is not one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub row_groups: u32,
}

/// A purge whose every part is within bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedPurge {
    /// Everything that is removed lies inside.
    pub extent: Extent,
    /// The last delivery inside the cut, by partition.
    pub seen: BTreeMap<u32, Seen>,
    /// From where on its maker has named every dead letter that it could not read; not set when it named none.
    pub read_but_named: Option<Position>,
    /// The archive object, and the hash of its bytes.
    pub object: Option<(String, u64, [u8; 32])>,
    /// The sagas.
    pub sagas: Vec<PurgeSaga>,
}

impl PurgeBody {
    /// What it says, if every part of it is within bounds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn checked(&self) -> Result<CheckedPurge, String> {
        for (name, text) in [("topic", &self.topic), ("rule", &self.rule), ("day", &self.day)] {
            within(name, text, MAX_WORDS)?;
        }
        within("sagaType", &self.saga_type, MAX_SAGA_TYPE_CHARS)?;
        if self.days > MAX_DAYS || self.quiet_hours > MAX_DAYS * 24 {
            return Err(format!(
                "its days or hours are many; accepted: up to {MAX_DAYS} days"
            ));
        }
        if self.sagas.len() > MAX_SAGAS {
            let sagas = self.sagas.len();
            return Err(format!("it names {sagas} sagas; accepted: up to {MAX_SAGAS}"));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.sagas.iter().find(|saga| !names.insert(saga.id.as_str())) {
            let id = within("id of a saga", &twice.id, MAX_ID_CHARS)?;
            return Err(format!("it names saga {id:?} more than once"));
        }
        let cut = cut_of(&self.cut)?;
        Ok(CheckedPurge {
            seen: self.seen(&cut)?,
            read_but_named: self.read_but_named(),
            extent: self.extent(cut)?,
            object: self.object.as_ref().map(ObjectBody::checked).transpose()?,
            sagas: self
                .sagas
                .iter()
                .map(PurgeSagaBody::checked)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Of as many as can be named, some before the first may be left out.
    fn read_but_named(&self) -> Option<Position> {
        let named = self.unread.as_ref()?;
        let count: usize = named.values().map(Vec::len).sum();
        let places = named
            .iter()
            .flat_map(|(partition, offsets)| offsets.iter().map(|offset| Position::new(*partition, *offset)));
        let first = places.min().filter(|_| count >= MAX_UNREAD);
        Some(first.unwrap_or(Position::new(0, 0)))
    }

    fn extent(&self, cut: Cut) -> Result<Extent, String> {
        let named = || self.unread.iter().flatten();
        if named().map(|(_, offsets)| offsets.len()).sum::<usize>() > MAX_UNREAD {
            return Err(format!(
                "it names more than {MAX_UNREAD} records that were not read"
            ));
        }
        let unread: BTreeSet<Position> = named()
            .flat_map(|(partition, offsets)| offsets.iter().map(|offset| Position::new(*partition, *offset)))
            .collect();
        if let Some(behind) = unread.iter().find(|record| !cut.contains(**record)) {
            return Err(format!("{behind}, which was not read, lies behind its cut"));
        }
        Ok(Extent {
            cut,
            unread: Arc::new(unread),
        })
    }

    fn seen(&self, cut: &Cut) -> Result<BTreeMap<u32, Seen>, String> {
        let one = |(partition, seen): (&u32, &SeenBody)| {
            if seen.offset >= cut.next(*partition) {
                return Err(format!(
                    "what it has seen of partition {partition} lies behind its cut"
                ));
            }
            let mark =
                unhex_array(&seen.mark).ok_or("the mark of what it has seen is not 16 hexadecimal digits")?;
            let arrived_at = Millis(seen.arrived_at);
            let offset = seen.offset;
            Ok((
                *partition,
                Seen {
                    offset,
                    arrived_at,
                    mark,
                },
            ))
        };
        self.seen.iter().map(one).collect()
    }
}

impl ObjectBody {
    fn checked(&self) -> Result<(String, u64, [u8; 32]), String> {
        let name = within("name of the archive object", &self.name, MAX_WORDS)?;
        let inside = name.starts_with(&format!("{}/", crate::operations::archive::FOLDER));
        if !inside || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err("the archive object lies outside the archive".to_owned());
        }
        if self.size > MAX_OBJECT_BYTES {
            let size = self.size;
            return Err(format!(
                "the archive object has {size} bytes; accepted: up to {MAX_OBJECT_BYTES}"
            ));
        }
        let hash =
            unhex_array(&self.hash).ok_or("the hash of the archive object is not 64 hexadecimal digits")?;
        Ok((name.to_owned(), self.size, hash))
    }
}

impl PurgeSagaBody {
    fn checked(&self) -> Result<PurgeSaga, String> {
        let id = within("id of a saga", &self.id, MAX_ID_CHARS)?;
        Ok(PurgeSaga {
            saga: SagaId::from(id),
            events: self.events,
            hash: unhex_array(&self.hash)
                .ok_or_else(|| format!("saga {id:?}: its hash is not 64 hexadecimal digits"))?,
            row_groups: self.row_groups()?,
        })
    }

    /// Each of them holds a delivery at least.
    fn row_groups(&self) -> Result<Option<RowGroups>, String> {
        let Some(first) = self.row_group else {
            return Ok(None);
        };
        let count = self.row_groups;
        if count == 0 || count > self.events.max(1) || first.checked_add(count).is_none() {
            return Err(format!(
                "saga {:?}: {count} row groups from {first} on, for {} deliveries",
                self.id, self.events
            ));
        }
        Ok(Some(RowGroups { first, count }))
    }
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_one(count: &u32) -> bool {
    *count == 1
}

/// What to restore: the deliveries themselves, so that every replica can do it without asking an
/// object store that may be gone by then. They are one stream of bytes (see
/// [`parts`](super::parts)), cut into pieces that fit into messages: those of earlier messages, then
/// the last one, which travels here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreBody {
    /// The tracker topic that the deliveries came from.
    pub topic: String,
    /// The saga.
    pub saga: String,
    /// The decision that removed it.
    pub purge: u64,
    /// Deliveries, all together.
    pub events: u32,
    /// The offsets of the messages with the earlier pieces, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<u64>,
    /// The last piece, base64.
    pub data: String,
}

impl RestoreBody {
    /// The saga, if every part is within bounds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn checked(&self) -> Result<SagaId, String> {
        within("topic", &self.topic, MAX_WORDS)?;
        if self.parts.len() > MAX_PARTS {
            let parts = self.parts.len();
            return Err(format!("it has {parts} parts; accepted: up to {MAX_PARTS}"));
        }
        if !self.parts.is_sorted_by(|one, next| one < next) {
            return Err("its parts are not in the order in which they were published".to_owned());
        }
        let id = within("id of the saga", &self.saga, MAX_ID_CHARS)?;
        Ok(SagaId::from(id))
    }
}

/// One piece of what a later decision restores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePartBody {
    /// The saga.
    pub saga: String,
    /// The decision that removed it.
    pub purge: u64,
    /// The piece, base64.
    pub data: String,
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

    /// The delivery; `None` when it is not one.
    pub fn event(&self, saga: &SagaId) -> Option<Event> {
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        if self.partition >= MAX_PARTITIONS || self.offset > MAX_OFFSET {
            return None;
        }
        Some(Event {
            position: Position::new(self.partition, self.offset),
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

/// A cut whose partitions and offsets a topic can have.
fn cut_of(edges: &BTreeMap<u32, u64>) -> Result<Cut, String> {
    for (partition, next) in edges {
        if *partition >= MAX_PARTITIONS {
            return Err(format!(
                "it names partition {partition}; accepted: up to {}",
                MAX_PARTITIONS - 1
            ));
        }
        if *next > MAX_OFFSET {
            return Err(format!("it names offset {next}; accepted: up to {MAX_OFFSET}"));
        }
    }
    Ok(edges
        .iter()
        .map(|(partition, next)| (*partition, *next))
        .collect())
}

/// The text, if it has at most so many characters.
fn within<'t>(what: &str, text: &'t str, limit: usize) -> Result<&'t str, String> {
    if is_longer(text, limit) {
        return Err(format!("the {what} is longer than {limit} characters"));
    }
    Ok(text)
}
