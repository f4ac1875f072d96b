//! Alerts that came in.

use super::super::failure::Failure;
use super::super::values::{list, or_null, with};
use super::super::visit::Visit;
use axum::response::Response;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/incidents";
const WEBHOOK: &str = "/api/v1/alerts";
const SIZE: &str = "50";

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let asked = with(visit.given(&["state", "id", "cursor"]), "size", SIZE);
    let found = if visit.page.shapes().knows(PATH) {
        visit.show_call(PATH, &[], &asked, None);
        visit.get(PATH, &[], &asked).await?
    } else {
        Value::Null
    };
    let data = json!({
        "filter": {"state": or_null(visit.param("state")), "id": or_null(visit.param("id"))},
        "incidents": list(&found["incidents"]),
        "nextCursor": found["nextCursor"],
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
