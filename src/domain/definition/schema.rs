//! What a definition asks of the metadata of a step, as JSON Schema (draft 2020-12 unless it names another).
//!
//! A producer sends what it likes, and every event of a step is judged, so the work of a schema is bounded: it is
//! small, also with its parts written out wherever they are referred to; it refers to nothing but its own parts and
//! never to itself; keywords that are judged again and again for what they contain are refused; expressions are small
//! and matched in linear time; and metadata that is too long is not judged at all.

use crate::domain::text;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::sync::Arc;

/// At most so many bytes a schema may have.
pub(super) const MAX_BYTES: usize = 16 << 10;

/// At most so many values it may have, those that it refers to counted each time.
const MAX_VALUES: usize = 1_000;

/// At most so deep they may stand in each other.
const MAX_DEPTH: usize = 64;

/// At most so many expressions it may have: each takes memory when it is read.
const MAX_EXPRESSIONS: usize = 20;

/// Bytes of memory that an expression may take when it is read, and again while it is matched.
const EXPRESSION_BYTES: usize = 64 << 10;

/// Longer metadata is not judged but told as not fitting: the work of judging grows with it.
const MAX_JUDGED_BYTES: usize = 64 << 10;

/// Of longer metadata it is not told what does not fit: that needs memory for every way in which it does not.
const MAX_TOLD_BYTES: usize = 8 << 10;

/// Of what does not fit so many characters are told.
const TOLD_CHARS: usize = 200;

/// Drafts in which names lead where [`WrittenOut`] takes them to lead.
const DRAFTS: [&str; 2] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
];

/// What leads elsewhere than into the same text, gives places other names, or is judged as often as it is nested.
const REFUSED: [&str; 8] = [
    "$dynamicRef",
    "$recursiveRef",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "unevaluatedProperties",
    "unevaluatedItems",
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
        let schema: Value = serde_json::from_str(schema)
            .map_err(|e| format!("is not JSON ({e}); accepted: a JSON Schema"))?;
        WrittenOut::of(&schema)?;
        let expressions = PatternOptions::regex()
            .size_limit(EXPRESSION_BYTES)
            .dfa_size_limit(EXPRESSION_BYTES);
        let read = jsonschema::options()
            .with_pattern_options(expressions)
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

    /// What of some metadata does not fit; `None` when all does. No metadata is judged as `null`. Neither values nor
    /// names of the metadata are repeated: they may be nobody's business. It is stored, so the words are our own and
    /// depend on nothing but the metadata and the schema.
    pub(super) fn unfit(&self, metadata: Option<&str>) -> Option<String> {
        let validator = self.0.as_deref()?;
        let length = metadata.map_or(0, str::len);
        if length > MAX_JUDGED_BYTES {
            return Some(format!(
                "it has more than the {MAX_JUDGED_BYTES} bytes that are judged"
            ));
        }
        let value = match metadata.map(serde_json::from_str::<Value>) {
            None => Value::Null,
            Some(Ok(value)) => value,
            Some(Err(_)) => return Some("it cannot be read as JSON".to_owned()),
        };
        if validator.is_valid(&value) {
            return None;
        }
        Some(match metadata {
            None => "there is no metadata".to_owned(),
            Some(_) if length > MAX_TOLD_BYTES => "it is too long to tell what does not fit".to_owned(),
            Some(_) => validator
                .validate(&value)
                .err()
                .map_or_else(String::new, |error| told(&error)),
        })
    }
}

/// The part of the schema that is not kept.
fn told(error: &ValidationError<'_>) -> String {
    let place = error.schema_path().as_str();
    let told = match error.kind() {
        ValidationErrorKind::Required { property } => format!("{place}: {property} is missing"),
        _ => format!("{place} is not kept"),
    };
    text::first(&told, TOLD_CHARS).to_owned()
}

/// A schema whose parts are counted wherever they are referred to.
struct WrittenOut<'s> {
    root: &'s Value,
    values: usize,
    expressions: usize,
    depth: usize,
    /// What is referred to around here.
    within: Vec<&'s str>,
}

impl<'s> WrittenOut<'s> {
    /// Counts a schema.
    ///
    /// # Errors
    /// What there is too much of, or what is not supported.
    fn of(root: &'s Value) -> Result<(), String> {
        let mut counted = Self {
            root,
            values: 0,
            expressions: 0,
            depth: 0,
            within: Vec::new(),
        };
        if let Some(draft) = root.get("$schema")
            && !draft
                .as_str()
                .is_some_and(|draft| DRAFTS.contains(&draft.trim_end_matches('#')))
        {
            return Err(format!(
                "$schema names another draft; accepted: {}",
                DRAFTS.join(", ")
            ));
        }
        counted.add(root)
    }

    fn add(&mut self, part: &'s Value) -> Result<(), String> {
        self.values += 1;
        self.depth += 1;
        if self.values > MAX_VALUES {
            return Err(format!(
                "has too many values; accepted: up to {MAX_VALUES}, those in parts that it refers to counted each time"
            ));
        }
        if self.depth > MAX_DEPTH {
            return Err(format!(
                "is nested too deeply; accepted: up to {MAX_DEPTH} levels"
            ));
        }
        match part {
            Value::Array(values) => values.iter().try_for_each(|value| self.add(value))?,
            Value::Object(values) => values
                .iter()
                .try_for_each(|(key, value)| self.add_of(key, value))?,
            _ => {}
        }
        self.depth -= 1;
        Ok(())
    }

    fn add_of(&mut self, key: &str, value: &'s Value) -> Result<(), String> {
        match value {
            Value::String(to) if key == "$ref" => return self.add_referred(to),
            Value::String(_) if key == "$schema" && self.depth > 1 => {
                return Err("$schema stands inside; accepted: at the top".to_owned());
            }
            Value::String(_) if key == "pattern" => self.expressions += 1,
            Value::Object(of) if key == "patternProperties" => self.expressions += of.len(),
            _ if REFUSED.contains(&key) => {
                return Err(format!(
                    "{key} is not supported; accepted: \"$ref\" to a part of the same schema, like \
                     \"#/$defs/money\", and \"additionalProperties\" or \"items\""
                ));
            }
            _ => {}
        }
        if self.expressions > MAX_EXPRESSIONS {
            return Err(format!(
                "has too many expressions; accepted: up to {MAX_EXPRESSIONS}"
            ));
        }
        self.add(value)
    }

    fn add_referred(&mut self, to: &'s str) -> Result<(), String> {
        let shown = text::first(to, TOLD_CHARS);
        // What is percent-encoded would be looked up by another name.
        let pointer = to.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
        let part = pointer.and_then(|pointer| self.root.pointer(pointer));
        let part = part.ok_or_else(|| {
            format!(
                "\"$ref\" to {shown:?} leads nowhere in the schema; accepted: a part of it, like \"#/$defs/money\""
            )
        })?;
        if self.within.contains(&to) || to == "#" {
            return Err(format!(
                "\"$ref\" to {shown:?} is recursive; accepted: references without a cycle"
            ));
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
            ("{}", r#"/required: "amount" is missing"#),
            (r#"{"amount": "4111"}"#, "/$defs/money/type is not kept"),
            (r#"{"amount": -1}"#, "/$defs/money/minimum is not kept"),
            ("[1]", "/type is not kept"),
            ("{amount: 1}", "it cannot be read as JSON"),
        ] {
            assert_eq!(unfit(PAYMENT, metadata).as_deref(), Some(told), "{metadata}");
        }
        let none = Schema::read(PAYMENT).unwrap().unfit(None);
        assert_eq!(none.as_deref(), Some("there is no metadata"));
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
        let of = |length| format!(r#"{{"amount": 1, "card": "{}"}}"#, "x".repeat(length));
        let told = unfit(PAYMENT, &of(5_000)).unwrap();
        assert_eq!(told, "/properties/card/pattern is not kept");
        let told = unfit(PAYMENT, &of(50_000)).unwrap();
        assert_eq!(told, "it is too long to tell what does not fit");
        let told = unfit("true", &of(100_000)).unwrap();
        assert_eq!(told, "it has more than the 65536 bytes that are judged");
    }

    #[test]
    fn what_is_no_schema_or_leads_elsewhere_is_refused() {
        for (schema, told) in [
            ("{", "is not JSON"),
            ("3", r#"at "": 3 is not of types "boolean", "object""#),
            (r#"{"type": "objekt"}"#, r#"at "/type""#),
            (r#"{"pattern": "(?=x)"}"#, r#"at "/pattern""#),
            (
                r#"{"$schema": "http://example.com/own"}"#,
                "$schema names another draft",
            ),
            (
                r#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#,
                "$schema names another draft",
            ),
            (
                r#"{"not": {"$schema": "http://json-schema.org/draft-04/schema#"}}"#,
                "$schema stands inside",
            ),
            (
                r##"{"%24defs": {"a": true}, "$defs": {"a": false}, "$ref": "#/%24defs/a"}"##,
                "leads nowhere in the schema",
            ),
            (
                r#"{"unevaluatedProperties": {"type": "number"}}"#,
                "unevaluatedProperties is not supported",
            ),
            (
                r#"{"unevaluatedItems": false}"#,
                "unevaluatedItems is not supported",
            ),
            (r#"{"pattern": "\\p{L}{50}"}"#, r#"at "/pattern""#),
            (
                r#"{"$ref": "http://127.0.0.1/schema.json"}"#,
                "leads nowhere in the schema",
            ),
            (r#"{"$ref": "file:///etc/passwd"}"#, "leads nowhere in the schema"),
            (r##"{"$ref": "#/$defs/none"}"##, "leads nowhere in the schema"),
            (r##"{"$ref": "#"}"##, "is recursive"),
            (
                r##"{"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}"##,
                "is recursive",
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
    fn names_that_only_the_metadata_has_are_not_told() {
        for schema in [
            r#"{"additionalProperties": false}"#,
            r#"{"propertyNames": {"maxLength": 3}}"#,
            r#"{"additionalProperties": {"type": "number"}}"#,
        ] {
            let told = unfit(schema, r#"{"kim@example.com": "secret"}"#).unwrap();
            assert!(!told.contains("kim") && !told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn formats_are_checked() {
        let schema = r#"{"properties": {"at": {"format": "date-time"}}}"#;
        assert_eq!(unfit(schema, r#"{"at": "2025-01-01T00:00:00Z"}"#), None);
        assert!(unfit(schema, r#"{"at": "yesterday"}"#).is_some());
    }

    #[test]
    fn there_are_no_more_expressions_and_levels_than_are_accepted() {
        let expressions = |number: usize| {
            let one: Vec<String> = (0..number).map(|n| format!(r#"{{"pattern": "a{n}"}}"#)).collect();
            format!(r#"{{"allOf": [{}]}}"#, one.join(","))
        };
        assert!(Schema::read(&expressions(MAX_EXPRESSIONS)).is_ok());
        assert!(refused(&expressions(MAX_EXPRESSIONS + 1)).contains("too many expressions"));
        let deep = |levels: usize| format!("{}{{}}{}", r#"{"not":"#.repeat(levels), "}".repeat(levels));
        assert!(Schema::read(&deep(MAX_DEPTH - 1)).is_ok());
        assert!(refused(&deep(MAX_DEPTH)).contains("nested too deeply"));
    }

    #[test]
    fn parts_that_double_each_other_are_refused_before_anything_is_judged_by_them() {
        let mut parts: Vec<String> = (0..12)
            .map(|n| {
                let next = format!(r##"{{"$ref": "#/$defs/p{}"}}"##, n + 1);
                format!(r#""p{n}": {{"anyOf": [{next}, {next}]}}"#)
            })
            .collect();
        parts.push(r#""p12": {"type": "string"}"#.to_owned());
        let schema = format!(r##"{{"$defs": {{{}}}, "$ref": "#/$defs/p0"}}"##, parts.join(", "));
        assert!(refused(&schema).contains("too many values"));
    }
}
