//! Who is told what.

use super::event::NoticeEvent;
use super::transport;
use crate::domain::HOUR_MILLIS;
use crate::settings::settings;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Webhooks, at most.
pub const MAX_URLS: usize = 8;

settings! {
    /// Webhooks that are told what happens.
    #[derive(Debug)]
    pub struct WebhookSettings of [webhooks] {
        /// Where notices are posted to, up to 8. Each is told all of them, in its own time.
        #[option(Urls)]
        pub urls: Option<String> = None,
        /// What is told, comma separated: saga.failed, saga.stuck, saga.compensation_overdue, dead_letter.new.
        #[option(Text)]
        pub events: String = "saga.failed,saga.stuck,saga.compensation_overdue,dead_letter.new".to_owned(),
        /// File that holds the secret with which notices are signed: whsec_ and base64, or any text, which counts as
        /// it is. Needed with urls. It is read again for each notice.
        #[option(Path)]
        pub secret_file: Option<PathBuf> = None,
        /// Seconds between two looks at what has happened.
        #[option(SECONDS)]
        pub interval_seconds: u64 = 10,
        /// Hours after which what happened is told no more, when the webhook could not be told until then.
        #[option(Integer(1, 8_760))]
        pub retry_hours: u64 = 72,
    }
}

impl WebhookSettings {
    /// The webhooks.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        listed(self.urls.as_deref().unwrap_or_default())
    }

    /// A value of `webhooks.urls` as people may see it: without whatever may be a secret.
    pub fn shown_urls(urls: &str) -> String {
        let shown: Vec<String> = listed(urls).map(transport::shown).collect();
        shown.join(",")
    }

    /// What is told.
    ///
    /// # Errors
    /// The name that is none of an event.
    pub fn events(&self) -> Result<BTreeSet<NoticeEvent>, String> {
        listed(&self.events)
            .map(|name| NoticeEvent::from_name(name).ok_or_else(|| name.to_owned()))
            .collect()
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    /// Milliseconds after which what happened is told no more.
    pub(super) fn retry_millis(&self) -> i64 {
        i64::try_from(self.retry_hours)
            .unwrap_or(i64::MAX)
            .saturating_mul(HOUR_MILLIS)
    }
}

/// The parts of a text that commas separate.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
