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

/// Addresses, separated by commas, with the passwords in them masked: `http://user:********@host`.
pub(crate) fn mask_address(addresses: &str) -> String {
    let masked: Vec<_> = addresses.split(',').map(mask_one).collect();
    masked.join(",")
}

fn mask_one(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some(at) = rest[..authority_end].rfind('@') else {
        return address.to_owned();
    };
    match rest[..at].split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{}{}", Secret::MASK, &rest[at..]),
        None => address.to_owned(),
    }
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
    fn the_password_in_an_address_is_masked() {
        assert_eq!(
            mask_address("http://user:pass@host:8081/a@b"),
            "http://user:********@host:8081/a@b"
        );
        assert_eq!(mask_address("http://u:p@ss@host"), "http://u:********@host");
        for plain in [
            "http://host:8081",
            "http://user@host",
            "http://host/a:b@c",
            "host:9092",
        ] {
            assert_eq!(mask_address(plain), plain);
        }
    }
}
