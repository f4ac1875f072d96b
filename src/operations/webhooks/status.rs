//! How telling webhooks goes, for health and metrics.

use super::event::NoticeEvent;
use crate::domain::Millis;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What an attempt to tell a notice came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeResult {
    /// It was taken.
    Delivered,
    /// It was not, and is tried again.
    Failed,
    /// The receiver will never take it: it is not tried again.
    Refused,
    /// It could not be told for too long: it is not tried again.
    Expired,
}

impl NoticeResult {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Failed, Self::Refused, Self::Expired];

    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

/// How many webhooks there are, and how telling them goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookFigures {
    /// How many webhooks there are.
    pub webhooks: usize,
    /// Attempts since the start, by what was told and what it came to.
    pub attempts: BTreeMap<(NoticeEvent, NoticeResult), u64>,
    /// Webhooks that cannot be told: since when, and why.
    pub failing: BTreeMap<String, (Millis, String)>,
}

/// Written by those who tell, read by health and metrics.
#[derive(Default)]
pub struct WebhookStatus(Mutex<WebhookFigures>);

impl WebhookStatus {
    /// What is known now.
    pub fn known(&self) -> WebhookFigures {
        self.lock().clone()
    }

    pub(super) fn set_webhooks(&self, webhooks: usize) {
        self.lock().webhooks = webhooks;
    }

    pub(super) fn count(&self, event: NoticeEvent, result: NoticeResult) {
        *self.lock().attempts.entry((event, result)).or_default() += 1;
    }

    /// A webhook cannot be told. Whether that is new.
    pub(super) fn mark_failing(&self, webhook: &str, now: Millis, why: &str) -> bool {
        let mut known = self.lock();
        let since = known.failing.get(webhook).map_or(now, |(since, _)| *since);
        let before = known.failing.insert(webhook.to_owned(), (since, why.to_owned()));
        before.is_none()
    }

    /// A webhook was told everything.
    pub(super) fn mark_working(&self, webhook: &str) {
        self.lock().failing.remove(webhook);
    }

    fn lock(&self) -> MutexGuard<'_, WebhookFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
