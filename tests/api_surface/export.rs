//! Results and event logs taken away.

use super::support::{START, Surface, event};
use axum::http::{Request, StatusCode};
use saga_tracker::domain::{Event, MetadataForm, Millis, SagaStatus};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Two sagas of one order, one of which has hostile texts, and many ordinary ones behind them.
pub(crate) fn shop(others: u64) -> Vec<Event> {
    use SagaStatus::{Completed, Failed, InProgress, Started};
    let mut events = vec![
        event("=1+1", 0, 0, "ORDER_CREATED", Started),
        event("=1+1", 1, 250, "A \"step\", <&>\u{1}", InProgress),
        event("=1+1", 2, 500, "ORDER_CONFIRMED", Completed),
        event("second", 3, 1_000, "ORDER_CREATED", Started),
        event("second", 4, 1_000, "PAYMENT_FAILED", Failed),
        event("second", 5, 1_000, "PAYMENT_FAILED", Failed),
    ];
    events[0].metadata = Some("{\"traceId\":\"t-1\",\"orderAmount\": 10.00}".into());
    events[0].metadata_form = MetadataForm::Object;
    events[0].producer_service = Some("order-service".into());
    events[5].event_id = "event-4".into();
    events
        .iter_mut()
        .for_each(|event| event.order_id = "@order".into());
    events.extend((0..others).map(|n| {
        let after = 2_000 + i64::try_from(n).unwrap();
        event(&format!("s-{n:04}"), 6 + n, after, "ORDER_CREATED", Started)
    }));
    events
}

async fn text(surface: &Surface, path: &str) -> String {
    let reply = surface.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.text().to_owned()
}

async fn rows(surface: &Surface, path: &str) -> Vec<Value> {
    let text = text(surface, path).await;
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn sagas_are_exported_as_search_shows_them() {
    let surface = Surface::over(&shop(0));
    let found = rows(&surface, "/api/v1/export/sagas").await;
    let searched = surface.get("/api/v1/sagas").await.json();
    assert_eq!(json!(found), searched["content"]);

    let table = text(&surface, "/api/v1/export/sagas?format=csv&status=COMPLETED").await;
    let lines: Vec<&str> = table.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "sagaId,sagaType,orderId,currentStatus,statusSince,lastStep,lastTraceId,traceIds,failedStep,failureReason,\
         startedAt,updatedAt,stepCount,duplicates,conflicts,anomalyCount,anomalies,nextCursor"
    );
    assert_eq!(
        lines[1],
        "'=1+1,ORDER_CREATION,'@order,COMPLETED,2026-01-31T09:30:00.500Z,ORDER_CONFIRMED,,[],,,\
         2026-01-31T09:30:00Z,2026-01-31T09:30:00.500Z,3,0,0,0,[],"
    );
    assert_eq!(lines[2..], [""]);
}

#[tokio::test]
async fn columns_are_fields_of_the_rows() {
    let surface = Surface::over(&shop(0));
    for (what, may_lack) in [
        ("sagas", vec![]),
        ("events", vec!["metadataRaw", "operatorChange"]),
        ("sagas/second/steps", vec!["metadataRaw", "operatorChange"]),
        ("census", vec![]),
    ] {
        let path = format!("/api/v1/export/{what}");
        let head = text(&surface, &format!("{path}?format=csv")).await;
        let columns: BTreeSet<&str> = head.lines().next().unwrap().split(',').collect();
        let rows = rows(&surface, &path).await;
        let fields = rows[0].as_object().unwrap().keys().map(String::as_str);
        let mut fields: BTreeSet<&str> = fields.chain(may_lack).chain(["nextCursor"]).collect();
        // The same as currentStatus.
        let _alias = what == "sagas" && fields.remove("status");
        assert_eq!(columns, fields, "{what}");
    }
}

#[tokio::test]
async fn an_export_walks_all_parts_and_is_taken_up_again_at_each() {
    let surface = Surface::over(&shop(450));
    let all = rows(&surface, "/api/v1/export/sagas?sort=startedAt,asc").await;
    assert_eq!(all.len(), 452);
    let marked: Vec<usize> = (0..all.len())
        .filter(|n| all[*n].get("nextCursor").is_some())
        .collect();
    assert_eq!(marked, [199, 399]);
    for at in marked {
        let cursor = all[at]["nextCursor"].as_str().unwrap();
        let path = format!("/api/v1/export/sagas?sort=startedAt,asc&cursor={cursor}");
        assert_eq!(rows(&surface, &path).await, all[at + 1..]);
    }
    let some = rows(&surface, "/api/v1/export/sagas?sort=startedAt,asc&limit=3").await;
    assert_eq!(some.len(), 3);
    assert!(some[2]["nextCursor"].is_string());
    // An event log is taken up again at the next saga.
    let some = rows(&surface, "/api/v1/export/events?limit=1").await;
    let steps: Vec<&Value> = some.iter().map(|row| &row["id"]).collect();
    assert_eq!(steps, [1, 2, 3]);
    let cursor = some[2]["nextCursor"].as_str().unwrap();
    let rest = rows(
        &surface,
        &format!("/api/v1/export/events?limit=1&cursor={cursor}"),
    )
    .await;
    let ids: Vec<&Value> = rest.iter().map(|row| &row["sagaId"]).collect();
    assert_eq!(ids, ["second", "second"], "the duplicate is no event");
}

#[tokio::test]
async fn steps_are_taken_up_again_behind_any() {
    let surface = Surface::over(&shop(0));
    let path = "/api/v1/export/sagas/%3D1+1/steps".replace('+', "%2B");
    let all = rows(&surface, &path).await;
    let meaning = |row: &Value| (row["effectiveStatus"].clone(), row["sagaStatus"].clone());
    let meant: Vec<_> = all.iter().map(meaning).collect();
    assert_eq!(
        json!(meant),
        json!([
            ["STARTED", "STARTED"],
            ["IN_PROGRESS", "IN_PROGRESS"],
            ["COMPLETED", "COMPLETED"]
        ])
    );
    let cursor = all[0]["nextCursor"].as_str().unwrap();
    assert_eq!(rows(&surface, &format!("{path}?cursor={cursor}")).await, all[1..]);
    assert_eq!(rows(&surface, &format!("{path}?limit=2")).await, all[..2]);
    let as_of = Millis(START + 250);
    assert_eq!(rows(&surface, &format!("{path}?asOf={as_of}")).await, all[..2]);
    let missing = surface.get("/api/v1/export/sagas/nobody/steps?format=csv").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.json()["error"], "NOT_FOUND");
}

#[tokio::test]
async fn an_ocel_log_has_each_event_saga_and_order_once() {
    let surface = Surface::over(&shop(0));
    let log: Value =
        serde_json::from_str(&text(&surface, "/api/v1/export/events?format=ocel").await).unwrap();
    let ids = |list: &str| -> Vec<String> {
        let entries = log[list].as_array().unwrap().iter();
        entries
            .map(|entry| entry["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids("events"), ["0-0", "0-1", "0-2", "0-3", "0-4"]);
    assert_eq!(ids("objects"), ["saga:=1+1", "order:@order", "saga:second"]);
    assert_eq!(
        log["events"][2],
        json!({
            "id": "0-2", "type": "ORDER_CONFIRMED", "time": "2026-01-31T09:30:00.500Z",
            "attributes": [
                {"name": "eventId", "value": "event-2"},
                {"name": "status", "value": "COMPLETED"},
                {"name": "effectiveStatus", "value": "COMPLETED"},
                {"name": "sagaStatus", "value": "COMPLETED"},
                {"name": "partition", "value": 0},
                {"name": "offset", "value": 2},
            ],
            "relationships": [
                {"objectId": "saga:=1+1", "qualifier": "saga"},
                {"objectId": "order:@order", "qualifier": "order"},
            ],
        })
    );
    // What the saga was after both events of the instant, not after the first.
    assert_eq!(
        log["objects"][2],
        json!({
            "id": "saga:second", "type": "saga",
            "attributes": [
                {"name": "sagaId", "time": "1970-01-01T00:00:00Z", "value": "second"},
                {"name": "sagaType", "time": "1970-01-01T00:00:00Z", "value": "ORDER_CREATION"},
                {"name": "status", "time": "2026-01-31T09:30:01Z", "value": "FAILED"},
            ],
            "relationships": [{"objectId": "order:@order", "qualifier": "order"}],
        })
    );
    let types: Vec<&Value> = log["eventTypes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| &kind["name"])
        .collect();
    assert_eq!(
        types,
        [
            "A \"step\", <&>\u{1}",
            "ORDER_CONFIRMED",
            "ORDER_CREATED",
            "PAYMENT_FAILED"
        ]
    );
    let nothing = text(&surface, "/api/v1/export/events?format=ocel&sagaType=NONE").await;
    let nothing: Value = serde_json::from_str(&nothing).unwrap();
    assert_eq!(
        (&nothing["events"], &nothing["objects"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn an_xes_log_has_a_trace_for_each_saga() {
    let surface = Surface::over(&shop(0));
    let log = text(&surface, "/api/v1/export/events?format=xes").await;
    assert!(log.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log "));
    assert!(log.ends_with("</trace>\n</log>\n"));
    assert_eq!(log.matches("<trace>").count(), 2);
    assert_eq!(log.matches("<event>").count(), 5);
    let hostile = "<event><string key=\"concept:name\" value=\"A &quot;step&quot;, &lt;&amp;&gt;\u{2401}\"/>\
                   <date key=\"time:timestamp\" value=\"2026-01-31T09:30:00.250Z\"/>\
                   <string key=\"lifecycle:transition\" value=\"complete\"/><string key=\"eventId\" value=\"event-1\"/>\
                   <string key=\"status\" value=\"IN_PROGRESS\"/><string key=\"effectiveStatus\" value=\"IN_PROGRESS\"/>\
                   <string key=\"sagaStatus\" value=\"IN_PROGRESS\"/><int key=\"partition\" value=\"0\"/>\
                   <int key=\"offset\" value=\"1\"/></event>";
    assert!(log.contains(hostile), "{log}");
    assert!(log.contains("<string key=\"org:resource\" value=\"order-service\"/>"));
    assert_eq!(log.matches("value=\"ate_abort\"").count(), 1);
}

#[tokio::test]
async fn a_client_says_what_it_wants_by_parameter_or_by_accept() {
    let surface = Surface::over(&shop(0));
    let accepting = |path: &str, accept: &str| {
        let request = Request::builder().uri(path).header("accept", accept);
        request.body(axum::body::Body::empty()).unwrap()
    };
    let csv = surface
        .request(accepting("/api/v1/export/sagas", "text/csv"))
        .await;
    assert_eq!(
        csv.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(
        csv.header("content-disposition"),
        "attachment; filename=\"sagas.csv\""
    );
    let xes = surface
        .request(accepting("/api/v1/export/events", "application/xml"))
        .await;
    assert_eq!(xes.header("content-type"), "application/xml");
    for (path, parameter) in [
        ("sagas?format=xes", "format"),
        ("events?format=xml", "format"),
        ("sagas?limit=0", "limit"),
        ("sagas?cursor=no", "cursor"),
        ("sagas?status=NO", "status"),
        ("sagas/second/steps?cursor=1", "cursor"),
        ("audit?cursor=x", "cursor"),
        ("dead-letters?cursor=x", "cursor"),
        ("census?asOf=x", "asOf"),
    ] {
        let refused = surface.get(&format!("/api/v1/export/{path}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(refused.json()["details"][0]["parameter"], parameter, "{path}");
    }
    let some = rows(&surface, "/api/v1/export/events?limit=1").await;
    let cursor = some[2]["nextCursor"].as_str().unwrap();
    let refused = surface
        .get(&format!("/api/v1/export/events?format=ocel&cursor={cursor}"))
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}
