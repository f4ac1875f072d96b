//! A saga's definition as views show it: the API tells it under the keys of a definitions file.

use super::values::{list, texts};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The definition of a type, of the answer of `GET /api/v1/definitions`; null where there is none.
pub(super) fn shown(definitions: &Value, saga_type: &str) -> Value {
    let Some(of) = definitions["types"].get(saga_type) else {
        return Value::Null;
    };
    let steps = |key: &str| texts(&of[key]).map(str::to_owned).collect::<Vec<_>>();
    let compensates: Vec<Value> = undone(of)
        .into_iter()
        .filter(|(_, steps)| !steps.is_empty())
        .map(|(by, steps)| json!({"by": by, "steps": steps}))
        .collect();
    json!({
        "version": definitions["version"],
        "hash": definitions["hash"],
        "completingSteps": steps("completing_steps"),
        "failingSteps": steps("failing_steps"),
        "expectedSteps": steps("expected_steps"),
        "deadlineSeconds": of["deadline_seconds"],
        "compensationSeconds": of["compensation_seconds"],
        "owner": of["owner"],
        "compensates": compensates,
    })
}

/// Whether a name in a definition, which may be a pattern with a star at its end, stands for that step.
fn covers(named: &str, step: &str) -> bool {
    match named.strip_suffix('*') {
        Some(prefix) => step.starts_with(prefix),
        None => named == step,
    }
}

/// Whether a definition names that step.
pub(super) fn names(of: &Value, step: &str) -> bool {
    steps(of).iter().any(|named| covers(named, step))
}

/// Whether that step undoes others.
pub(super) fn undoes(of: &Value, step: &str) -> bool {
    undone(of).keys().any(|by| covers(by, step))
}

/// By the step that undoes: the steps that it undoes.
pub(super) fn undone(of: &Value) -> BTreeMap<String, Vec<String>> {
    let entries = of["compensates"].as_object().into_iter().flatten();
    entries
        .map(|(by, steps)| {
            let one = steps.as_str().map(str::to_owned);
            let many = texts(steps).map(str::to_owned);
            (by.clone(), one.into_iter().chain(many).collect())
        })
        .collect()
}

/// The pairs of steps of which the one comes before the other.
pub(super) fn edges(of: &Value) -> BTreeSet<(String, String)> {
    let mut edges = BTreeSet::new();
    for pair in list(&of["edges"]) {
        if let [Some(from), Some(to)] = [pair[0].as_str(), pair[1].as_str()] {
            edges.insert((from.to_owned(), to.to_owned()));
        }
    }
    edges
}

/// The steps that a definition expects somewhere: patterns, and what only undoes others, are not among them.
pub(super) fn expected(of: &Value) -> BTreeSet<String> {
    let mut expected = BTreeSet::new();
    for key in ["completing_steps", "failing_steps", "expected_steps"] {
        expected.extend(texts(&of[key]).map(str::to_owned));
    }
    expected
}

/// Every step that a definition names, patterns among them.
pub(super) fn steps(of: &Value) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for key in [
        "completing_steps",
        "failing_steps",
        "expected_steps",
        "known_steps",
    ] {
        named.extend(texts(&of[key]).map(str::to_owned));
    }
    for key in ["order", "edges"] {
        for pair in list(&of[key]) {
            named.extend(texts(pair).map(str::to_owned));
        }
    }
    for (by, of) in undone(of) {
        named.insert(by);
        named.extend(of);
    }
    for (alias, step) in of["aliases"].as_object().into_iter().flatten() {
        named.insert(alias.clone());
        named.extend(step.as_str().map(str::to_owned));
    }
    named
}

/// The status that a step of a type leads to, as far as its definition says.
pub(super) fn status(of: &Value, step: &str, is_first: bool) -> &'static str {
    let has = |key: &str| texts(&of[key]).any(|named| named == step);
    if has("completing_steps") {
        "COMPLETED"
    } else if has("failing_steps") {
        "FAILED"
    } else if undoes(of, step) {
        "COMPENSATED"
    } else if is_first {
        "STARTED"
    } else {
        "IN_PROGRESS"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_steps_that_begin_so() {
        let of =
            json!({"compensates": {"COMPENSATION_*": [], "UNDO_A": ["A"]}, "completing_steps": ["DONE"]});
        assert!(names(&of, "COMPENSATION_STOCK") && names(&of, "A") && !names(&of, "B"));
        assert!(undoes(&of, "COMPENSATION_STOCK") && !undoes(&of, "DONE"));
        assert_eq!(
            ["DONE", "UNDO_A", "A"].map(|step| status(&of, step, false)),
            ["COMPLETED", "COMPENSATED", "IN_PROGRESS"]
        );
        let shown = shown(&json!({"types": {"T": of}}), "T");
        assert_eq!(shown["compensates"], json!([{"by": "UNDO_A", "steps": ["A"]}]));
    }
}
