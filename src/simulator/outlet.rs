//! Where a replica publishes: onto the topics of the run, unless the broker is away. What is decided
//! about purges is held against what a tracker would decide that has read everything by a right clock.

use super::oracle::ledger::is_letter;
use super::oracle::retention;
use super::source::SharedGiven;
use super::world::World;
use crate::domain::{Cut, Event, Position, SagaId};
use crate::operations::retention::body::{PURGE, PurgeBody};
use crate::pipeline::kafka::{Message, OutError, Outlet};
use crate::pipeline::projector::Extent;
use crate::store::{SharedStore, reads};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What was removed by a decision, as the replica that decided held it: decision and saga to deliveries.
pub(super) type Archive = BTreeMap<(u64, SagaId), Vec<Event>>;

/// What outlets note.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) archive: Archive,
    pub(super) faults: Vec<String>,
    /// By replica and letter: how often it was published, and in how many redrives.
    pub(super) redriven: BTreeMap<(usize, Position), u32>,
    pub(super) asked: BTreeMap<(usize, Position), u32>,
}

/// The outlet of a replica's process.
pub(super) struct SimOutlet {
    pub(super) world: Arc<World>,
    pub(super) store: SharedStore,
    pub(super) given: SharedGiven,
    pub(super) replica: usize,
    pub(super) noted: Arc<Mutex<Noted>>,
}

impl SimOutlet {
    fn look_at_purge(&self, message: &Message, offset: u64) {
        let json: Option<serde_json::Value> = message
            .value
            .as_deref()
            .and_then(|value| serde_json::from_slice(value).ok());
        let Some(json) = json.filter(|json| json["kind"] == PURGE) else {
            return;
        };
        let body: PurgeBody = serde_json::from_value(json["body"].clone()).unwrap();
        let body = body.checked().unwrap();
        let extent = body.extent;
        // Settled letters that it names, and those in partitions that it does not.
        let is_left_alone = |at: Position| {
            let is_outside = extent.cut.next(at.partition) == 0;
            extent.unread.contains(&at) || is_outside && is_letter(&*self.store, at)
        };
        let read = self.read_beside(&extent);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        for saga in body.sagas {
            let mut events = reads::deliveries(&*self.store, &saga.saga, &extent.cut).unwrap();
            events.retain(|event| extent.contains(event.position));
            noted.archive.insert((offset, saga.saga.clone()), events);
            let given = self.given.lock().clone();
            let told = given.told;
            let has_read = |at| given.records.contains_key(&at) || given.filled.contains_key(&at);
            let known = (has_read, is_left_alone);
            if let Some(why) = retention::keeps(&self.world, &saga.saga, (&read, &told), known) {
                noted.faults.push(format!(
                    "[2.1] replica {} decides (offset {offset}) that saga {:?} goes, which a tracker that has read everything by a right clock keeps: {why}",
                    self.replica,
                    saga.saga.as_str(),
                ));
            }
        }
    }
}

impl SimOutlet {
    /// What a decision has read: its cut, and of partitions that it leaves alone what is folded.
    fn read_beside(&self, extent: &Extent) -> Cut {
        let generation = reads::active_generation(&*self.store).unwrap();
        let folded = reads::cursor(&*self.store, generation).unwrap();
        let named = |number| Some(extent.cut.next(number)).filter(|next| *next > 0);
        let edges = folded.iter();
        edges
            .map(|(number, next)| (number, named(number).unwrap_or(next)))
            .collect()
    }
}

impl Outlet for SimOutlet {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        let away = self.world.weather().away;
        if self.world.chance(away) {
            return Err(OutError::Unreachable("the broker is away".to_owned()));
        }
        let now = self.world.now();
        let record = self.world.publish(message, now);
        self.look_at_purge(message, record.position.offset);
        if let Some(letter) = super::oracle::account::origin(&record) {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            *noted.redriven.entry((self.replica, letter)).or_default() += 1;
        }
        if self.world.chance(away / 2) {
            return Err(OutError::Uncertain("the broker went away".to_owned()));
        }
        Ok(record.position)
    }
}
