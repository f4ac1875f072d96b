//! How sagas of a type really go.

use super::super::address::Params;
use super::super::command_line;
use super::super::definition;
use super::super::failure::Failure;
use super::super::graph;
use super::super::values::{list, or_null, params, with};
use super::super::visit::Visit;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const FLOW: &str = "/api/v1/flow";
/// Periods that end now, for a type that has too many sagas to look at all of them.
const OF_LATE_SECONDS: [i64; 3] = [86_400, 3_600, 60];

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let (saga_type, none) = (visit.part("type").to_owned(), params(&[]));
    let period = |from: Option<&str>| json!({"from": or_null(from), "to": or_null(visit.param("toDate"))});
    if saga_type.is_empty() {
        let period = period(visit.param("fromDate"));
        let data =
            json!({"sagaType": null, "period": period, "definition": null, "graph": null, "flow": null});
        return visit.show("flow", "flow.html", data).await;
    }
    let (seen, definitions) = tokio::join!(
        seen(&visit, &saga_type),
        visit.get("/api/v1/definitions", &[], &none)
    );
    let (Seen { asked, flow, from }, definitions) = (seen?, definitions?);
    let period = period(from.as_deref());
    let flags = [
        ("--type", Some(saga_type.as_str())),
        ("--from", from.as_deref()),
        ("--to", visit.param("toDate")),
    ];
    visit.show_call(FLOW, &[], &asked, command_line::command("flow", &[], flags));
    visit.show_call(
        "/api/v1/definitions",
        &[],
        &none,
        command_line::command("definitions show", &[], []),
    );
    let (of_type, of_period) = (saga_type.clone(), period.clone());
    let drawn = visit.draw(move || {
        let graph = graph::drawn(&flow, &definitions, &of_type, &of_period);
        (graph, flow, definitions)
    });
    let (graph, flow, definitions) = drawn.await?;
    let nothing = graph.is_null()
        || (list(&flow["steps"]).is_empty() && definitions["types"].get(&saga_type).is_none());
    let data = json!({
        "sagaType": saga_type,
        "period": period,
        "definition": definition::shown(&definitions, &saga_type),
        "graph": if nothing { Value::Null } else { graph },
        "flow": if nothing { Value::Null } else { flow },
    });
    visit.show("flow", "flow.html", data).await
}

/// How sagas went.
struct Seen {
    asked: Params,
    flow: Value,
    /// Since when those started that were looked at.
    from: Option<String>,
}

/// Of the period that was asked for. Without one of all sagas of the type, and where these are too many of those that
/// started of late.
async fn seen(visit: &Visit, saga_type: &str) -> Result<Seen, Failure> {
    let given = with(visit.given(&["fromDate", "toDate"]), "sagaType", saga_type);
    let mut from = visit.param("fromDate").map(str::to_owned);
    let mut found = visit.get(FLOW, &[], &given).await;
    let mut asked = given.clone();
    if visit.all("fromDate").is_empty() && visit.all("toDate").is_empty() {
        for seconds in OF_LATE_SECONDS {
            if !found.as_ref().is_err_and(is_too_many) {
                break;
            }
            from = before(visit.now(), seconds);
            asked = with(given.clone(), "fromDate", from.as_deref().unwrap_or_default());
            found = visit.get(FLOW, &[], &asked).await;
        }
    }
    Ok(Seen {
        asked,
        flow: found?,
        from,
    })
}

/// Whether there are more sagas than are looked at.
fn is_too_many(failure: &Failure) -> bool {
    matches!(failure.status(), StatusCode::BAD_REQUEST | StatusCode::CONFLICT)
}

/// An instant so many seconds earlier.
fn before(instant: &str, seconds: i64) -> Option<String> {
    let instant: Timestamp = instant.parse().ok()?;
    let earlier = instant.checked_sub(SignedDuration::from_secs(seconds)).ok()?;
    Some(earlier.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_of_late_begins_so_many_seconds_before_the_answer() {
        let told = before("2026-01-31T09:30:00.250Z", 3_600);
        assert_eq!(told.as_deref(), Some("2026-01-31T08:30:00.25Z"));
    }
}
