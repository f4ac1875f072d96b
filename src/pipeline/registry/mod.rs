//! Where writer schemas come from: a schema registry, or, without one, the bundled schema.
//!
//! A source answers with a compiled [`DecodePlan`]. It says which failures are the record's (no such
//! schema, a schema that is not the contract) and which are the registry's (down, slow, refusing us):
//! the first make dead letters, the second are waited out by whoever asked. Waiting is not done here.

mod bundled;
mod client;
mod http;
mod questions;
mod references;
mod settings;

pub use bundled::{BUNDLED_SCHEMA, BundledSchema};
pub use client::{RegistryClient, RegistryPing};
pub use settings::{RegistrySettings, RegistrySettingsError};

use super::decode::{DecodePlan, Defect, DefectReason};
use std::sync::Arc;
use std::time::Duration;

/// The id that values are written under where no registry gives one.
const BUNDLED_ID: u32 = 1;

/// Why there is no plan for a schema id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The registry answers, and has no such schema now. The record is a dead letter until it has one.
    #[error("the schema registry has no schema of this id; accepted: an id that the producer registered")]
    Unknown,
    /// There is a schema, and one that it refers to is not there now. The same.
    #[error("{0}")]
    Incomplete(String),
    /// There is a schema, and the contract cannot be read with it. The record is a dead letter.
    #[error("{0}")]
    Unreadable(String),
    /// The registry could not be asked. Wait and ask again; never a dead letter.
    #[error("{0}")]
    Unavailable(String),
}

impl SchemaError {
    /// What is wrong with the record that named this id; `None` when nothing is wrong with the record.
    pub fn defect(&self, id: u32) -> Option<Defect> {
        let reason = match self {
            Self::Unknown | Self::Incomplete(_) => DefectReason::UnknownSchema,
            Self::Unreadable(_) => DefectReason::UnreadableSchema,
            Self::Unavailable(_) => return None,
        };
        Some(Defect::new(reason, format!("schema {id}: {self}")))
    }

    /// Whether the registry may learn what it lacks: producers register before they write, but a registry
    /// may be slow to hear of it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unknown | Self::Incomplete(_))
    }
}

/// A schema to write with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterSchema {
    /// Its id, for the wire format.
    pub id: u32,
    /// The schema.
    pub text: String,
}

/// Knows how to read what was written with a schema id, and what to write with.
pub trait SchemaSource: Send + Sync {
    /// The plan for a schema id. May do I/O and block, so never call it on an async thread.
    ///
    /// # Errors
    /// [`SchemaError`], see there for who has to do something about it.
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError>;

    /// The same, without trusting what was said a while ago of what is not there.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    fn plan_now(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        self.plan(id)
    }

    /// The plan for a schema id, if it is known without asking anybody.
    fn known(&self, id: u32) -> Option<Arc<DecodePlan>> {
        self.plan(id).ok()
    }

    /// How long consumption waits for a schema that is not there yet.
    fn unknown_id_timeout(&self) -> Duration {
        Duration::ZERO
    }

    /// The schema to write values of a topic with: without a registry the bundled one, under an id that
    /// every reader without a registry takes. May block as well.
    ///
    /// # Errors
    /// [`SchemaError::Unavailable`] when the registry cannot be asked.
    fn writer(&self, _topic: &str) -> Result<WriterSchema, SchemaError> {
        Ok(WriterSchema {
            id: BUNDLED_ID,
            text: BUNDLED_SCHEMA.to_owned(),
        })
    }
}

/// The source that the settings ask for.
///
/// # Errors
/// When the settings cannot be used, e.g. a CA file that is not there.
pub fn open(settings: &RegistrySettings) -> Result<Arc<dyn SchemaSource>, RegistrySettingsError> {
    Ok(if settings.urls().is_empty() {
        Arc::new(BundledSchema::new()?)
    } else {
        Arc::new(RegistryClient::new(settings)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_nobodys_defect() {
        assert_eq!(SchemaError::Unavailable("down".into()).defect(7), None);
        assert_eq!(
            SchemaError::Unknown.defect(7).map(|d| d.reason),
            Some(DefectReason::UnknownSchema)
        );
        let unreadable = SchemaError::Unreadable("field step is missing".into()).defect(7);
        assert_eq!(
            unreadable,
            Some(Defect::new(
                DefectReason::UnreadableSchema,
                "schema 7: field step is missing"
            ))
        );
    }

    #[test]
    fn without_a_url_the_bundled_schema_is_used() {
        let source = open(&RegistrySettings::default()).unwrap();
        assert!(Arc::ptr_eq(&source.plan(1).unwrap(), &source.plan(2).unwrap()));
    }
}
