//! Where the schema id in the frame comes from.

use std::future::Future;
use std::pin::Pin;

/// Answer of [`SchemaIds::id_for`].
pub type SchemaIdFuture<'a> = Pin<Box<dyn Future<Output = Result<u32, SchemaIdError>> + Send + 'a>>;

/// Gives a schema its id.
pub trait SchemaIds: Send + Sync {
    /// The id of `schema` for values of `subject`. Asked once per client: ids never change.
    fn id_for<'a>(&'a self, subject: &'a str, schema: &'a str) -> SchemaIdFuture<'a>;
}

/// Why there is no schema id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaIdError {
    /// Nobody answered; another try may help.
    #[error("schema registry {url} gave no answer in {attempts} attempts: {reason}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// How often.
        attempts: u32,
        /// What the last attempt met.
        reason: String,
    },
    /// The answer was no: somebody has to change the schema, the credentials or the settings.
    #[error("schema registry {url} refused the schema for {subject}: {status} {message}")]
    Refused {
        /// Who was asked.
        url: String,
        /// For which subject.
        subject: String,
        /// HTTP status.
        status: u16,
        /// The registry's own words.
        message: String,
    },
}

/// The same id for every schema: for a topic without a registry, where the tracker reads every record
/// with the published schema, or where the id is known from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed(pub u32);

impl SchemaIds for Fixed {
    fn id_for<'a>(&'a self, _subject: &'a str, _schema: &'a str) -> SchemaIdFuture<'a> {
        Box::pin(std::future::ready(Ok(self.0)))
    }
}
