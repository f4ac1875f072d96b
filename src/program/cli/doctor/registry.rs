//! The schema registry: reachable, lets us in, knows the topic's schema.

use super::Check;
use crate::pipeline::registry::RegistrySettings;
use crate::program::config::Config;
use reqwest::blocking::{Client, Response};
use std::error::Error;
use std::time::Duration;

const CHECK: &str = "schema registry";

/// Asks each registry for the latest schema of the topic.
pub(super) fn check(config: &Config, timeout: Duration) -> Vec<Check> {
    let Some(urls) = &config.registry.url else {
        return vec![Check::ok(
            CHECK,
            "none configured; every record is read by the bundled schema",
        )];
    };
    let subject = format!("{}-value", config.kafka.topic);
    let check_one = |url: &str| {
        let latest = format!("{}/subjects/{subject}/versions/latest", url.trim_end_matches('/'));
        match ask(&config.registry, &latest, timeout) {
            Ok(answer) => judge(&answer, &subject),
            Err(error) => unreachable(&*error),
        }
    };
    urls.split(',').map(|url| check_one(url.trim())).collect()
}

fn unreachable(error: &(dyn Error + 'static)) -> Check {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let advice = "check registry.url (SCHEMA_REGISTRY_URL), the network and registry.ca_file; until it answers, the \
                  tracker waits at the first unknown schema id";
    Check::fail(CHECK, format!("no answer: {cause}"), advice)
}

fn ask(settings: &RegistrySettings, url: &str, timeout: Duration) -> Result<Response, Box<dyn Error>> {
    let mut client = Client::builder().timeout(timeout);
    if let Some(path) = &settings.ca_file {
        client = client.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&std::fs::read(path)?)?);
    }
    let mut request = client.build()?.get(url);
    if let Some(user) = &settings.username {
        request = request.basic_auth(user, settings.password.as_ref().map(|password| password.expose()));
    }
    if let Some(token) = &settings.token {
        request = request.bearer_auth(token.expose());
    }
    Ok(request.send()?)
}

fn judge(answer: &Response, subject: &str) -> Check {
    match answer.status().as_u16() {
        200 => Check::ok(CHECK, format!("reachable, knows {subject}")),
        404 => Check::warn(
            CHECK,
            format!("reachable, but has no schema {subject} yet"),
            "nothing to do if no producer has registered one so far, or if producers use another naming strategy",
        ),
        status @ (401 | 403) => Check::fail(
            CHECK,
            format!("refuses us ({status})"),
            "set registry.username and registry.password_file, or registry.token_file",
        ),
        status => Check::fail(CHECK, format!("answers {status}"), "see the registry's own log"),
    }
}
