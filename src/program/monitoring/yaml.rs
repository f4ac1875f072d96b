//! Writes a value as YAML that people read: no anchors, no tags, keys in the order of the alphabet.

use super::text::indent;
use serde_json::{Map, Value};

/// The value as a YAML document.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text.trim_start().to_owned()
}

/// Writes what follows a key or the dash of a list.
fn write(value: &Value, depth: usize, to: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            to.push('\n');
            entries(map, depth, to);
        }
        Value::Array(list) if !list.is_empty() => {
            to.push('\n');
            for item in list {
                indent(depth, to);
                to.push('-');
                write_item(item, depth, to);
            }
        }
        Value::String(text) if text.contains('\n') => block(text, depth, to),
        Value::String(text) => {
            to.push_str(&format!(" {}\n", quoted(text)));
        }
        other => to.push_str(&format!(" {other}\n")),
    }
}

/// The first key of a map stands behind the dash.
fn write_item(item: &Value, depth: usize, to: &mut String) {
    let start = to.len();
    write(item, depth + 1, to);
    if matches!(item, Value::Object(map) if !map.is_empty()) {
        let nested = to.split_off(start);
        to.push(' ');
        to.push_str(nested.trim_start());
    }
}

fn entries(map: &Map<String, Value>, depth: usize, to: &mut String) {
    for (key, value) in map {
        indent(depth, to);
        to.push_str(key);
        to.push(':');
        write(value, depth + 1, to);
    }
}

/// Several lines, as they are.
fn block(text: &str, depth: usize, to: &mut String) {
    to.push_str(" |-\n");
    for line in text.lines() {
        indent(depth, to);
        to.push_str(line);
        to.push('\n');
    }
}

/// In single quotes where that saves escapes.
fn quoted(text: &str) -> String {
    let plain = !text.contains('\'') && !text.chars().any(char::is_control);
    if plain && text.contains(['"', '\\']) {
        format!("'{text}'")
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_lists_and_texts_are_what_a_person_would_write() {
        let value = json!({
            "groups": [
                {"interval": "30s", "rules": [{"expr": "a{b=\"c\"}\nand\nd", "labels": {"severity": "info"}}, {"x": 1}]},
                ["a", true],
            ],
            "empty": {},
            "it's": "it's \"so\"",
            "words": ["\\d", "평균"],
        });
        assert_eq!(
            document(&value),
            "empty: {}\n\
             groups:\n\
             \x20 - interval: \"30s\"\n\
             \x20   rules:\n\
             \x20     - expr: |-\n\
             \x20         a{b=\"c\"}\n\
             \x20         and\n\
             \x20         d\n\
             \x20       labels:\n\
             \x20         severity: \"info\"\n\
             \x20     - x: 1\n\
             \x20 -\n\
             \x20   - \"a\"\n\
             \x20   - true\n\
             it's: \"it's \\\"so\\\"\"\n\
             words:\n\
             \x20 - '\\d'\n\
             \x20 - \"평균\"\n"
        );
    }
}
