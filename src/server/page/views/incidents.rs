//! Alerts that came in.

use super::super::failure::Failure;
use super::super::values::{int, list, or_null, with};
use super::super::visit::Visit;
use axum::response::Response;
use serde_json::json;

const PATH: &str = "/api/v1/incidents";
const WEBHOOK: &str = "/api/v1/alerts";
const SIZE: &str = "50";

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
        "incidents": list(&found["incidents"]),
        "nextCursor": (next < int(&found["page"]["totalPages"])).then(|| next.to_string()),
        "webhook": WEBHOOK,
    });
    visit.show("incidents", "incidents.html", data).await
}

#[cfg(test)]
mod tests {
    use super::super::super::shapes::Shapes;
    use super::*;

    #[test]
    fn where_there_are_incidents_alerts_come_in_by_the_call_that_is_shown() {
        let shapes = Shapes::of_api();
        assert_eq!(shapes.knows(WEBHOOK), shapes.knows(PATH));
    }
}
