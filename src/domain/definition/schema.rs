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
mod tests;
