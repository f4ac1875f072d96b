//! The schema that the service is built with, for topics without a registry.

use super::{RegistrySettingsError, SchemaError, SchemaSource};
use crate::pipeline::decode::DecodePlan;
use apache_avro::Schema;
use std::sync::Arc;

/// The contract's schema, as it is published.
pub const BUNDLED_SCHEMA: &str = include_str!("../../../proto/SagaTracker.avsc");

/// Reads every schema id with the bundled schema.
#[derive(Clone, Debug)]
pub struct BundledSchema {
    plan: Arc<DecodePlan>,
}

impl BundledSchema {
    /// The bundled schema, compiled.
    ///
    /// # Errors
    /// Never with the schema file of a release; a broken one is said by name.
    pub fn new() -> Result<Self, RegistrySettingsError> {
        let broken = |detail: String| RegistrySettingsError::Bundled { detail };
        let schema = Schema::parse_str(BUNDLED_SCHEMA).map_err(|e| broken(e.to_string()))?;
        let plan = DecodePlan::compile(&schema).map_err(|e| broken(e.to_string()))?;
        Ok(Self { plan: Arc::new(plan) })
    }
}

impl SchemaSource for BundledSchema {
    fn plan(&self, _id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        Ok(Arc::clone(&self.plan))
    }
}
