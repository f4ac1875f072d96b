//! librdkafka properties that the user passes through: how they are written in one line, which of
//! them hold secrets, and which are refused because the tracker's promises depend on them.

use crate::settings::{Secret, mask_address};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// librdkafka properties. Those that hold secrets are not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

impl<const N: usize> From<[(String, String); N]> for Properties {
    fn from(properties: [(String, String); N]) -> Self {
        Self(properties.into())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| (name, shown(name, value)));
        f.debug_map().entries(shown).finish()
    }
}

/// Properties that the user may not set, and why.
const REFUSED: &[(&str, &str)] = &[
    (
        "acks",
        "operator events and dead letters must be acknowledged by all replicas",
    ),
    (
        "allow.auto.create.topics",
        "a mistyped topic would be created instead of reported",
    ),
    (
        "auto.commit.enable",
        "offsets are stored with the events, in one write",
    ),
    (
        "auto.offset.reset",
        "the tracker starts where its store ends, or at the beginning",
    ),
    ("bootstrap.servers", "use the option kafka.bootstrap_servers"),
    (
        "enable.auto.commit",
        "offsets are stored with the events, in one write",
    ),
    (
        "enable.auto.offset.store",
        "offsets are stored with the events, in one write",
    ),
    (
        "enable.idempotence",
        "what the tracker publishes must not be written twice by a retry",
    ),
    (
        "enable.partition.eof",
        "the tracker learns the end of a partition by other means",
    ),
    ("group.id", "use the option kafka.group_id"),
    (
        "group.instance.id",
        "the tracker assigns itself all partitions and is no member of a group",
    ),
    (
        "group.protocol",
        "the tracker assigns itself all partitions and is no member of a group",
    ),
    (
        "isolation.level",
        "records of aborted transactions never happened and must not be applied",
    ),
    ("metadata.broker.list", "use the option kafka.bootstrap_servers"),
    (
        "partition.assignment.strategy",
        "the tracker assigns itself all partitions and is no member of a group",
    ),
    ("plugin.library.paths", "a plugin can change what is read"),
    (
        "request.required.acks",
        "operator events and dead letters must be acknowledged by all replicas",
    ),
    (
        "statistics.interval.ms",
        "nobody here reads the statistics: they would pile up, and overtake records",
    ),
    (
        "test.mock.num.brokers",
        "that broker forgets; for a trial run use: saga-tracker demo",
    ),
    ("transactional.id", "the tracker publishes single records"),
];

/// Why a property is refused, if it is.
pub(crate) fn refused(name: &str) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(refused, _)| *refused == name)
        .map(|(_, why)| *why)
}

/// Whether the value must not be shown.
pub(crate) fn is_secret(name: &str) -> bool {
    const SECRET_PARTS: [&str; 7] = [
        "password",
        "secret",
        "token",
        "oauthbearer.config",
        "key.pem",
        "jaas",
        "assertion.private",
    ];
    SECRET_PARTS.iter().any(|part| name.contains(part))
        // These name an endpoint or a file, not a secret.
        && !name.ends_with(".url")
        && !name.ends_with(".file")
        && !name.ends_with(".location")
}

/// The value as it may be shown.
pub(crate) fn shown(name: &str, value: &str) -> String {
    if is_secret(name) {
        Secret::MASK.to_owned()
    } else {
        mask_address(value)
    }
}

/// `a=b,c=d`, or one per line. A comma that no `name=` follows belongs to the value.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut properties = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
        for item in line.split(',') {
            match (pair(item), last.as_mut()) {
                (Some((name, value)), _) => {
                    last = Some(name.to_owned());
                    properties.insert(name.to_owned(), value.to_owned());
                }
                (None, Some(name)) => {
                    let value: &mut String = properties.entry(name.clone()).or_default();
                    value.push(',');
                    value.push_str(item);
                }
                (None, None) => return Err(format!("{item:?} is not name=value")),
            }
        }
        last = None;
    }
    Ok(properties)
}

/// `name=value` where the name could be a property's.
fn pair(item: &str) -> Option<(&str, &str)> {
    let (name, value) = item.split_once('=')?;
    let name = name.trim();
    let is_name = name.contains(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
    is_name.then(|| (name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn properties_are_read_from_one_line_or_several() {
        assert_eq!(parsed("a.b=1, c=d"), pairs(&[("a.b", "1"), ("c", "d")]));
        assert_eq!(parsed("a=1\n b=2,3\n"), pairs(&[("a", "1"), ("b", "2,3")]));
        assert_eq!(
            parsed("ssl.cipher.suites=X,Y,retries=3"),
            pairs(&[("retries", "3"), ("ssl.cipher.suites", "X,Y")])
        );
        assert_eq!(
            parsed("sasl.jaas=module required user=\"a\";"),
            pairs(&[("sasl.jaas", "module required user=\"a\";")])
        );
        assert_eq!(parsed(""), []);
        assert!(parse("linger").unwrap_err().contains("\"linger\""));
    }

    #[test]
    fn secrets_among_the_properties_are_known() {
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
        ] {
            assert_eq!(shown(name, "x"), Secret::MASK, "{name}");
        }
        for name in [
            "sasl.username",
            "ssl.key.location",
            "sasl.oauthbearer.token.endpoint.url",
            "client.id",
        ] {
            assert_eq!(shown(name, "x"), "x", "{name}");
        }
    }
}
