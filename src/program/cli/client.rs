//! Asks a running server, over HTTP, as any client would.

use super::exit::{Exit, Failure, Outcome};
use crate::program::wiring::operator;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use std::io::{ErrorKind, Read as _};
use std::time::Duration;

/// Everything but what RFC 3986 lets stand in a path segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The header that says who is at work.
const OPERATOR: &str = "x-operator";

/// Of an answer that is passed on as it comes, so many bytes at once.
const PART_BYTES: usize = 64 << 10;

/// Where the server is and how long to wait for it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// Address of a running server
    #[arg(
        long,
        env = "SAGA_TRACKER_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8086",
        value_name = "URL"
    )]
    pub(super) url: String,
    /// Seconds to wait for an answer
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) timeout: u64,
}

/// A server to ask.
pub(super) struct Server {
    base: String,
    client: Client,
}

/// The error body of the contract, as far as it is shown.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    message: String,
}

impl Server {
    pub(super) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let accepted = "accepted: an address such as http://127.0.0.1:8086";
        let url = Url::parse(&args.url).map_err(|error| {
            Failure::new(Exit::Usage, format!("--url {:?}: {error}; {accepted}", args.url))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Failure::new(
                Exit::Usage,
                format!("--url {:?}: not an http address; {accepted}", args.url),
            ));
        }
        let mut client = Client::builder()
            .user_agent(concat!("saga-tracker/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(args.timeout.min(10)))
            .timeout(Duration::from_secs(args.timeout));
        // Whatever a name is made of, it is either a header's value or left out.
        if let Ok(name) = HeaderValue::from_bytes(operator::name().as_bytes()) {
            client =
                client.default_headers(HeaderMap::from_iter([(HeaderName::from_static(OPERATOR), name)]));
        }
        if is_loopback(&url) {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|error| Failure::new(Exit::Local, format!("cannot set up an HTTP client: {error}")))?;
        Ok(Self {
            base: args.url.trim_end_matches('/').to_owned(),
            client,
        })
    }

    /// The answer to a GET, as the server wrote it. `path` has no text from outside in it; see [`segment`].
    pub(super) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<String, Failure> {
        self.send(self.client.get(self.address(path, query)?))
    }

    /// Passes on the answer to a GET as it comes; so long as it comes, it may take any time.
    pub(super) fn each_part(
        &self,
        path: &str,
        query: &[(&str, String)],
        mut pass_on: impl FnMut(&[u8]) -> Outcome,
    ) -> Outcome {
        let request = self.client.get(self.address(path, query)?);
        let mut answer = request.send().map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().map_err(|error| self.unreachable(&error))?;
            return Err(self.refusal(status, &text));
        }
        let mut part = vec![0; PART_BYTES];
        loop {
            match answer.read(&mut part) {
                Ok(0) => return Ok(()),
                Ok(length) => pass_on(&part[..length])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broke_off(&error)),
            }
        }
    }

    /// The first entries of a list that is answered page by page, `size` on each.
    pub(super) fn each_entry(
        &self,
        path: &str,
        mut query: Vec<(&str, String)>,
        (size, limit): (usize, usize),
        mut take: impl FnMut(&Value) -> Outcome,
    ) -> Outcome {
        query.push(("size", size.min(limit).to_string()));
        let (first, mut left) = (query.len(), limit);
        while left > 0 {
            let page = parse(&self.get(path, &query)?)?;
            for entry in page["content"].as_array().into_iter().flatten().take(left) {
                take(entry)?;
                left -= 1;
            }
            let Some(next) = page["nextCursor"].as_str() else {
                break;
            };
            query.truncate(first);
            query.push(("cursor", next.to_owned()));
        }
        Ok(())
    }

    fn address(&self, path: &str, query: &[(&str, String)]) -> Result<Url, Failure> {
        let mut url = Url::parse(&format!("{}{path}", self.base))
            .map_err(|error| Failure::new(Exit::Usage, format!("--url {:?}: {error}", self.base)))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn broke_off(&self, error: &std::io::Error) -> Failure {
        let told = format!(
            "the answer of {} broke off ({}); what was written is not all",
            self.base,
            root_cause(error)
        );
        Failure::new(Exit::Server, told)
    }

    /// The answer to a POST without a body.
    pub(super) fn post(&self, path: &str) -> Result<String, Failure> {
        self.send(self.client.post(format!("{}{path}", self.base)))
    }

    /// The answer to a POST of a JSON body.
    pub(super) fn post_json(&self, path: &str, body: &Value) -> Result<String, Failure> {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body))
    }

    /// The answer to a PATCH with a JSON body.
    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<String, Failure> {
        self.send(self.client.patch(format!("{}{path}", self.base)).json(body))
    }

    fn send(&self, request: RequestBuilder) -> Result<String, Failure> {
        let answer = request.send().map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.text().map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            Ok(text)
        } else {
            Err(self.refusal(status, &text))
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            let told = format!("{} did not answer in time; --timeout waits longer", self.base);
            return Failure::new(Exit::Unreachable, told);
        }
        let advice = "start it with `saga-tracker serve`, or name another one with --url or SAGA_TRACKER_URL";
        Failure::new(
            Exit::Unreachable,
            format!("no answer from {} ({}); {advice}", self.base, root_cause(error)),
        )
    }

    fn refusal(&self, status: StatusCode, text: &str) -> Failure {
        let exit = match status.as_u16() {
            404 => Exit::Negative,
            400..=499 => Exit::Usage,
            _ => Exit::Server,
        };
        match serde_json::from_str::<ErrorBody>(text) {
            Ok(body) => Failure::new(exit, format!("{}: {}", body.error, body.message)),
            // Whoever answered, it was not a saga tracker.
            Err(_) => Failure::new(
                Exit::Server,
                format!(
                    "{} answered {status} without the error body of a saga tracker; is the address right?",
                    self.base
                ),
            ),
        }
    }
}

/// The answer as JSON.
pub(super) fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(Exit::Server, format!("the server's answer is not JSON: {error}")))
}

/// A saga id as one segment of a path.
pub(super) fn segment(id: &str) -> Result<String, Failure> {
    if matches!(id, "" | "." | "..") {
        let told = format!(
            "the id {id:?} cannot be part of an address; find such a saga with `saga-tracker search`"
        );
        return Err(Failure::new(Exit::Usage, told));
    }
    Ok(utf8_percent_encode(id, SEGMENT).to_string())
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_characters_becomes_one_segment() {
        assert_eq!(
            segment("a/b?c#d e%2F주").unwrap(),
            "a%2Fb%3Fc%23d%20e%252F%EC%A3%BC"
        );
        assert_eq!(segment("order-1.2_3~4").unwrap(), "order-1.2_3~4");
        for id in ["", ".", ".."] {
            assert_eq!(segment(id).unwrap_err().exit, Exit::Usage);
        }
    }
}
