//! Reading and adding to JSON, for views that lay out answers of the API.

use super::address::Params;
use serde_json::Value;

/// The items of a list; nothing of what is none.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty for what is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A whole number; nought for what is none.
pub(super) fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// The items of a list that are texts.
pub(super) fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).iter().filter_map(Value::as_str)
}

/// Null instead of a parameter that is not given.
pub(super) fn or_null(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Value::from)
}

/// A parameter more.
pub(super) fn with(mut params: Params, name: &str, value: &str) -> Params {
    if !value.is_empty() {
        params.retain(|(known, _)| known != name);
        params.push((name.to_owned(), vec![value.to_owned()]));
    }
    params
}

/// Parameters of these names and values.
pub(super) fn params(pairs: &[(&str, &str)]) -> Params {
    let pairs = pairs.iter();
    pairs.fold(Params::new(), |params, (name, value)| with(params, name, value))
}

/// Adds to each saga how long it took from its first event to its last.
pub(super) fn add_took(sagas: &mut Value) {
    for saga in sagas.as_array_mut().into_iter().flatten() {
        let took = super::times::between(text(&saga["startedAt"]), text(&saga["updatedAt"]));
        saga["tookMillis"] = took.into();
    }
}
