//! What those who tell share.

use super::settings::NoticeSettings;
use super::status::NoticeStatus;
use crate::domain::clock::SharedClock;
use crate::pipeline::ingest::IngestStatus;
use crate::pipeline::query::Query;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What telling is made of. Cheap to clone.
#[derive(Clone)]
pub struct Notices {
    /// Answers what happened.
    pub query: Query,
    /// The topics whose dead letters are told of: the tracker topic and the dead-letter topic.
    pub topics: [String; 2],
    /// How far the tracker topic is read: who is late nobody knows before.
    pub ingest: Arc<IngestStatus>,
    /// Who is told what.
    pub settings: NoticeSettings,
    /// How that goes.
    pub status: Arc<NoticeStatus>,
    /// Tells the time.
    pub clock: SharedClock,
    /// Ends it.
    pub shutdown: CancellationToken,
}
