//! Alerts that came in.

use super::super::failure::Failure;
use super::super::format;
use super::super::values::{int, list, or_null, with};
use super::super::visit::Visit;
use axum::response::Response;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/incidents";
const WEBHOOK: &str = "/api/v1/alerts";
const SIZE: &str = "20";
/// Bytes of a view that an annotation takes, and a name or value of a label.
const ANNOTATION: usize = 4 << 10;
const LABEL: usize = 512;

/// A page of them; the cursor of the view is the number of the page.
pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let mut asked = with(visit.given(&["id"]), "size", SIZE);
    match visit.param("state") {
        Some("open") => asked = with(asked, "active", "true"),
        Some("over") => asked = with(asked, "active", "false"),
        _ => {}
    }
    if let Some(page) = visit.param("cursor") {
        asked = with(asked, "page", page);
    }
    visit.show_call(PATH, &[], &asked, None);
    let found = visit.get(PATH, &[], &asked).await?;
    let next = int(&found["page"]["number"]) + 1;
    let data = json!({
        "filter": {"state": or_null(visit.param("state")), "id": or_null(visit.param("id"))},
        "incidents": list(&found["incidents"]).iter().map(cut).collect::<Vec<_>>(),
        "nextCursor": (next < int(&found["page"]["totalPages"])).then(|| next.to_string()),
        "webhook": WEBHOOK,
    });
    visit.show("incidents", "incidents.html", data).await
}

/// An incident with as much of its texts as a view has room for.
fn cut(incident: &Value) -> Value {
    let mut incident = incident.clone();
    let pairs = |of: &Value, bytes: usize| -> serde_json::Map<String, Value> {
        let pairs = of.as_object().into_iter().flatten();
        let shown = |text: &str| format::up_to(text, bytes);
        pairs
            .map(|(name, text)| (shown(name), shown(text.as_str().unwrap_or_default()).into()))
            .collect()
    };
    incident["labels"] = pairs(&incident["labels"], LABEL).into();
    incident["annotations"] = pairs(&incident["annotations"], ANNOTATION).into();
    for name in ["name", "severity"] {
        if let Some(text) = incident[name].as_str() {
            incident[name] = format::up_to(text, LABEL).into();
        }
    }
    incident
}

#[cfg(test)]
mod tests {
    use super::super::super::shapes::Shapes;
    use super::*;

    #[test]
    fn long_texts_of_an_incident_are_cut() {
        let long = "\u{7f}".repeat(9_000);
        let incident = json!({
            "id": "a-1", "name": long, "severity": null,
            "labels": {"short": "s", "long": long}, "annotations": {"summary": long, "n": "short"},
        });
        let shown = cut(&incident);
        assert_eq!((&shown["id"], &shown["severity"]), (&json!("a-1"), &Value::Null));
        assert_eq!(
            (&shown["labels"]["short"], &shown["annotations"]["n"]),
            (&json!("s"), &json!("short"))
        );
        for text in [
            &shown["name"],
            &shown["labels"]["long"],
            &shown["annotations"]["summary"],
        ] {
            let text = text.as_str().unwrap();
            assert!(text.ends_with('…') && text.len() < 400, "{}", text.len());
        }
    }

    #[test]
    fn where_there_are_incidents_alerts_come_in_by_the_call_that_is_shown() {
        let shapes = Shapes::of_api();
        assert_eq!(shapes.knows(WEBHOOK), shapes.knows(PATH));
    }
}
