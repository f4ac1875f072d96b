//! One pass over the metadata text: is it a JSON object, and what do its two known keys say?
//!
//! It is an object exactly when `serde_json` would read it as one, so whoever reads the text later
//! can rely on it. Nothing is built: texts are borrowed unless they hold escapes.

use crate::domain::MetadataForm;
use crate::domain::text::is_longer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Characters of `producerService` and `traceId`; longer ones stay in the metadata only.
const MAX_TRACE_CHARS: usize = 255;

/// What the tracker wants to know of an event's metadata.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline<'a> {
    pub(super) form: MetadataForm,
    pub(super) producer_service: Option<Cow<'a, str>>,
    pub(super) trace_id: Option<Cow<'a, str>>,
}

impl<'a> Outline<'a> {
    pub(super) fn of(metadata: Option<&'a str>) -> Self {
        let bare = |form| Self {
            form,
            producer_service: None,
            trace_id: None,
        };
        match metadata {
            None => bare(MetadataForm::Absent),
            Some(text) => serde_json::from_str(text).unwrap_or_else(|_| bare(MetadataForm::Verbatim)),
        }
    }
}

impl<'de> Deserialize<'de> for Outline<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Outline<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut outline = Outline {
            form: MetadataForm::Object,
            producer_service: None,
            trace_id: None,
        };
        while let Some(key) = map.next_key()? {
            let value = map
                .next_value::<Shallow<'de>>()?
                .0
                .filter(|text| !is_longer(text, MAX_TRACE_CHARS));
            match key {
                Key::ProducerService => outline.producer_service = value,
                Key::TraceId => outline.trace_id = value,
                Key::Other => {}
            }
        }
        Ok(outline)
    }
}

enum Key {
    ProducerService,
    TraceId,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
                Ok(match text {
                    "producerService" => Key::ProducerService,
                    "traceId" => Key::TraceId,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Any value, checked to the end; its text if it is one.
struct Shallow<'de>(Option<Cow<'de, str>>);

impl<'de> Deserialize<'de> for Shallow<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShallowVisitor).map(Self)
    }
}

struct ShallowVisitor;

impl<'de> DeserializeSeed<'de> for ShallowVisitor {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self).map(drop)
    }
}

impl<'de> Visitor<'de> for ShallowVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element_seed(ShallowVisitor)?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_key::<Key>()?.is_some() {
            map.next_value_seed(ShallowVisitor)?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn form(text: &str) -> MetadataForm {
        Outline::of(Some(text)).form
    }

    #[test]
    fn known_keys_are_taken_and_borrowed() {
        let outline = Outline::of(Some(
            r#" {"a":[1,{"traceId":"inner"}],"traceId":"t","producerService":"p"} "#,
        ));
        assert!(
            matches!(&outline.trace_id, Some(Cow::Borrowed("t"))),
            "{outline:?}"
        );
        assert!(
            matches!(&outline.producer_service, Some(Cow::Borrowed("p"))),
            "{outline:?}"
        );
        assert_eq!(outline.form, MetadataForm::Object);
    }

    #[test]
    fn values_that_are_no_text_are_left_out() {
        for value in ["null", "1", "-1", "1.5", "true", "[\"t\"]", "{\"t\":1}"] {
            let text = format!(r#"{{"traceId":{value},"producerService":"p"}}"#);
            let outline = Outline::of(Some(&text));
            assert_eq!(outline.trace_id, None, "{value}");
            assert_eq!(outline.producer_service.as_deref(), Some("p"), "{value}");
        }
        let long = format!(r#"{{"traceId":"{}"}}"#, "t".repeat(MAX_TRACE_CHARS + 1));
        assert_eq!(Outline::of(Some(&long)).trace_id, None);
    }

    #[test]
    fn text_that_is_no_object_is_verbatim() {
        assert_eq!(Outline::of(None).form, MetadataForm::Absent);
        for text in [
            "",
            "null",
            "[]",
            "\"{}\"",
            "{",
            "{}x",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":1e999}",
        ] {
            assert_eq!(form(text), MetadataForm::Verbatim, "{text}");
        }
        assert_eq!(form("{}"), MetadataForm::Object);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(form(&deep), MetadataForm::Verbatim);
    }

    proptest! {
        #[test]
        fn an_object_here_is_an_object_for_serde_json(
            text in prop_oneof![
                "\\PC{0,40}",
                r#"[{}\[\],:"a1\\u d]{0,24}"#,
                r#"\{"(traceId|producerService|x)":("[a-z\\"]{0,6}"|[-0-9.eE]{1,6}|null|\{\}|\[1,2\])(,"traceId":"z")?\}"#,
            ]
        ) {
            let value: Option<Value> = serde_json::from_str(&text).ok();
            let object = value.as_ref().and_then(Value::as_object);
            let outline = Outline::of(Some(&text));
            prop_assert_eq!(outline.form == MetadataForm::Object, object.is_some());
            let named = |key: &str| object.and_then(|o| o.get(key)).and_then(Value::as_str).map(str::to_owned);
            prop_assert_eq!(outline.trace_id.map(Cow::into_owned), named("traceId"));
            prop_assert_eq!(outline.producer_service.map(Cow::into_owned), named("producerService"));
        }
    }
}
