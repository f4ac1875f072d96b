//! Where a replica publishes: onto the topics of the run, unless the broker is away. What is decided
//! about purges is held against what a tracker would decide that has read everything by a right clock.

use super::oracle::retention;
use super::source::SharedGiven;
use super::world::World;
use crate::domain::{Event, Position, SagaId};
use crate::operations::retention::body::{PURGE, PurgeBody};
use crate::pipeline::kafka::{Message, OutError, Outlet};
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
        let cut = body.cut;
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        for saga in body.sagas {
            let events = reads::deliveries(&*self.store, &saga.saga, &cut).unwrap();
            noted.archive.insert((offset, saga.saga.clone()), events);
            let given = self.given.lock().clone();
            let told = given.told;
            let has_read = |at| given.records.contains_key(&at) || given.filled.contains_key(&at);
            if let Some(why) = retention::keeps(&self.world, &saga.saga, (&cut, &told), has_read) {
                noted.faults.push(format!(
                    "[2.1] replica {} decides (offset {offset}) that saga {:?} goes, which a tracker that has read everything by a right clock keeps: {why}",
                    self.replica,
                    saga.saga.as_str(),
                ));
            }
        }
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
