//! The JSON body of a request: read within the limit, and what is wrong with it said by field.

use super::body_room::NoRoom;
use super::context::Context;
use super::error::{ApiError, Detail, ErrorKind};
use super::slow_body::{BodyTooSlow, cause};
use crate::domain::text::first;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::time::Duration;

/// Characters that are told of what is wrong with a body.
const MAX_FAULT_CHARS: usize = 500;

/// A body of that type.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Context> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, context: &Context) -> Result<Self, ApiError> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("nothing");
        if !is_json(kind) {
            let message = format!("Content-Type: found {kind}, accepted: application/json");
            return Err(ApiError::new(ErrorKind::UnsupportedMediaType, message));
        }
        let limit = usize::try_from(context.settings().body_limit_bytes).unwrap_or(usize::MAX);
        let bytes = to_bytes(request.into_body(), limit)
            .await
            .map_err(|error| broken(&error, limit))?;
        let wrong = |found: String| {
            ApiError::faults(vec![Detail {
                parameter: "body".to_owned(),
                found,
                accepted: "a JSON object as /api-docs describes it".to_owned(),
            }])
        };
        // serde would take a list for a struct, field by field.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(wrong("something other than a JSON object".to_owned()));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            // It says the whole of a text that it did not expect.
            .map_err(|error| wrong(first(&error.to_string(), MAX_FAULT_CHARS).to_owned()))
    }
}

/// A field that is a JSON object, or null: for fields whose type is a struct, for which serde would
/// take a list.
pub(super) fn object_or_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let fields: Option<Map<String, Value>> = Option::deserialize(deserializer)?;
    fields
        .map(|fields| T::deserialize(Value::Object(fields)).map_err(D::Error::custom))
        .transpose()
}

/// Why there is no body.
fn broken(error: &axum::Error, limit: usize) -> ApiError {
    if let Some(slow) = cause::<BodyTooSlow>(error) {
        let message = format!("{slow}; send all of it at once");
        return ApiError::new(ErrorKind::RequestTimeout, message);
    }
    if let Some(none) = cause::<NoRoom>(error) {
        return ApiError::new(ErrorKind::TooManyRequests, none.to_string())
            .nothing_changed()
            .retry_after(Duration::from_secs(1));
    }
    let message = format!("the body broke off, or has more than the {limit} bytes that are accepted");
    ApiError::new(ErrorKind::PayloadTooLarge, message)
}

fn is_json(kind: &str) -> bool {
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}
