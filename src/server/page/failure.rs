//! Why a view is not shown: an answer of the API, handed on as it is. What it looks like is decided where all errors of
//! the page are drawn.

use crate::server::api::{ApiError, Detail, ErrorKind, InsideAnswer, OwnBody};
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An answer of the API that is no success.
#[derive(Debug)]
pub(super) enum Failure {
    /// What a call answered.
    Call(Refusal),
    /// The page itself could not.
    Page(ApiError),
}

/// A call that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    retry_after: Option<HeaderValue>,
    body: Bytes,
    is_too_large: bool,
    /// Path and query of the call.
    call: String,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Page(error)
    }
}

/// The call that a view failed for, beside its answer.
#[derive(Clone, Debug)]
pub(super) struct FailedCall(pub(super) String);

impl Failure {
    /// A call's answer.
    pub(super) fn of(answer: InsideAnswer, call: String) -> Self {
        Self::Call(Refusal {
            status: answer.status,
            retry_after: answer.retry_after,
            body: answer.body,
            is_too_large: answer.is_too_large,
            call,
        })
    }

    /// The page is at fault.
    pub(super) fn of_page(why: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %why, "the page was not drawn");
        let message = "the page could not be drawn; the tracker's log says why";
        Self::Page(ApiError::new(ErrorKind::InternalError, message))
    }

    /// The address is not one that the view understands.
    pub(super) fn asked(details: Vec<Detail>) -> Self {
        Self::Page(ApiError::faults(details))
    }

    /// What is asked for is more than the view shows.
    pub(super) fn too_much(message: String) -> Self {
        Self::Page(ApiError::new(ErrorKind::Conflict, message))
    }

    /// Whether a call answered with more than the page holds.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Call(refusal) if refusal.is_too_large)
    }

    /// There is no such view.
    pub(super) fn nowhere() -> Self {
        let message = "the page has no such view; its navigation lists those that there are";
        Self::Page(ApiError::new(ErrorKind::NotFound, message))
    }

    /// Its status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Call(refusal) => refusal.status,
            Self::Page(error) => error.kind().status(),
        }
    }

    /// What it says; empty where it says nothing that can be read.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Call(refusal) => {
                let body: serde_json::Value = serde_json::from_slice(&refusal.body).unwrap_or_default();
                body["message"].as_str().unwrap_or_default().to_owned()
            }
            Self::Page(error) => error.to_string(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Page(error) => return error.into_response(),
            Self::Call(refusal) => refusal,
        };
        let kind = HeaderValue::from_static("application/json");
        let mut response = (refusal.status, [(header::CONTENT_TYPE, kind)], refusal.body).into_response();
        if let Some(wait) = refusal.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response.extensions_mut().insert(OwnBody);
        response.extensions_mut().insert(FailedCall(refusal.call));
        response
    }
}
