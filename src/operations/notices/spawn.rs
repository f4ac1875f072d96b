//! Begins to tell: a thread for each webhook.

use super::http::HttpTransport;
use super::parts::Notices;
use super::sender::Sender;
use super::signature::Signer;
use super::transport::Webhook;
use crate::pipeline::query::QueryError;
use std::path::PathBuf;
use std::thread::JoinHandle;

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
    /// Where telling begins cannot be read or written.
    #[error("where telling webhooks begins: {0}")]
    Begin(#[from] QueryError),
}

impl Notices {
    /// Starts telling, on a thread of its own for each webhook. A webhook that is new is told what becomes known from
    /// now on, whenever its thread comes to it.
    ///
    /// # Errors
    /// [`NoticeError`] when there is no secret, no thread, or a store that fails.
    pub fn spawn(self) -> Result<Vec<JoinHandle<()>>, NoticeError> {
        let urls: Vec<String> = self.settings.urls().map(str::to_owned).collect();
        self.status.set_webhooks(urls.len());
        let Some(secret) = self.settings.secret_file.clone().filter(|_| !urls.is_empty()) else {
            return Ok(Vec::new());
        };
        let signer = Signer::of(secret.clone()).map_err(|why| NoticeError::Secret { path: secret, why })?;
        let mut threads = Vec::new();
        for url in urls {
            let webhook = Webhook::of(&url);
            match HttpTransport::new(&url, signer.clone(), self.clock.clone()) {
                Ok(transport) => {
                    let sender = Sender::new(self.clone(), webhook, transport);
                    sender.begin()?;
                    let thread = std::thread::Builder::new().name("notices".to_owned());
                    threads.push(thread.spawn(move || sender.run())?);
                }
                Err(error) => {
                    tracing::error!(webhook = webhook.shown, error, "the webhook is never told");
                    self.status.mark_failing(&webhook.shown, self.clock.now(), &error);
                }
            }
        }
        Ok(threads)
    }
}
