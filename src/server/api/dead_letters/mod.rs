//! Dead letters, one question or action per file, and what their answers share.

mod cancel;
mod count;
mod discard;
pub(super) mod filter;
mod groups;
mod list;
mod redrive;
mod redrives;
mod selection;
mod show;

use super::error::{ApiError, Detail, ErrorKind};
use super::params::shown;
use super::route::Route;
use super::text::Instant;
use crate::domain::Position;
use crate::operations::dead_letters::{ACCEPTED_ID, DeadLetterId, DeadLetterQueryError, ListError, Listed};
use crate::store::dead_letters::{DeadLetterCounts, DeadLetterState, EXTERNAL};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(list::handle)),
        Route::of(routes!(count::handle)),
        Route::of(routes!(groups::handle)),
        Route::of(routes!(show::handle)),
        Route::of(routes!(discard::handle)).unbounded(),
        Route::of(routes!(redrive::handle)),
        Route::of(routes!(redrives::list::handle)),
        Route::of(routes!(redrives::status::handle)),
        Route::of(routes!(redrives::items::handle)),
        Route::of(routes!(cancel::handle)),
    ]
}

/// The dead letter that a path names.
pub(super) struct DeadLetterPath(pub(super) Position);

impl<S: Sync + Send> FromRequestParts<S> for DeadLetterPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        let text = found.map(|Path(text)| text).unwrap_or_default();
        match text.parse::<DeadLetterId>() {
            Ok(DeadLetterId(position)) => Ok(Self(position)),
            Err(_) => Err(ApiError::faults(vec![Detail {
                parameter: "letterId".to_owned(),
                found: shown(&text),
                accepted: ACCEPTED_ID.to_owned(),
            }])),
        }
    }
}

/// What happened to a dead letter since it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LetterState)]
pub(super) enum StateName {
    /// Nothing yet.
    Open,
    /// Its event was published again, and consumed.
    Redriven,
    /// It was discarded.
    Discarded,
}

impl From<DeadLetterState> for StateName {
    fn from(state: DeadLetterState) -> Self {
        match state {
            DeadLetterState::Open => Self::Open,
            DeadLetterState::Redriven => Self::Redriven,
            DeadLetterState::Discarded => Self::Discarded,
        }
    }
}

/// A dead letter without its bytes. What was decoded goes as far as decoding got.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub(super) struct LetterBody {
    /// Names it in every other call.
    #[schema(example = "0-17")]
    id: String,
    topic: String,
    partition: u32,
    offset: u64,
    /// Why it is one, of a fixed list.
    #[schema(example = "unknown_status")]
    reason: String,
    /// Why, in words.
    detail: String,
    arrived_at: Instant,
    state: StateName,
    #[schema(required)]
    event_id: Option<String>,
    #[schema(required)]
    saga_id: Option<String>,
    #[schema(required)]
    saga_type: Option<String>,
    #[schema(required)]
    step: Option<String>,
    /// As it was written, which may be none of the five.
    #[schema(required)]
    status: Option<String>,
    /// Length of its value.
    bytes: u64,
}

impl From<Listed> for LetterBody {
    fn from(letter: Listed) -> Self {
        let Position { partition, offset } = letter.position;
        Self {
            id: DeadLetterId(letter.position).to_string(),
            topic: letter.topic,
            partition: partition & !EXTERNAL,
            offset,
            reason: letter.reason,
            detail: letter.detail,
            arrived_at: Instant(letter.arrived_at),
            state: letter.state.into(),
            event_id: letter.event_id,
            saga_id: letter.saga_id,
            saga_type: letter.saga_type,
            step: letter.step,
            status: letter.status,
            bytes: letter.bytes,
        }
    }
}

/// Dead letters by state.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = LetterCounts)]
pub(super) struct CountsBody {
    /// All of them.
    total: u64,
    open: u64,
    redriven: u64,
    discarded: u64,
    /// Redriven or discarded ones that are no longer kept; not among those above. Known where dead letters are
    /// told apart by reason and state alone, otherwise 0.
    removed: u64,
}

impl From<DeadLetterCounts> for CountsBody {
    fn from(counts: DeadLetterCounts) -> Self {
        Self {
            total: counts.total(),
            open: counts.open,
            redriven: counts.redriven,
            discarded: counts.discarded,
            removed: counts.removed(),
        }
    }
}

impl From<DeadLetterQueryError> for ApiError {
    fn from(error: DeadLetterQueryError) -> Self {
        match error {
            DeadLetterQueryError::Store(error) => error.into(),
            DeadLetterQueryError::Unknown(_) | DeadLetterQueryError::Removed(..) => {
                Self::new(ErrorKind::NotFound, error.to_string())
            }
        }
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Store(error) => error.into(),
            ListError::BadCursor => Self::faults(vec![Detail {
                parameter: "cursor".to_owned(),
                found: "text that is not a cursor of this list".to_owned(),
                accepted: "nextCursor of an answer to the same filters; without it, the newest dead letters"
                    .to_owned(),
            }]),
        }
    }
}
