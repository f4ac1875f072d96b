//! How sagas of a type really go.

use super::super::command_line;
use super::super::definition;
use super::super::failure::Failure;
use super::super::graph;
use super::super::values::{list, or_null, params, with};
use super::super::visit::Visit;
use axum::response::Response;
use serde_json::{Value, json};

const FLOW: &str = "/api/v1/flow";

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let (saga_type, none) = (visit.part("type").to_owned(), params(&[]));
    let period = json!({"from": or_null(visit.param("fromDate")), "to": or_null(visit.param("toDate"))});
    if saga_type.is_empty() {
        let data =
            json!({"sagaType": null, "period": period, "definition": null, "graph": null, "flow": null});
        return visit.show("flow", "flow.html", data).await;
    }
    let asked = with(visit.given(&["fromDate", "toDate"]), "sagaType", &saga_type);
    let (flow, definitions) = tokio::join!(
        visit.get(FLOW, &[], &asked),
        visit.get("/api/v1/definitions", &[], &none)
    );
    let (flow, definitions) = (flow?, definitions?);
    let flags = [
        ("--type", Some(saga_type.as_str())),
        ("--from", visit.param("fromDate")),
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
