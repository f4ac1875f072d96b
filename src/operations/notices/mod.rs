//! Webhooks out: what happens to sagas and dead letters, told to whoever is configured, signed, at least once.
//!
//! Nothing waits in a queue: each webhook has cursors in the store, and what lies behind them is what it was not told
//! yet. A receiver that is away so costs no memory, holds nothing up but itself, and is told after a restart as well.
//! What happened is read from projections and the table of dead letters, on threads of its own: ingest does not know of
//! it. Each replica tells by itself; a notice has the same id on all of them.

mod cursors;
mod event;
mod http;
mod notice;
mod outlet;
mod settings;
mod signature;
mod sources;
mod status;
mod teller;

#[cfg(test)]
mod tests;

pub use event::NoticeEvent;
pub use settings::{MAX_URLS, NoticeSettings};
pub use status::{Known, NoticeResult, NoticeStatus};

use crate::domain::clock::SharedClock;
use crate::pipeline::query::Query;
use crate::settings::mask_address;
use http::HttpOutlet;
use outlet::Target;
use signature::Signer;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use teller::Teller;
use tokio_util::sync::CancellationToken;

/// What telling is made of. Cheap to clone.
#[derive(Clone)]
pub struct Notices {
    /// Answers what happened.
    pub query: Query,
    /// The topics whose dead letters are told of: the tracker topic and the dead-letter topic.
    pub topics: [String; 2],
    /// Who is told what.
    pub settings: NoticeSettings,
    /// How that goes.
    pub status: Arc<NoticeStatus>,
    /// Tells the time.
    pub clock: SharedClock,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// There is no secret to sign with.
    #[error("notices.secret_file: {shown} {why}; accepted: a file that holds the secret", shown = .path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The thread cannot be started.
    #[error("the thread that tells webhooks: {0}")]
    Thread(#[from] std::io::Error),
}

impl Notices {
    /// Starts telling, on a thread of its own with one for each webhook; `None` when there is no webhook.
    ///
    /// # Errors
    /// [`NoticeError`] when there is no secret or no thread.
    pub fn spawn(self) -> Result<Option<JoinHandle<()>>, NoticeError> {
        let urls: Vec<String> = self.settings.urls().map(str::to_owned).collect();
        self.status.set_webhooks(urls.len());
        let Some(secret) = self.settings.secret_file.clone().filter(|_| !urls.is_empty()) else {
            return Ok(None);
        };
        let signer = Signer::of(secret)?;
        let thread = std::thread::Builder::new()
            .name("notices".to_owned())
            .spawn(move || self.run(&urls, &signer))?;
        Ok(Some(thread))
    }

    fn run(&self, urls: &[String], signer: &Signer) {
        std::thread::scope(|scope| {
            for url in urls {
                scope.spawn(move || {
                    let target = Target::of(url);
                    match HttpOutlet::new(url, signer.clone(), self.clock.clone()) {
                        Ok(outlet) => Teller::new(self, target, outlet).run(),
                        Err(error) => {
                            tracing::error!(url = mask_address(url), error, "the webhook is never told");
                            self.status.fails(&target.shown, self.clock.now(), &error);
                        }
                    }
                });
            }
        });
    }
}
