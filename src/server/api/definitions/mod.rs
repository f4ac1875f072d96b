//! What the tracker knows of saga types: what is in force, what was, and how that is changed.

mod apply;
mod check;
mod shorter_retention;
mod show;
mod trial;
mod versions;

use super::context::Context;
use super::error::{ApiError, Detail, ErrorKind};
use super::route::Route;
use crate::domain::SagaDefinitions;
use crate::operations::definitions::{ApplyError, Definitions, readable};
use crate::store::StoreError;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Faults of a file that are named at most.
const MAX_FAULTS: usize = 50;

pub(super) fn routes() -> Vec<Route> {
    vec![
        // A decision bounds itself: it must be able to say what became of what it published.
        Route::of(routes!(show::handle, apply::handle)).unbounded(),
        Route::of(routes!(check::handle)),
        // Bounds how much it looks at.
        Route::of(routes!(trial::handle)).unbounded(),
        Route::of(routes!(versions::list)),
        Route::of(routes!(versions::one)),
    ]
}

/// A definitions file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DefinitionsFile)]
pub(super) struct FileBody {
    /// The text of the file, TOML, up to 256 KiB.
    #[schema(max_length = 262144)]
    definitions: String,
}

/// Asks what is decided, which is a few reads.
async fn ask<T: Send + 'static>(
    context: &Context,
    question: impl FnOnce(&Definitions) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let definitions = context.parts().definitions.clone();
    Ok(context.in_turn(move |_| question(&definitions)).await??)
}

/// The definitions of a file that is sent.
fn read(text: &str) -> Result<SagaDefinitions, ApiError> {
    Ok(readable(text)?)
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        let words = error.to_string();
        let fault = |found: String| Detail {
            parameter: "definitions".to_owned(),
            found,
            accepted: "the text of a definitions file, as docs/configure.md describes it".to_owned(),
        };
        match error {
            ApplyError::Faults(faults) => {
                let faults = faults.iter().take(MAX_FAULTS);
                Self::faults(
                    faults
                        .map(|found| fault(found.to_string().trim_end().to_owned()))
                        .collect(),
                )
            }
            ApplyError::TooLarge { .. } => Self::faults(vec![fault(words)]),
            ApplyError::NotExpected { .. }
            | ApplyError::ShorterRetention(_)
            | ApplyError::UnknownRetention(_) => Self::new(ErrorKind::Conflict, words),
            ApplyError::Ops(error) => error.into(),
            ApplyError::Store(error) => error.into(),
        }
    }
}
