//! What a configuration must fulfil beyond having known names, and how it is shown.

use super::problem::{Origin, Problem};
use super::setting::Effective;
use super::settings::{Config, options};
use crate::operations::objects::{self, ObjectsError};
use crate::operations::webhooks::{MAX_URLS, NoticeEvent, WebhookSettings};
use crate::pipeline::kafka::properties;
use crate::settings::{ConfigOption, Kind, Secret, mask_address};
use figment::value::Value;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::IpAddr;

type Origins = BTreeMap<String, Origin>;

/// Checks one value by itself. The error is what was found, in words.
pub(super) fn kind(option: &ConfigOption, value: &Value) -> Result<(), String> {
    if matches!(value, Value::Empty(..)) && option.optional() {
        return Ok(());
    }
    let text = value.as_str();
    let fits = match option.kind {
        Kind::Text | Kind::Path | Kind::Secret => text.is_some_and(|text| !text.trim().is_empty()),
        Kind::Topic => text.is_some_and(is_topic),
        Kind::Urls => text.is_some_and(|text| text.split(',').all(|url| is_url(url.trim()))),
        Kind::Address => text.is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        Kind::LogFilter => text.is_some_and(is_log_filter),
        Kind::Integer(from, to) => {
            number(value).is_some_and(|number| (i128::from(from)..=i128::from(to)).contains(&number))
        }
        Kind::Switch => value.to_bool().is_some(),
        Kind::Choice(words) => text.is_some_and(|text| words.contains(&text)),
        Kind::Map => matches!(value, Value::Dict(..)),
    };
    if fits { Ok(()) } else { Err(found(option, value)) }
}

fn number(value: &Value) -> Option<i128> {
    value
        .to_i128()
        .or_else(|| value.to_u128().and_then(|number| i128::try_from(number).ok()))
}

fn found(option: &ConfigOption, value: &Value) -> String {
    match value.as_str() {
        Some("") => "nothing".into(),
        Some(_) if option.kind == Kind::Secret => "blanks".into(),
        Some(text) => format!("{:?}", text_shown(option.key, text)),
        None if option.kind == Kind::Secret => "something that is not text".into(),
        None => number(value).map_or_else(|| value.to_actual().to_string(), |number| number.to_string()),
    }
}

fn is_topic(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&text.len()) && text.chars().all(legal) && !matches!(text, "." | "..")
}

fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A level, or `module=level`. The parser behind it takes a mistyped level for a module's name.
fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.contains(&word.trim().to_lowercase().as_str());
    text.split(',').all(|part| match part.split_once('=') {
        Some((module, level)) => !module.trim().is_empty() && is_level(level),
        None => is_level(part),
    })
}

/// Who is told what, and with which secret.
fn webhooks(webhooks: &WebhookSettings) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let urls = webhooks.urls().count();
    if urls > MAX_URLS {
        problems.push((
            "webhooks.urls",
            format!("found {urls} addresses; accepted: up to {MAX_URLS}"),
        ));
    }
    if let Err(name) = webhooks.events() {
        let names = NoticeEvent::ALL.map(NoticeEvent::as_str).join(", ");
        problems.push((
            "webhooks.events",
            format!("found {name:?}; accepted: {names}, separated by commas"),
        ));
    }
    if urls > 0 && webhooks.secret_file.is_none() {
        let message = "found without webhooks.secret_file; notices are signed: set both";
        problems.push(("webhooks.urls", message.to_owned()));
    }
    problems
}

/// Checks what depends on more than one value.
pub(super) fn whole(config: &Config, origins: &Origins) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |option: &str, message: String| {
        let origin = origins.get(option).cloned().unwrap_or(Origin::Default);
        problems.push(Problem::new(option, origin, message));
    };
    if config.kafka.topic == config.kafka.dlt_topic {
        let topic = &config.kafka.topic;
        report(
            "kafka.dlt_topic",
            format!("found {topic:?}, the same as kafka.topic; accepted: another topic"),
        );
    }
    let ops = &config.kafka.ops_topic;
    for (option, other) in [
        ("kafka.topic", &config.kafka.topic),
        ("kafka.dlt_topic", &config.kafka.dlt_topic),
    ] {
        if ops == other {
            let message = format!("found {ops:?}, the same as {option}; accepted: another topic");
            report("kafka.ops_topic", message);
        }
    }
    for (option, message) in webhooks(&config.webhooks) {
        report(option, message);
    }
    let registry = &config.registry;
    match (&registry.username, &registry.password) {
        (Some(_), None) => report(
            "registry.username",
            "found without a password; set registry.password_file or registry.password".into(),
        ),
        (None, Some(_)) => report(
            "registry.password",
            "found without registry.username; set both".into(),
        ),
        (Some(_), Some(_)) if registry.token.is_some() => {
            report(
                "registry.token",
                "found beside registry.username; set one of the two".into(),
            );
        }
        _ => {}
    }
    if let Some(path) = &registry.ca_file
        && let Err(why) = std::fs::File::open(path)
    {
        report(
            "registry.ca_file",
            format!("{} cannot be read: {why}", path.display()),
        );
    }
    let objects = &config.objects;
    if objects.url.is_some()
        && let Err(why) = objects::check(objects)
    {
        match why {
            ObjectsError::Setting { option, message } => report(option, message),
            other => report("objects.url", other.to_string()),
        }
    }
    // An Azure account is a name; what it is let in by may be the machine's role.
    let on_azure = objects.url.as_ref().is_some_and(|url| url.starts_with("az://"));
    match (&objects.access_key, &objects.secret_key) {
        (Some(_), None) if !on_azure => report(
            "objects.access_key",
            "found without its secret; set objects.secret_key_file or objects.secret_key".into(),
        ),
        (None, Some(_)) => report(
            "objects.secret_key",
            "found without objects.access_key; set both".into(),
        ),
        _ => {}
    }
    if config.snapshot.interval_minutes > 0 && objects.url.is_none() {
        report(
            "snapshot.interval_minutes",
            "found without objects.url, so snapshots have nowhere to go; set both".into(),
        );
    }
    if config.retention.archive && config.objects.url.is_none() {
        report(
            "retention.archive",
            "found true without objects.url; set where the archive is kept".into(),
        );
    }
    for name in config.kafka.properties.0.keys() {
        if let Some(why) = properties::refused(name) {
            report(
                &format!("kafka.properties.{name}"),
                format!("may not be set: {why}"),
            );
        }
    }
    if problems.is_empty()
        && let Some((name, why)) = config.kafka.refused_property()
    {
        let why = if properties::is_secret(&name) {
            "librdkafka refuses the value".to_owned()
        } else {
            why
        };
        let option = format!("kafka.properties.{name}");
        let origin = origins.get(&option).cloned().unwrap_or(Origin::Default);
        problems.push(Problem::new(&option, origin, why));
    }
    problems
}

/// The text of an option, as it may be shown.
fn text_shown(option: &str, text: &str) -> String {
    match option {
        "webhooks.urls" => WebhookSettings::shown_urls(text),
        _ => mask_address(text),
    }
}

/// An entry of an option that has several, as it may be shown.
fn entry_shown(option: &str, name: &str, value: &str) -> String {
    match option {
        "kafka.properties" => properties::shown(name, value),
        _ => mask_address(value),
    }
}

/// All values in force, secrets masked.
pub(super) fn effective(config: &Config, origins: &Origins) -> Vec<Effective> {
    let Ok(all) = serde_json::to_value(config) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    for option in options() {
        let value = option
            .key
            .split('.')
            .try_fold(&all, |at, part| at.get(part))
            .unwrap_or(&Json::Null);
        let mut push = |key: String, value: Json| {
            let origin = origins.get(&key).cloned().unwrap_or(Origin::Default);
            list.push(Effective {
                option: key,
                value,
                origin,
            });
        };
        match value {
            Json::Object(entries) if option.kind == Kind::Map => {
                for (name, value) in entries {
                    let value = value.as_str().unwrap_or_default();
                    let shown = entry_shown(option.key, name, value);
                    push(format!("{}.{name}", option.key), Json::from(shown));
                }
            }
            Json::String(text) => {
                let shown = if option.kind == Kind::Secret {
                    Secret::MASK.to_owned()
                } else {
                    text_shown(option.key, text)
                };
                push(option.key.to_owned(), Json::from(shown));
            }
            other => push(option.key.to_owned(), other.clone()),
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_address_of_a_webhook_only_the_host_is_shown() {
        let urls = "https://hook.example/T000/secret?k=v, https://u:pw@other.example:8443/x";
        let mut config = Config::default();
        config.webhooks.urls = Some(urls.to_owned());
        let shown = "https://hook.example,https://********@other.example:8443";
        let values = effective(&config, &Origins::new());
        let value = values
            .iter()
            .find(|value| value.option == "webhooks.urls")
            .unwrap();
        assert_eq!(value.value, Json::from(shown));
        let option = options().find(|option| option.key == "webhooks.urls").unwrap();
        let found = kind(option, &Value::from("ftp://hook.example/secret")).unwrap_err();
        assert_eq!(found, "\"ftp://hook.example\"");
        let found = kind(option, &Value::from("hook.example/secret")).unwrap_err();
        assert_eq!(found, "\"********\"");
    }

    #[test]
    fn entries_of_an_option_hide_their_secrets_too() {
        let link = "https://token@logs.example/find?key=secret";
        assert_eq!(
            entry_shown("page.links", "logs", link),
            "https://********@logs.example/find?key=********"
        );
        assert_eq!(
            entry_shown("kafka.properties", "sasl.password", "p"),
            Secret::MASK
        );
    }
}
