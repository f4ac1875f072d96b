//! What the API leaves out of an answer when it does not apply is null for templates, which take nothing for granted.
//! Which fields there are is said by the API's own description.

use crate::server::api::openapi_json;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The description, as far as answers to GET go.
pub(super) struct Shapes {
    schemas: Map<String, Value>,
    /// By path: the schema of its answer.
    answers: HashMap<String, Value>,
    /// By path: its parameters.
    parameters: HashMap<String, Vec<Value>>,
}

impl Shapes {
    /// As the API describes itself.
    pub(super) fn of_api() -> Self {
        // Were it no JSON, the test that compares it with the committed file would fail.
        Self::of(serde_json::from_str(openapi_json()).unwrap_or_default())
    }

    fn of(mut document: Value) -> Self {
        let schemas = match document["components"]["schemas"].take() {
            Value::Object(schemas) => schemas,
            _ => Map::new(),
        };
        let (mut answers, mut parameters) = (HashMap::new(), HashMap::new());
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let operation = &item["get"];
            let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            answers.insert(path.clone(), answer.clone());
            let taken = operation["parameters"].as_array();
            parameters.insert(path.clone(), taken.cloned().unwrap_or_default());
        }
        Self {
            schemas,
            answers,
            parameters,
        }
    }

    /// Whether there is such a call.
    #[cfg(test)]
    pub(super) fn knows(&self, path: &str) -> bool {
        self.answers.contains_key(path)
    }

    /// The words that a parameter of a call accepts; none where it is not bound to some.
    pub(super) fn words(&self, path: &str, parameter: &str) -> Vec<&str> {
        let parameters = self.parameters.get(path).into_iter().flatten();
        let found = parameters.filter(|found| found["name"] == parameter);
        found
            .filter_map(|found| found["schema"]["enum"].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Adds what the answer of a call left out, as null.
    pub(super) fn complete(&self, path: &str, answer: &mut Value) {
        if let Some(schema) = self.answers.get(path) {
            self.fill(schema, answer);
        }
    }

    /// The same of a part of an answer, by the name of its schema.
    pub(super) fn complete_part(&self, schema: &str, part: &mut Value) {
        if let Some(schema) = self.schemas.get(schema) {
            self.fill(schema, part);
        }
    }

    fn fill(&self, schema: &Value, value: &mut Value) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            if let Some(schema) = self.schemas.get(name) {
                self.fill(schema, value);
            }
            return;
        }
        for part in ["allOf", "oneOf", "anyOf"] {
            for schema in schema[part].as_array().into_iter().flatten() {
                self.fill(schema, value);
            }
        }
        match value {
            Value::Object(fields) => {
                for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                    self.fill(schema, fields.entry(name.clone()).or_insert(Value::Null));
                }
                if schema["additionalProperties"].is_object() {
                    for value in fields.values_mut() {
                        self.fill(&schema["additionalProperties"], value);
                    }
                }
            }
            Value::Array(items) if !schema["items"].is_null() => {
                for item in items {
                    self.fill(&schema["items"], item);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_answer_leaves_out_is_null() {
        let shapes = Shapes::of_api();
        let mut answer = json!({"content": [{"sagaId": "ORD-1"}], "page": {"number": 0}});
        shapes.complete("/api/v1/sagas", &mut answer);
        assert_eq!(answer["content"][0]["sagaId"], "ORD-1");
        let saga = answer["content"][0].as_object().unwrap();
        assert_eq!(saga.get("compensation"), Some(&Value::Null));
        assert_eq!(
            saga.get("knownAt"),
            Some(&Value::Null),
            "of a part that others have too"
        );
        assert_eq!(answer.as_object().unwrap().get("nextCursor"), Some(&Value::Null));
    }

    #[test]
    fn the_words_that_a_parameter_accepts_are_known() {
        let shapes = Shapes::of_api();
        assert!(
            shapes
                .words("/api/v1/sagas", "rule")
                .contains(&"NEVER_COMPENSATED")
        );
        assert!(shapes.knows("/api/v1/sagas/{sagaId}") && !shapes.knows("/api/v1/nothing"));
    }
}
