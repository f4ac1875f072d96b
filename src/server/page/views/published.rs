//! What a redrive publishes: which dead letters it chose, and what it changes in them. Its reason is what somebody wrote;
//! this is what is sent.

use super::super::failure::Failure;
use super::super::format;
use super::super::values::{int, params, text};
use super::super::visit::Visit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const LETTER: &str = "/api/v1/dead-letters/{letterId}";
/// Ids that are shown of those that were named.
const IDS: usize = 10;
/// Bytes of a view that a field takes, before and after.
const FIELD: usize = 4 << 10;
/// Bytes that are shown from the first that differs.
const BYTES: usize = 16;

/// What is published. Fields and bytes are those of one dead letter, which is asked for to tell them apart, unless it is
/// more than the page holds.
pub(super) async fn told(visit: &Visit, redrive: &Value, letters: &[Value]) -> Result<Value, Failure> {
    let change = &redrive["change"];
    let is_of_one = change["event"].is_object() || change["valueBase64"].is_string();
    let letter = match letters.first().filter(|_| is_of_one) {
        Some(letter) => {
            let none = params(&[]);
            visit.find_held(LETTER, &[text(&letter["id"])], &none).await?
        }
        None => None,
    };
    Ok(rows(redrive, letters, &letter.unwrap_or_default()))
}

fn rows(redrive: &Value, letters: &[Value], letter: &Value) -> Value {
    let filter = redrive["chosenBy"]["filter"].as_object();
    let ids: Vec<&Value> = match filter {
        Some(_) => Vec::new(),
        None => letters.iter().take(IDS).map(|letter| &letter["id"]).collect(),
    };
    let change = &redrive["change"];
    let fields = change["event"].as_object().into_iter().flatten();
    json!({
        "filter": filter.map(|filter| {
            let parts = filter.iter().map(|(name, value)| json!({"name": name, "value": said(value)}));
            parts.collect::<Vec<_>>()
        }),
        "ids": ids,
        "letters": int(&redrive["letters"]),
        "schemaId": change["schemaId"],
        "fields": fields
            .map(|(field, after)| {
                let before = &letter["decoded"][field];
                json!({
                    "field": field,
                    "before": (!before.is_null()).then(|| said(before)),
                    "after": said(after),
                })
            })
            .collect::<Vec<_>>(),
        "bytes": change["valueBase64"].as_str().map(|after| {
            let read = |base64: &str| STANDARD.decode(base64).unwrap_or_default();
            bytes(&read(text(&letter["value"]["base64"])), &read(after))
        }),
    })
}

fn said(value: &Value) -> String {
    let whole = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format::up_to(&whole, FIELD)
}

/// How two values differ, with the bytes from the first that does.
fn bytes(before: &[u8], after: &[u8]) -> Value {
    let longest = before.len().max(after.len());
    let differ = |at: &usize| before.get(*at) != after.get(*at);
    let at = (0..longest).find(differ);
    let hex = |value: &[u8]| {
        let shown = value.iter().skip(at.unwrap_or_default()).take(BYTES);
        let shown: Vec<String> = shown.map(|byte| format!("{byte:02x}")).collect();
        shown.join(" ")
    };
    json!({
        "before": before.len(),
        "after": after.len(),
        "differ": (0..longest).filter(differ).count(),
        "at": at,
        "was": hex(before),
        "becomes": hex(after),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_fields_says_what_they_were() {
        let redrive = json!({
            "letters": 1,
            "chosenBy": {"ids": ["0-1"]},
            "change": {"event": {"status": "COMPLETED", "orderId": "O-1"}},
        });
        let letter = json!({"decoded": {"status": "SUCCEEDED", "orderId": null}});
        let told = rows(&redrive, &[json!({"id": "0-1"})], &letter);
        assert_eq!(
            told["fields"],
            json!([
                {"field": "orderId", "before": null, "after": "O-1"},
                {"field": "status", "before": "SUCCEEDED", "after": "COMPLETED"},
            ])
        );
        assert_eq!((&told["ids"], &told["filter"]), (&json!(["0-1"]), &Value::Null));
    }

    #[test]
    fn a_choice_by_filter_is_told_part_by_part() {
        let redrive = json!({
            "letters": 412,
            "chosenBy": {"filter": {"reason": "unknown_schema"}},
            "change": {"schemaId": 9},
        });
        let told = rows(&redrive, &[json!({"id": "0-1"})], &Value::Null);
        assert_eq!(
            told["filter"],
            json!([{"name": "reason", "value": "unknown_schema"}])
        );
        assert_eq!((&told["schemaId"], &told["letters"]), (&json!(9), &json!(412)));
        assert_eq!((&told["ids"], &told["bytes"]), (&json!([]), &Value::Null));
    }

    #[test]
    fn other_bytes_are_shown_from_the_first_that_differs() {
        let told = bytes(&[0, 0, 7, 8], &[0, 0, 9]);
        assert_eq!((&told["at"], &told["differ"]), (&json!(2), &json!(2)));
        assert_eq!((&told["was"], &told["becomes"]), (&json!("07 08"), &json!("09")));
    }
}
