//! A schema registry that goes away, and gets to know a schema late.

use super::topic::Record;
use super::world::World;
use crate::domain::{Event, Millis};
use crate::pipeline::decode::{DecodePlan, Rejected, wire};
use crate::pipeline::registry::{BUNDLED_SCHEMA, SchemaError, SchemaSource};
use apache_avro::Schema;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The published schema.
pub(super) const FIRST: u32 = 1;
/// One with another type, and with a status that the contract does not have.
pub(super) const SECOND: u32 = 2;
/// One that the contract cannot be read with.
pub(super) const UNREADABLE: u32 = 3;

fn plans() -> &'static [Arc<DecodePlan>; 2] {
    static PLANS: OnceLock<[Arc<DecodePlan>; 2]> = OnceLock::new();
    PLANS.get_or_init(|| {
        let second = BUNDLED_SCHEMA
            .replace("\"PAYMENT_COMPLETION\"]", "\"PAYMENT_COMPLETION\", \"REFUND\"]")
            .replace("\"COMPENSATED\"]", "\"COMPENSATED\", \"PAUSED\"]");
        [BUNDLED_SCHEMA, &second].map(|text| {
            let schema = Schema::parse_str(text).unwrap();
            Arc::new(DecodePlan::compile(&schema).unwrap())
        })
    })
}

/// What a registry says that is there and knows everything that will ever be registered.
fn settled(id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
    match id {
        FIRST => Ok(plans()[0].clone()),
        SECOND => Ok(plans()[1].clone()),
        UNREADABLE => Err(SchemaError::Unreadable("no record of ours".to_owned())),
        _ => Err(SchemaError::Unknown),
    }
}

/// What a record is, once the registry knows everything.
pub(super) fn read(record: &Record, arrived_at: Millis) -> Result<Event, Rejected> {
    let (id, body) = wire::payload(record.value.as_deref())?;
    match settled(id) {
        Ok(plan) => plan.event(body, record.position, arrived_at),
        Err(error) => Err(error.defect(id).unwrap().into()),
    }
}

/// The registry as a replica meets it.
pub(super) struct SimRegistry(pub(super) Arc<World>);

impl SchemaSource for SimRegistry {
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        let mut weather = self.0.weather();
        if weather.registry_down > 0 {
            weather.registry_down -= 1;
            return Err(SchemaError::Unavailable("the registry is away".to_owned()));
        }
        if id == SECOND && !weather.knows_second {
            return Err(SchemaError::Unknown);
        }
        settled(id)
    }

    fn known(&self, id: u32) -> Option<Arc<DecodePlan>> {
        let weather = *self.0.weather();
        let knows = weather.registry_down == 0 && (id != SECOND || weather.knows_second);
        settled(id).ok().filter(|_| knows)
    }

    fn unknown_id_timeout(&self) -> Duration {
        Duration::from_millis(100)
    }
}
