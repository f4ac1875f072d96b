//! The one body of every error answer, and what handlers return to get it.

use super::text::Instant;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What went wrong, as the `error` field names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorKind {
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 409
    Conflict,
    /// 413
    PayloadTooLarge,
    /// 414
    UriTooLong,
    /// 415
    UnsupportedMediaType,
    /// 429
    TooManyRequests,
    /// 431
    HeadersTooLarge,
    /// 500
    InternalError,
    /// 503
    ServiceUnavailable,
}

impl ErrorKind {
    const ALL: [ErrorKind; 14] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::TooManyRequests,
        Self::HeadersTooLarge,
        Self::InternalError,
        Self::ServiceUnavailable,
    ];

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The kind for a status that something else than a handler answered with.
    fn of(status: StatusCode) -> Self {
        let known = Self::ALL.into_iter().find(|kind| kind.status() == status);
        known.unwrap_or(if status.is_client_error() {
            Self::BadRequest
        } else {
            Self::InternalError
        })
    }
}

/// One thing that was wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Detail {
    /// The parameter, header or field.
    pub parameter: String,
    /// What was found, shortened.
    pub found: String,
    /// What is accepted.
    pub accepted: String,
}

/// Why a request is not answered as it asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
    details: Vec<Detail>,
    retry_after: Option<Duration>,
    nothing_changed: bool,
}

/// The body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// What went wrong.
    error: ErrorKind,
    /// What was wrong, and what is accepted or what to do.
    message: String,
    /// When.
    timestamp: Instant,
    /// The path of the request, as it was sent.
    path: String,
    /// Each thing that was wrong with the request; empty when the message says all.
    details: Vec<Detail>,
}

impl ApiError {
    /// An error with that message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
            nothing_changed: false,
        }
    }

    /// 400 for these faults of the request.
    pub fn faults(details: Vec<Detail>) -> Self {
        let said: Vec<_> = details
            .iter()
            .map(|d| format!("{}: found {}, accepted: {}", d.parameter, d.found, d.accepted))
            .collect();
        Self {
            kind: ErrorKind::BadRequest,
            message: said.join("; "),
            details,
            retry_after: None,
            nothing_changed: false,
        }
    }

    /// What is known when only the status is.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or("the request failed");
        Self::new(ErrorKind::of(status), reason)
    }

    /// Tells the client when to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says that what was asked for was not begun: nothing was changed.
    #[must_use]
    pub fn nothing_changed(mut self) -> Self {
        self.nothing_changed = true;
        self
    }

    /// Whether it is known that nothing was changed.
    pub(super) fn changed_nothing(&self) -> bool {
        self.nothing_changed
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(super) fn into_body(self, path: String, timestamp: Instant) -> ErrorBody {
        ErrorBody {
            error: self.kind,
            message: self.message,
            timestamp,
            path,
            details: self.details,
        }
    }
}

impl IntoResponse for ApiError {
    /// The status, and the error itself for the middleware, which knows path and time, to write the body.
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        if let Some(wait) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_kind() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::of(kind.status()), kind);
        }
        assert_eq!(ErrorKind::of(StatusCode::IM_A_TEAPOT), ErrorKind::BadRequest);
        assert_eq!(ErrorKind::of(StatusCode::BAD_GATEWAY), ErrorKind::InternalError);
    }

    #[test]
    fn names_are_those_of_the_contract() {
        let names = ErrorKind::ALL
            .map(|kind| serde_json::to_string(&kind).unwrap())
            .join(" ");
        insta::assert_snapshot!(names, @r#""BAD_REQUEST" "UNAUTHORIZED" "FORBIDDEN" "NOT_FOUND" "METHOD_NOT_ALLOWED" "REQUEST_TIMEOUT" "CONFLICT" "PAYLOAD_TOO_LARGE" "URI_TOO_LONG" "UNSUPPORTED_MEDIA_TYPE" "TOO_MANY_REQUESTS" "HEADERS_TOO_LARGE" "INTERNAL_ERROR" "SERVICE_UNAVAILABLE""#);
    }
}
