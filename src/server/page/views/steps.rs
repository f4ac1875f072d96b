//! Rows of a saga's steps, as its view shows them. Metadata is text throughout: read as a tree, numbers would lose digits
//! and what is nested deep could not be read.

use super::super::failure::Failure;
use super::super::format;
use super::super::times;
use super::super::values::{int, list, text};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of a view that a row's metadata takes; the rest of it is a link away.
const SHOWN_BYTES: usize = 4 << 10;

/// An answer, before its steps are read.
#[derive(Deserialize)]
struct Sent<'s> {
    #[serde(borrow)]
    steps: Vec<BTreeMap<Cow<'s, str>, &'s RawValue>>,
    #[serde(default)]
    next: Option<String>,
}

/// The part of an answer that is shown: its steps without their metadata, which is cut apart.
pub(super) struct Part {
    steps: Vec<(Value, Option<Metadata>)>,
    next: Option<String>,
}

/// Metadata, as far as it is shown.
struct Metadata {
    text: String,
    /// Characters in all.
    chars: usize,
}

impl Metadata {
    fn of(whole: &str) -> Self {
        Self {
            text: format::beginning(whole, SHOWN_BYTES).to_owned(),
            chars: whole.chars().count(),
        }
    }

    fn is_cut(&self) -> bool {
        self.chars > self.text.chars().count()
    }
}

impl Part {
    /// Of an answer of `GET /api/v1/sagas/{sagaId}/steps`; `complete` adds to a step what the answer left out.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn read(body: &[u8], complete: impl Fn(&mut Value)) -> Result<Self, Failure> {
        let sent: Sent<'_> = serde_json::from_slice(body).map_err(|error| Failure::of_page(&error))?;
        let mut steps = Vec::new();
        for mut fields in sent.steps {
            let object = fields
                .remove("metadata")
                .map(RawValue::get)
                .filter(|text| *text != "null");
            let verbatim = fields.remove("metadataRaw").map(RawValue::get);
            let verbatim: Option<String> = verbatim.and_then(|text| serde_json::from_str(text).ok());
            let metadata = verbatim.as_deref().or(object).map(Metadata::of);
            let mut step = Map::new();
            for (name, value) in fields {
                let value = serde_json::from_str(value.get()).map_err(|error| Failure::of_page(&error))?;
                step.insert(name.into_owned(), value);
            }
            let mut step = Value::Object(step);
            complete(&mut step);
            steps.push((step, metadata));
        }
        Ok(Self {
            steps,
            next: sent.next,
        })
    }
}

/// The rows: what the API tells of each step, how long it took from the one before, and what it undid. `one` is the call
/// that answers the step behind that place whole; `after` the place that the part begins behind.
pub(super) fn rows(
    part: Part,
    timeline: &Value,
    after: Option<&str>,
    one: impl Fn(Option<&str>) -> String,
    links: impl Fn(&Value) -> Vec<Value>,
) -> Value {
    let names = names(timeline);
    let mut undone: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for arc in list(&timeline["arcs"]) {
        if let (Some(from), Some(to)) = (arc["from"].as_i64(), arc["to"].as_i64()) {
            let step = names.get(&from).map_or(&arc["step"], |step| *step);
            undone
                .entry(to)
                .or_default()
                .push(json!({"id": from, "step": step}));
        }
    }
    let (mut before, mut behind): (Option<String>, _) = (None, after.map(str::to_owned));
    let mut rows = Vec::new();
    for (step, metadata) in part.steps {
        let recorded = text(&step["recordedAt"]).to_owned();
        let mut row = step;
        row["links"] = links(&row).into();
        row["delayMillis"] = times::between(&recorded, text(&row["arrivedAt"])).into();
        row["tookMillis"] = before
            .as_deref()
            .map_or(Value::Null, |before| times::between(before, &recorded).into());
        let cut = metadata.as_ref().is_some_and(Metadata::is_cut);
        row["metadataCall"] = if cut {
            one(behind.as_deref()).into()
        } else {
            Value::Null
        };
        row["metadataChars"] = metadata.as_ref().map(|metadata| metadata.chars).into();
        row["metadata"] = metadata.map(|metadata| metadata.text).into();
        row["compensates"] = undone.remove(&int(&row["id"])).unwrap_or_default().into();
        if row["anomalies"].is_null() {
            row["anomalies"] = json!([]);
        }
        behind = Some(place(&row));
        before = Some(recorded);
        rows.push(row);
    }
    json!({"steps": rows, "next": part.next})
}

/// The place of a step in the timeline, as `after` takes it.
fn place(step: &Value) -> String {
    let at = times::millis(text(&step["recordedAt"])).unwrap_or_default();
    format!("{at}.{}.{}", int(&step["partition"]), int(&step["offset"]))
}

/// By the place of an event in the timeline: its step.
fn names(timeline: &Value) -> BTreeMap<i64, &Value> {
    let columns = &timeline["columns"];
    let mut id = 0;
    let mut found = BTreeMap::new();
    for (delta, step) in list(&columns["id"]).iter().zip(list(&columns["step"])) {
        id += int(delta);
        let at = step.as_u64().and_then(|at| usize::try_from(at).ok());
        if let Some(name) = at.and_then(|at| timeline["names"]["steps"].get(at)) {
            found.insert(id, name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_it_undid_and_how_long_it_took() {
        let answer = json!({"next": null, "steps": [
            {"id": 1, "step": "A", "status": "STARTED", "recordedAt": "2026-01-31T09:30:00Z", "arrivedAt": "2026-01-31T09:30:01Z", "partition": 0, "offset": 1, "metadata": "CUT"},
            {"id": 2, "step": "UNDO_A", "status": "COMPENSATED", "recordedAt": "2026-01-31T09:30:02Z", "arrivedAt": "2026-01-31T09:30:02Z", "partition": 0, "offset": 2, "metadata": null, "metadataRaw": "{"},
        ]});
        let timeline = json!({"names": {"steps": ["A", "UNDO_A"]}, "columns": {"id": [1, 1], "step": [0, 1]}, "arcs": [{"from": 1, "to": 2, "step": "UNDO_A"}]});
        let part = Part::read(
            answer
                .to_string()
                .replace("\"CUT\"", r#"{"b": 1.50, "a": 2}"#)
                .as_bytes(),
            |_| (),
        )
        .unwrap();
        let rows = rows(part, &timeline, None, |_| String::new(), |_| Vec::new());
        let [first, second] = &rows["steps"].as_array().unwrap()[..] else {
            panic!("two rows")
        };
        assert_eq!(
            (&first["delayMillis"], &first["tookMillis"]),
            (&json!(1_000), &Value::Null)
        );
        assert_eq!(
            (&second["tookMillis"], &second["metadata"]),
            (&json!(2_000), &json!("{"))
        );
        assert_eq!(first["metadata"], r#"{"b": 1.50, "a": 2}"#);
        assert_eq!(second["compensates"], json!([{"id": 1, "step": "A"}]));
    }
    #[test]
    fn metadata_is_text_however_deep_and_long_and_the_rest_of_it_is_a_call_away() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126));
        let long = format!("{{\"a\":\"{}\"}}", "한".repeat(2_000));
        let step = |offset: i64, metadata: &str| {
            format!(
                r#"{{"id": 1, "recordedAt": "1970-01-01T00:00:01Z", "arrivedAt": "1970-01-01T00:00:01Z", "partition": 3, "offset": {offset}, "metadata": {metadata}}}"#
            )
        };
        let body = format!(r#"{{"steps": [{}, {}]}}"#, step(7, &deep), step(8, &long));
        let part = Part::read(body.as_bytes(), |_| ()).unwrap();
        let one = |after: Option<&str>| format!("after {after:?}");
        let rows = rows(part, &Value::Null, None, one, |_| Vec::new());
        let [first, second] = &rows["steps"].as_array().unwrap()[..] else {
            panic!("two rows")
        };
        assert_eq!(
            (&first["metadata"], &first["metadataCall"]),
            (&json!(deep), &Value::Null)
        );
        let shown = second["metadata"].as_str().unwrap();
        assert!(long.starts_with(shown) && shown.len() <= SHOWN_BYTES && shown.len() > SHOWN_BYTES - 100);
        assert_eq!(second["metadataChars"], 2_008);
        assert_eq!(second["metadataCall"], "after Some(\"1000.3.7\")");
    }
}
