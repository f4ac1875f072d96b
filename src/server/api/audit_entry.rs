//! The audit entry of every call that changes something. The middleware writes it, whatever became of the
//! call; a handler only adds what it knows better than the path says.

use super::caller::Caller;
use super::context::Context;
use super::error::ApiError;
use crate::operations::audit::{Act, Outcome};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Where a handler says what the audit entry of its call should say.
#[derive(Clone, Debug, Default)]
pub(super) struct AuditEntry(Arc<Mutex<AuditEntryParts>>);

#[derive(Debug, Default)]
struct AuditEntryParts {
    action: Option<String>,
    target: Option<String>,
    why: String,
    detail: String,
    reads: bool,
}

impl AuditEntry {
    /// The call only reads, whatever its method: answered, it is no entry.
    pub(super) fn reads(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reads = true;
    }

    /// What is done, e.g. `set-status`, to what, and why in the caller's words.
    pub(super) fn act(&self, action: &str, target: &str, why: &str) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.action = Some(action.to_owned());
        noted.target = Some(target.to_owned());
        why.clone_into(&mut noted.why);
    }

    fn only_reads(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reads
    }

    /// What came of it, when it succeeded.
    pub(super) fn set_result(&self, detail: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).detail = detail.into();
    }
}

impl<S: Sync> FromRequestParts<S> for AuditEntry {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// A call that changes something, before it is answered.
pub(super) struct Call {
    caller: Caller,
    action: String,
    target: String,
    audit_entry: AuditEntry,
}

impl Call {
    /// The call of a request that may change something; none of one that only reads.
    pub(super) fn of(request: Request, template: &str) -> (Option<Self>, Request) {
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return (None, request);
        }
        let (mut parts, body) = request.into_parts();
        let audit_entry = AuditEntry::default();
        parts.extensions.insert(audit_entry.clone());
        let call = Self {
            caller: Caller::of(&parts),
            action: format!("{} {template}", parts.method),
            target: percent_decode_str(parts.uri.path())
                .decode_utf8_lossy()
                .into_owned(),
            audit_entry,
        };
        (Some(call), Request::from_parts(parts, body))
    }

    /// Records how it was answered. A path that takes no such method was not called.
    pub(super) async fn record(self, status: StatusCode, error: Option<&ApiError>, context: &Context) {
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return;
        }
        let outcome = match status.as_u16() {
            202 => Outcome::Begun,
            0..=399 => Outcome::Done,
            400..=499 => Outcome::Refused,
            // What was not begun can be repeated without end, as what is refused can.
            _ if error.is_some_and(ApiError::changed_nothing) => Outcome::Refused,
            _ => Outcome::Failed,
        };
        if outcome == Outcome::Done && self.audit_entry.only_reads() {
            return;
        }
        let (act, detail) = self.entry(error.map(ToString::to_string));
        let (written, is_written) = oneshot::channel();
        // Its own failure is logged where it happens; the answer stands all the same.
        context.audit().note_then(act, outcome, detail, move || {
            let _ = written.send(());
        });
        let _ = is_written.await;
    }

    fn entry(self, error: Option<String>) -> (Act, String) {
        let mut noted = self.audit_entry.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = std::mem::take(&mut *noted);
        let action = noted.action.as_deref().unwrap_or(&self.action);
        let target = noted.target.as_deref().unwrap_or(&self.target);
        (
            self.caller.act(action, target, &noted.why),
            error.unwrap_or(noted.detail),
        )
    }
}
