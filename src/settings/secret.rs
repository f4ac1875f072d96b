//! A text that must not be shown.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A password or token. Shown, logged and serialized as asterisks.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What is shown instead.
    pub const MASK: &str = "********";

    /// The text itself, to hand to whoever asks for it on the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Addresses, separated by commas, with all in them masked that may be a secret: who asks, what is asked for behind `?`,
/// and what follows `#`. `https://********@host/path?sig=********`.
pub(crate) fn mask_address(addresses: &str) -> String {
    let masked: Vec<_> = apart(addresses).into_iter().map(mask_one).collect();
    masked.join(",")
}

/// The addresses apart. A comma behind which no address begins belongs to the one before, whose secret it may stand in.
fn apart(addresses: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut has_scheme) = (0, false);
    let ends = addresses.match_indices(',').map(|(at, _)| at);
    let mut from = 0;
    for end in ends.chain([addresses.len()]) {
        let begins = addresses[from..end].contains("://");
        if from > 0 && (begins || !has_scheme) {
            parts.push(&addresses[start..from - 1]);
            start = from;
        }
        has_scheme |= begins;
        from = end + 1;
    }
    parts.push(&addresses[start..]);
    parts
}

fn mask_one(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        // No address, unless somebody forgot how one begins.
        None if address.split(['/', ' ']).next().is_some_and(has_password) => (String::new(), address),
        None => return address.to_owned(),
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = match rest[..authority_end].rfind('@') {
        Some(at) => format!("{}{}", Secret::MASK, &rest[at..authority_end]),
        None => rest[..authority_end].to_owned(),
    };
    let rest = &rest[authority_end..];
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, _)) => (rest, format!("#{}", Secret::MASK)),
        None => (rest, String::new()),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, format!("?{}", mask_query(query))),
        None => (rest, String::new()),
    };
    format!("{scheme}{host}{path}{query}{fragment}")
}

/// `user:password@host`.
fn has_password(text: &str) -> bool {
    text.rfind('@').is_some_and(|at| text[..at].contains(':'))
}

/// The names of what is asked for, without their values.
fn mask_query(query: &str) -> String {
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) => format!("{name}={}", Secret::MASK),
        None if pair.is_empty() => String::new(),
        None => Secret::MASK.to_owned(),
    });
    masked.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_any_means() {
        let secret = Secret::from("hunter2");
        let json = serde_json::to_string(&secret).unwrap();
        for shown in [format!("{secret:?}"), secret.to_string(), json] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn whatever_may_be_a_secret_in_an_address_is_masked() {
        for (address, shown) in [
            ("http://user:pass@host:8081/a@b", "http://********@host:8081/a@b"),
            ("http://u:p@ss@host", "http://********@host"),
            ("https://TOKEN@host", "https://********@host"),
            ("https://TOKEN:@host/x", "https://********@host/x"),
            ("az://c?sig=a%3D&se=2", "az://c?sig=********&se=********"),
            (
                "http://h/p?apiKey=k&&TOKEN",
                "http://h/p?apiKey=********&&********",
            ),
            ("http://h?a=b?c#TOKEN", "http://h?a=********#********"),
            ("http://a:b@h,http://c@i", "http://********@h,http://********@i"),
            ("http://u:p,w@host", "http://********@host"),
            ("http://h?sig=a,b", "http://h?sig=********"),
            ("user:pass@host:8081", "********@host:8081"),
        ] {
            assert_eq!(mask_address(address), shown, "{address}");
        }
        for plain in [
            "",
            "http://host:8081",
            "http://host/a:b@c",
            "host:9092",
            "a:9092,b:9092,",
            "http://a:1,b:2",
            "ops@example",
        ] {
            assert_eq!(mask_address(plain), plain);
        }
    }
}
