//! Telling a webhook over HTTP: bounded in time, never redirected.

use super::notice::Notice;
use super::signature::Signer;
use super::transport::{SendError, Transport};
use crate::domain::clock::SharedClock;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url, header};
use std::error::Error;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);

/// What only a look at the body can have caused: the same notice is refused the next time, too. Not 400, which many
/// answer when they do not accept the signature or the time.
const NEVER: [StatusCode; 3] = [
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];
/// What is answered whatever the notice: in the place of a receiver that is away, or by one that has too much to do.
const AWAY: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// A webhook at an address.
pub(super) struct HttpTransport {
    client: Client,
    url: Url,
    signer: Signer,
    clock: SharedClock,
}

impl HttpTransport {
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

impl Transport for HttpTransport {
    fn send(&mut self, notice: &Notice) -> Result<(), SendError> {
        let body = notice.body();
        let seconds = self.clock.now().0.div_euclid(1_000);
        let signature = self
            .signer
            .sign(&notice.id, seconds, &body)
            .map_err(|error| SendError::Away(error.to_string()))?;
        let answer = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .map_err(|error| SendError::Away(causes(error)))?;
        taken(answer.status())
    }
}

/// What an answer means.
fn taken(status: StatusCode) -> Result<(), SendError> {
    if status.is_success() {
        return Ok(());
    }
    let why = format!("it answered {status}; accepted: 200 to 299");
    Err(match status {
        status if NEVER.contains(&status) => SendError::Refused(why),
        status if AWAY.contains(&status) => SendError::Away(why),
        _ => SendError::Failed(why),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_body_caused_is_never_tried_again() {
        let means = |code: u16| match taken(StatusCode::from_u16(code).unwrap()) {
            Ok(()) => "taken",
            Err(SendError::Away(_)) => "away",
            Err(SendError::Failed(_)) => "failed",
            Err(SendError::Refused(_)) => "refused",
        };
        let codes = [204, 302, 400, 401, 403, 413, 415, 422, 429, 500, 502, 503, 504];
        assert_eq!(
            codes.map(means),
            [
                "taken", "failed", "failed", "failed", "failed", "refused", "refused", "refused", "away",
                "failed", "away", "away", "away"
            ]
        );
    }
}
