//! Begins to tell: a thread for each webhook.

use super::http::HttpTransport;
use super::parts::Webhooks;
use super::sender::Sender;
use super::signature::{Signer, SignerError};
use super::transport::Webhook;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it is looked whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no secret to sign with.
    #[error(transparent)]
    Secret(#[from] SignerError),
    /// The thread cannot be started.
    #[error("the thread that tells webhooks: {0}")]
    Thread(#[from] std::io::Error),
}

impl Webhooks {
    /// Starts telling, on a thread of its own for each webhook. A webhook that is new is told what becomes known from
    /// now on, whenever its thread comes to it.
    ///
    /// # Errors
    /// [`WebhookError`] when there is no secret or no thread.
    pub fn spawn(self) -> Result<Vec<JoinHandle<()>>, WebhookError> {
        let urls: Vec<String> = self.settings.urls().map(str::to_owned).collect();
        self.status.set_webhooks(urls.len());
        let Some(secret) = self.settings.secret_file.clone().filter(|_| !urls.is_empty()) else {
            return Ok(Vec::new());
        };
        let signer = Signer::of(secret)?;
        let mut threads = Vec::new();
        for url in urls {
            let webhook = Webhook::of(&url);
            if let Err(error) = self.begin(&self.cursors(&webhook)) {
                // Its thread begins once that is possible, and holds nothing else up.
                tracing::error!(webhook = webhook.shown, %error, "a webhook is not told from the start on");
                self.status
                    .mark_failing(&webhook.shown, self.clock.now(), &error.to_string());
            }
            let (parts, signer) = (self.clone(), signer.clone());
            let thread = std::thread::Builder::new().name("webhooks".to_owned());
            threads.push(thread.spawn(move || parts.run(&url, webhook, signer))?);
        }
        Ok(threads)
    }

    /// The client makes a runtime of its own, which a task cannot: it is made on the thread.
    fn run(self, url: &str, webhook: Webhook, signer: Signer) {
        match HttpTransport::new(url, signer, self.clock.clone()) {
            Ok(transport) => Sender::new(self, webhook, transport).run(),
            Err(error) => {
                tracing::error!(webhook = webhook.shown, error, "the webhook is never told");
                self.status.mark_failing(&webhook.shown, self.clock.now(), &error);
                // A webhook is no reason for health to be DOWN, as the end of its thread would be.
                while !self.shutdown.is_cancelled() {
                    crate::wait::park(POLL_INTERVAL);
                }
            }
        }
    }
}
