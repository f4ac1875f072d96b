//! Bytes inside stored JSON: base64. Stores of older versions hold an array of numbers, which is read all the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serializer, de};

#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Base64(String),
    Numbers(Vec<u8>),
}

pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        None => serializer.serialize_none(),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    match Option::<Stored>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Stored::Numbers(bytes)) => Ok(Some(bytes)),
        Some(Stored::Base64(text)) => STANDARD.decode(text).map(Some).map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Change;

    #[test]
    fn bytes_are_stored_as_base64_and_what_was_stored_as_numbers_is_read() {
        let change = Change {
            value: Some(vec![0, 255, 7]),
            ..Change::default()
        };
        let stored = serde_json::to_string(&change).unwrap();
        assert_eq!(stored, r#"{"value":"AP8H"}"#);
        for stored in [stored.as_str(), r#"{"value":[0,255,7]}"#] {
            assert_eq!(serde_json::from_str::<Change>(stored).unwrap(), change);
        }
        assert_eq!(serde_json::from_str::<Change>("{}").unwrap(), Change::default());
        assert!(serde_json::from_str::<Change>(r#"{"value":"?"}"#).is_err());
    }
}
