//! How far redrives are, and what became of each dead letter: one question per file.

mod body;
pub(super) mod items;
pub(super) mod list;
pub(super) mod status;

pub(super) use body::RedriveBody;

use super::super::error::{ApiError, Detail, ErrorKind};
use super::super::params::{parse_number, shown};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

/// The number of a redrive in a path.
pub(super) struct NumberPath(pub(super) u64);

impl<S: Sync + Send> FromRequestParts<S> for NumberPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        let text = found.map(|Path(text)| text).unwrap_or_default();
        parse_number(&text, 1, u64::MAX).map(Self).ok_or_else(|| {
            ApiError::faults(vec![Detail {
                parameter: "number".to_owned(),
                found: shown(&text),
                accepted: "the number of a redrive".to_owned(),
            }])
        })
    }
}

fn unknown(number: u64) -> ApiError {
    ApiError::new(
        ErrorKind::NotFound,
        format!("this replica has no redrive {number}"),
    )
}
