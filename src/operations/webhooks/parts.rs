//! What those who tell share.

use super::cursors::Cursors;
use super::event::NoticeEvent;
use super::settings::WebhookSettings;
use super::sources;
use super::status::WebhookStatus;
use super::transport::Webhook;
use crate::domain::clock::SharedClock;
use crate::pipeline::ingest::IngestStatus;
use crate::pipeline::query::{Query, QueryError};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What telling is made of. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    /// Answers what happened.
    pub query: Query,
    /// The topics whose dead letters are told of: the tracker topic and the dead-letter topic.
    pub topics: [String; 2],
    /// How far the tracker topic is read: who is late nobody knows before.
    pub ingest: Arc<IngestStatus>,
    /// Who is told what.
    pub settings: WebhookSettings,
    /// How that goes.
    pub status: Arc<WebhookStatus>,
    /// Tells the time.
    pub clock: SharedClock,
    /// Ends it.
    pub shutdown: CancellationToken,
}

impl Webhooks {
    pub(super) fn cursors(&self, webhook: &Webhook) -> Cursors {
        Cursors {
            store: self.query.store().clone(),
            target: webhook.key.clone(),
        }
    }

    /// Begins with what happens from now on, of each event of which the webhook was never told. Who is late is found
    /// by looking: that begins with the first look.
    pub(super) fn begin(&self, cursors: &Cursors) -> Result<(), QueryError> {
        for event in self.settings.events().unwrap_or_default() {
            if event.rule().is_none() && cursors.progress(event)?.is_none() {
                self.begin_with(cursors, event)?;
            }
        }
        Ok(())
    }

    pub(super) fn begin_with(&self, cursors: &Cursors, event: NoticeEvent) -> Result<(), QueryError> {
        let end = sources::end(&self.query, &self.topics, event)?;
        Ok(cursors.begin(event, self.clock.now(), &end)?)
    }
}
