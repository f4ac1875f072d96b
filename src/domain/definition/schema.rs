//! What a definition asks of the metadata of a step, as JSON Schema (draft 2020-12 unless it names another).
//!
//! A producer sends what it likes, and every event of a step is judged, so a schema's work is bounded: it refers to
//! nothing but its own parts and never to itself, expressions are matched in linear time, and with its parts written
//! out wherever they are referred to it has a bounded size.

use crate::domain::text;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::sync::Arc;

/// At most so many bytes a schema may have.
pub(super) const MAX_BYTES: usize = 16 << 10;

/// At most so many values it may have, those that it refers to counted each time.
pub(super) const MAX_VALUES: usize = 5_000;

/// Of what does not fit so many characters are told.
const TOLD_CHARS: usize = 200;

/// What of JSON Schema leads elsewhere than into the same text, or gives places other names.
const ELSEWHERE: [&str; 6] = [
    "$dynamicRef",
    "$recursiveRef",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
];

/// A schema that can be judged by; by default everything fits.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema(Option<Arc<Validator>>);

impl Schema {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is none that is accepted.
    pub(super) fn read(schema: &str) -> Result<Self, String> {
        if schema.len() > MAX_BYTES {
            return Err(format!("{} bytes; accepted: up to {MAX_BYTES}", schema.len()));
        }
        let schema: Value =
            serde_json::from_str(schema).map_err(|e| format!("is no JSON ({e}); accepted: a JSON Schema"))?;
        WrittenOut {
            root: &schema,
            left: MAX_VALUES,
            within: Vec::new(),
        }
        .add(&schema)?;
        let read = jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .build(&schema);
        match read {
            Ok(validator) => Ok(Self(Some(Arc::new(validator)))),
            Err(error) => Err(format!(
                "at {:?}: {}; accepted: a JSON Schema",
                error.instance_path().as_str(),
                text::first(&error.to_string(), TOLD_CHARS)
            )),
        }
    }

    /// What of some metadata does not fit; `None` when all does. No metadata is judged as `null`. The values in it are
    /// not repeated: they may be nobody's business.
    pub(super) fn unfit(&self, metadata: Option<&str>) -> Option<String> {
        let validator = self.0.as_deref()?;
        let value = match metadata.map(serde_json::from_str::<Value>) {
            None => Value::Null,
            Some(Ok(value)) => value,
            Some(Err(_)) => return Some("it is no JSON".to_owned()),
        };
        let error = validator.validate(&value).err()?;
        let told = match (metadata, error.instance_path().as_str()) {
            (None, _) => "there is none".to_owned(),
            (Some(_), "") => error.masked().to_string(),
            (Some(_), place) => format!("at {place}: {}", error.masked()),
        };
        Some(text::first(&told, TOLD_CHARS).to_owned())
    }
}

/// A schema whose parts are counted wherever they are referred to.
struct WrittenOut<'s> {
    root: &'s Value,
    left: usize,
    /// What is referred to around here.
    within: Vec<&'s str>,
}

impl<'s> WrittenOut<'s> {
    fn add(&mut self, part: &'s Value) -> Result<(), String> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            format!(
                "written out it has too many values; accepted: up to {MAX_VALUES}, those in parts that it refers to \
                 counted each time"
            )
        })?;
        match part {
            Value::Array(values) => values.iter().try_for_each(|value| self.add(value)),
            Value::Object(values) => values.iter().try_for_each(|(key, value)| self.add_of(key, value)),
            _ => Ok(()),
        }
    }

    fn add_of(&mut self, key: &str, value: &'s Value) -> Result<(), String> {
        match value {
            Value::String(to) if key == "$ref" => self.add_referred(to),
            Value::String(_) | Value::Bool(_) if ELSEWHERE.contains(&key) => Err(format!(
                "{key} is not supported; accepted: \"$ref\" to a part of the same schema, like \"#/$defs/money\""
            )),
            value => self.add(value),
        }
    }

    fn add_referred(&mut self, to: &'s str) -> Result<(), String> {
        let shown = text::first(to, TOLD_CHARS);
        let part = to
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer));
        let part = part.ok_or_else(|| {
            format!("\"$ref\" to {shown:?} leads nowhere in the schema; accepted: a part of it, like \"#/$defs/money\"")
        })?;
        if self.within.contains(&to) || to == "#" {
            return Err(format!("\"$ref\" to {shown:?} stands within what it refers to"));
        }
        self.within.push(to);
        self.add(part)?;
        self.within.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfit(schema: &str, metadata: &str) -> Option<String> {
        Schema::read(schema).unwrap().unfit(Some(metadata))
    }

    fn refused(schema: &str) -> String {
        Schema::read(schema).unwrap_err()
    }

    const PAYMENT: &str = r##"{
        "type": "object",
        "required": ["amount"],
        "properties": {"amount": {"$ref": "#/$defs/money"}, "card": {"type": "string", "pattern": "^(x+x+)+y$"}},
        "$defs": {"money": {"type": "number", "minimum": 0}}
    }"##;

    #[test]
    fn what_does_not_fit_is_told_without_its_value() {
        assert_eq!(unfit(PAYMENT, r#"{"amount": 3.5, "other": 1}"#), None);
        for (metadata, told) in [
            ("{}", r#""amount" is a required property"#),
            (
                r#"{"amount": "4111"}"#,
                r#"at /amount: value is not of type "number""#,
            ),
            (
                r#"{"amount": -1}"#,
                "at /amount: value is less than the minimum of 0",
            ),
            ("[1]", r#"value is not of type "object""#),
            ("{amount: 1}", "it is no JSON"),
        ] {
            assert_eq!(unfit(PAYMENT, metadata).as_deref(), Some(told), "{metadata}");
        }
        let none = Schema::read(PAYMENT).unwrap().unfit(None);
        assert_eq!(none.as_deref(), Some("there is none"));
        assert_eq!(Schema::read("true").unwrap().unfit(None), None);
        assert_eq!(Schema::default().unfit(Some("{")), None);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let schema = format!(r#"{{"required": ["{}"]}}"#, "é".repeat(1_000));
        let told = unfit(&schema, "{}").unwrap();
        assert_eq!(told.chars().count(), TOLD_CHARS);
    }

    #[test]
    fn an_expression_that_would_never_end_elsewhere_ends_at_once() {
        let card = "x".repeat(100_000);
        let told = unfit(PAYMENT, &format!(r#"{{"amount": 1, "card": "{card}"}}"#)).unwrap();
        assert!(told.starts_with("at /card: value does not match"), "{told}");
    }

    #[test]
    fn what_is_no_schema_or_leads_elsewhere_is_refused() {
        for (schema, told) in [
            ("{", "is no JSON"),
            ("3", r#"at "": 3 is not of types "boolean", "object""#),
            (r#"{"type": "objekt"}"#, r#"at "/type""#),
            (r#"{"pattern": "(?=x)"}"#, r#"at "/pattern""#),
            (r#"{"$schema": "http://example.com/own"}"#, "meta-schema"),
            (
                r#"{"$ref": "http://127.0.0.1/schema.json"}"#,
                "leads nowhere in the schema",
            ),
            (r#"{"$ref": "file:///etc/passwd"}"#, "leads nowhere in the schema"),
            (r##"{"$ref": "#/$defs/none"}"##, "leads nowhere in the schema"),
            (r##"{"$ref": "#"}"##, "stands within what it refers to"),
            (
                r##"{"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}"##,
                "stands within what it refers to",
            ),
            (r#"{"$id": "http://example.com/own"}"#, "$id is not supported"),
            (r##"{"$dynamicRef": "#x"}"##, "$dynamicRef is not supported"),
        ] {
            let why = refused(schema);
            assert!(why.contains(told), "{schema}: {why}");
        }
        let long = format!(r#"{{"description": "{}"}}"#, "x".repeat(MAX_BYTES));
        assert!(refused(&long).contains("accepted: up to 16384"));
    }

    #[test]
    fn parts_that_double_each_other_are_refused_before_anything_is_judged_by_them() {
        let mut parts: Vec<String> = (0..30)
            .map(|n| {
                let next = format!(r##"{{"$ref": "#/$defs/p{}"}}"##, n + 1);
                format!(r#""p{n}": {{"anyOf": [{next}, {next}]}}"#)
            })
            .collect();
        parts.push(r#""p30": {"type": "string"}"#.to_owned());
        let schema = format!(r##"{{"$defs": {{{}}}, "$ref": "#/$defs/p0"}}"##, parts.join(", "));
        assert!(refused(&schema).contains("too many values"));
    }
}
