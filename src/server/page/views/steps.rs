//! Rows of a saga's steps, as its view shows them.

use super::super::times;
use super::super::values::{int, list, text};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The rows: what the API tells of each step, how long it took from the one before, and what it undid.
pub(super) fn rows(
    answer: &Value,
    sent: &[u8],
    timeline: &Value,
    links: impl Fn(&Value) -> Vec<Value>,
) -> Value {
    let names = names(timeline);
    let sent: Sent = serde_json::from_slice(sent).unwrap_or_default();
    let mut metadata = sent.steps.into_iter().map(SentStep::metadata);
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
    let mut before: Option<&Value> = None;
    let mut rows = Vec::new();
    for step in list(&answer["steps"]) {
        let mut row = step.clone();
        let recorded = text(&step["recordedAt"]);
        row["delayMillis"] = times::between(recorded, text(&row["arrivedAt"])).into();
        row["tookMillis"] = before.map_or(Value::Null, |before| {
            times::between(text(&before["recordedAt"]), recorded).into()
        });
        row["metadata"] = metadata.next().flatten().into();
        row["compensates"] = undone.remove(&int(&step["id"])).unwrap_or_default().into();
        row["links"] = links(step).into();
        if row["anomalies"].is_null() {
            row["anomalies"] = json!([]);
        }
        rows.push(row);
        before = Some(step);
    }
    json!({"steps": rows, "next": answer["next"]})
}

/// An answer, for metadata byte for byte: read as numbers, some would lose digits.
#[derive(Default, Deserialize)]
struct Sent<'s> {
    #[serde(borrow)]
    steps: Vec<SentStep<'s>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentStep<'s> {
    #[serde(borrow)]
    metadata: Option<&'s RawValue>,
    metadata_raw: Option<String>,
}

impl SentStep<'_> {
    /// As text, as the producer sent it.
    fn metadata(self) -> Option<String> {
        let object = self.metadata.map(|object| object.get().to_owned());
        self.metadata_raw.or(object)
    }
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
            {"id": 1, "step": "A", "status": "STARTED", "recordedAt": "2026-01-31T09:30:00Z", "arrivedAt": "2026-01-31T09:30:01Z", "partition": 0, "offset": 1, "metadata": {}},
            {"id": 2, "step": "UNDO_A", "status": "COMPENSATED", "recordedAt": "2026-01-31T09:30:02Z", "arrivedAt": "2026-01-31T09:30:02Z", "partition": 0, "offset": 2, "metadata": null},
        ]});
        let timeline = json!({"names": {"steps": ["A", "UNDO_A"]}, "columns": {"id": [1, 1], "step": [0, 1]}, "arcs": [{"from": 1, "to": 2, "step": "UNDO_A"}]});
        let sent =
            br#"{"steps": [{"metadata": {"b": 1.50, "a": 2}}, {"metadata": null, "metadataRaw": "{"}]}"#;
        let rows = rows(&answer, sent, &timeline, |_| Vec::new());
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
}
