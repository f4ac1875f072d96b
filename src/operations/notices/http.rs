//! Telling a webhook over HTTP: bounded in time, never redirected.

use super::notice::Notice;
use super::outlet::{Outlet, SendError};
use super::signature::Signer;
use crate::domain::clock::SharedClock;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url, header};
use std::error::Error;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);

/// What only a look at the body can have caused: the same notice is refused the next time, too.
const NEVER: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// A webhook at an address.
pub(super) struct HttpOutlet {
    client: Client,
    url: Url,
    signer: Signer,
    clock: SharedClock,
}

impl HttpOutlet {
    /// Not for a thread of the runtime.
    pub(super) fn new(url: &str, signer: Signer, clock: SharedClock) -> Result<Self, String> {
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("saga-tracker/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            url: Url::parse(url).map_err(|error| format!("no address: {error}"))?,
            signer,
            clock,
        })
    }
}

impl Outlet for HttpOutlet {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        let body = notice.body();
        let seconds = self.clock.now().0.div_euclid(1_000);
        let signature = self
            .signer
            .sign(&notice.id, seconds, &body)
            .map_err(SendError::Failed)?;
        let answer = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .map_err(|error| SendError::Failed(causes(error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let why = format!("it answered {status}; accepted: 200 to 299");
        Err(if NEVER.contains(&status) {
            SendError::Refused(why)
        } else {
            SendError::Failed(why)
        })
    }
}

/// An error and what caused it, without the address, which may hold a secret.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        told = format!("{told}: {next}");
        cause = next.source();
    }
    told
}
