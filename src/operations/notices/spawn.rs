//! Begins to tell: a thread for each webhook.

use super::http::HttpTransport;
use super::parts::Notices;
use super::sender::Sender;
use super::signature::Signer;
use super::transport::Webhook;
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
        let signer = Signer::of(secret.clone()).map_err(|why| NoticeError::Secret { path: secret, why })?;
        let thread = std::thread::Builder::new()
            .name("notices".to_owned())
            .spawn(move || self.run(&urls, &signer))?;
        Ok(Some(thread))
    }

    fn run(&self, urls: &[String], signer: &Signer) {
        std::thread::scope(|scope| {
            for url in urls {
                scope.spawn(move || {
                    let webhook = Webhook::of(url);
                    match HttpTransport::new(url, signer.clone(), self.clock.clone()) {
                        Ok(transport) => Sender::new(self, webhook, transport).run(),
                        Err(error) => {
                            tracing::error!(webhook = webhook.shown, error, "the webhook is never told");
                            self.status.mark_failing(&webhook.shown, self.clock.now(), &error);
                        }
                    }
                });
            }
        });
    }
}
