//! Definitions over HTTP: what is in force, checked, tried and applied.

use super::gated::Timelines;
use super::support::{Reply, Surface, event, stored};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_tracker::domain::{Event, SagaDefinitions, SagaStatus};
use saga_tracker::server::api::ServerSettings;
use saga_tracker::store::codec::Record;
use saga_tracker::store::layer::Layered;
use saga_tracker::store::records::DecisionRecord;
use saga_tracker::store::{Batch, Durability, Key, Table, keys, reads, totals};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const EARLY: &str = "# mine\n[types.ORDER_CREATION]\ncompleting_steps = [\"STOCK_RESERVED\"]\n";

fn orders() -> Vec<Event> {
    let order = |number: u64| {
        let saga = format!("order-{number}");
        [
            event(&saga, 2 * number, 0, "ORDER_CREATED", SagaStatus::Started),
            event(
                &saga,
                2 * number + 1,
                1_000,
                "STOCK_RESERVED",
                SagaStatus::Completed,
            ),
        ]
    };
    (0..3).flat_map(order).collect()
}

async fn post(surface: &Surface, path: &str, body: &Value) -> Reply {
    let request = Request::builder()
        .method("POST")
        .uri(path)
        .header("content-type", "application/json")
        .header("x-operator", "kim")
        .body(Body::from(body.to_string()))
        .unwrap();
    surface.request(request).await
}

/// As if the ops topic had brought it.
fn put_version(surface: &Surface, number: u64, text: &str) {
    let hash = SagaDefinitions::from_toml(text).unwrap().hash();
    let message = json!({
        "version": 1, "kind": "definitions", "id": number.to_string(), "by": "kim", "from": "here",
        "at": "2026-01-31T09:30:00Z", "reason": format!("ticket {number}"),
        "body": {"version": number, "hash": hash, "definitions": text},
    })
    .to_string();
    let record = DecisionRecord {
        arrived_at: 1_769_851_800_000,
        outcome: 0,
        kind: "definitions",
        detail: "",
        message: message.as_bytes(),
    };
    let (mut rows, mut key) = (Batch::new(), Key::default());
    keys::decision(&mut key, number + 10);
    rows.put(Table::Decisions, &key, &record.to_bytes());
    reads::put_meta_count(
        &mut rows,
        totals::DEFINITION_VERSIONS,
        &number.to_string(),
        number + 10,
    );
    surface.store.write(&rows, Durability::Process).unwrap();
}

#[tokio::test]
async fn what_is_in_force_says_where_it_comes_from() {
    let surface = Surface::over(&orders());
    let shown = surface.get("/api/v1/definitions").await.json();
    let built_in = SagaDefinitions::default().hash();
    assert_eq!((&shown["version"], &shown["decided"]), (&json!(0), &Value::Null));
    assert_eq!(shown["configured"], json!({"hash": built_in, "differs": false}));
    put_version(&surface, 1, EARLY);
    let shown = surface.get("/api/v1/definitions").await.json();
    assert_eq!(shown["version"], 1);
    assert_eq!(
        shown["decided"],
        json!({
            "version": 1, "hash": SagaDefinitions::from_toml(EARLY).unwrap().hash(), "decision": 11,
            "at": "2026-01-31T09:30:00Z", "by": "kim", "reason": "ticket 1",
        })
    );
}

#[tokio::test]
async fn versions_are_listed_newest_first_and_one_has_its_file() {
    let surface = Surface::over(&[]);
    let list = "/api/v1/definitions/versions";
    let none = surface.get(list).await.json();
    assert_eq!(none, json!({"content": [], "nextCursor": null}));
    for number in 1..=12 {
        put_version(&surface, number, &format!("{EARLY}# {number}\n"));
    }
    let (mut seen, mut query) = (Vec::new(), "?size=5".to_owned());
    loop {
        let page = surface.get(&format!("{list}{query}")).await.json();
        let numbers = page["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| version["version"].as_u64().unwrap());
        seen.extend(numbers);
        let Some(cursor) = page["nextCursor"].as_u64() else {
            break;
        };
        query = format!("?size=5&cursor={cursor}");
    }
    assert_eq!(seen, (1..=12).rev().collect::<Vec<u64>>());
    let one = surface.get(&format!("{list}/7")).await.json();
    assert_eq!(one["definitions"], format!("{EARLY}# 7\n"));
    assert_eq!(
        surface.get(&format!("{list}/13")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        surface.get(&format!("{list}/x")).await.status,
        StatusCode::BAD_REQUEST
    );
    let refused = surface.get(&format!("{list}?size=0&cursor=0")).await.json();
    let parameters: Vec<&str> = refused["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail["parameter"].as_str().unwrap())
        .collect();
    assert_eq!(parameters, ["size", "cursor"]);
}

#[tokio::test]
async fn a_file_is_checked_and_every_fault_named() {
    let surface = Surface::over(&[]);
    let check = async |text: &str| {
        let reply = post(
            &surface,
            "/api/v1/definitions/check",
            &json!({ "definitions": text }),
        )
        .await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()
    };
    let good = check(EARLY).await;
    assert_eq!((&good["faults"], &good["rebuild"]), (&json!([]), &json!(true)));
    let differing = good["differing"].as_object().unwrap();
    assert_eq!(
        differing.keys().collect::<Vec<_>>(),
        ["ORDER_CREATION", "PAYMENT_COMPLETION"]
    );
    let bad = check("[types.A]\ncompleting_steps = []\n[types.B]\ncompleting_steps = []\n").await;
    assert_eq!(bad["faults"].as_array().unwrap().len(), 2);
    assert_eq!((&bad["hash"], &bad["rebuild"]), (&Value::Null, &json!(false)));
    let trial = json!({ "definitions": EARLY });
    let tried = post(&surface, "/api/v1/definitions/try", &trial).await;
    assert_eq!(tried.status, StatusCode::OK, "{tried:?}");
    let entries = surface.get("/api/v1/audit").await.json();
    assert_eq!(entries["content"], json!([]), "nothing was changed");

    let long = format!("{EARLY}{}", "#".repeat(256 << 10));
    let path = "/api/v1/definitions/check";
    let refused = post(&surface, path, &json!({ "definitions": long })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    let told = refused.json();
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("accepted: up to 262144"),
        "{told}"
    );
}

#[tokio::test]
async fn what_would_be_kept_for_less_long_is_named_and_refused_unless_that_is_said() {
    let surface = Surface::over(&orders());
    let short = format!("{EARLY}retention_days = {{ COMPLETED = 10, STARTED = 400 }}\n");
    let named = json!([
        {"sagaType": "ORDER_CREATION", "status": "COMPLETED", "currentDays": 90, "newDays": 10},
    ]);
    for path in ["/api/v1/definitions/check", "/api/v1/definitions/try"] {
        let told = |text: &str| json!({ "definitions": text });
        let answer = post(&surface, path, &told(&short)).await.json();
        assert_eq!(answer["shorterRetention"], named, "{path}");
        let answer = post(&surface, path, &told(EARLY)).await.json();
        assert_eq!(answer["shorterRetention"], json!([]), "{path}");
    }
    let apply = async |allowed: bool| {
        let body = json!({"definitions": short, "reason": "r", "allowShorterRetention": allowed});
        post(&surface, "/api/v1/definitions", &body).await
    };
    let refused = apply(false).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused
            .text()
            .contains("ORDER_CREATION in COMPLETED for 10 days instead of 90"),
        "{}",
        refused.text()
    );
    // As far as the broker, which is away.
    assert_eq!(apply(true).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_trial_says_what_would_change_and_why_and_changes_nothing() {
    let surface = Surface::over(&orders());
    let ask = async |body: Value| post(&surface, "/api/v1/definitions/try", &body).await;
    let tried = ask(json!({"definitions": EARLY, "size": 1})).await.json();
    assert_eq!((&tried["sagas"], &tried["changing"]), (&json!(3), &json!(3)));
    assert_eq!(tried["before"], json!({"ORDER_CREATION": {"IN_PROGRESS": 3}}));
    assert_eq!(tried["after"], json!({"ORDER_CREATION": {"COMPLETED": 3}}));
    assert_eq!(
        (&tried["nextCursor"], &tried["cursor"]),
        (&Value::Null, &json!({"0": 6}))
    );
    let [change] = tried["changes"].as_array().unwrap().as_slice() else {
        panic!("{tried}");
    };
    assert_eq!(change["sagaId"], "order-0");
    let reason = change["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("COMPLETED of STOCK_RESERVED makes it COMPLETED instead of IN_PROGRESS"),
        "{reason}"
    );
    assert_eq!(change["from"]["eventId"], "event-1");
    // It was stuck for half a day, and would not be.
    assert_eq!(change["before"]["stuck"], "PAST_DEADLINE");
    assert_eq!(change["after"]["stuck"], Value::Null);
    let saga = surface.get("/api/v1/sagas/order-0").await.json();
    assert_eq!(saga["currentStatus"], "IN_PROGRESS");
    for (body, parameter) in [
        (json!({"definitions": "types = 7"}), "definitions"),
        (json!({"definitions": EARLY, "size": 1001}), "size"),
        (json!({"definitions": EARLY, "cursor": "made-up"}), "cursor"),
        (json!({"definition": EARLY}), "body"),
    ] {
        let refused = ask(body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.json()["details"][0]["parameter"], parameter);
    }
}

#[tokio::test]
async fn what_cannot_come_into_force_is_refused_before_anything_is_published() {
    let surface = Surface::over(&[]);
    put_version(&surface, 1, EARLY);
    let apply = async |body: Value| post(&surface, "/api/v1/definitions", &body).await;
    let faulty = apply(json!({"definitions": "[types.A]\ncompleting_steps = []\n", "reason": "r"})).await;
    assert_eq!(faulty.status, StatusCode::BAD_REQUEST);
    let found = faulty.json()["details"][0]["found"].as_str().unwrap().to_owned();
    assert!(found.contains("types.A.completing_steps is empty"), "{found}");
    for reason in [json!(" "), json!("x".repeat(1_001))] {
        let refused = apply(json!({"definitions": EARLY, "reason": reason})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(
            refused.text().contains("1 to 1000 characters"),
            "{}",
            refused.text()
        );
    }
    let stale = apply(json!({"definitions": EARLY, "reason": "r", "expectedVersion": 0})).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(
        stale
            .text()
            .contains("version 1 of the definitions is in force, not 0"),
        "{}",
        stale.text()
    );
    // As far as the broker, which is away.
    let away = apply(json!({"definitions": EARLY, "reason": "r", "expectedVersion": 1})).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.text().contains("nothing was changed"), "{}", away.text());
    let audit = surface.get("/api/v1/audit?action=apply-definitions").await.json();
    let results: Vec<&str> = audit["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["REFUSED"; 5]);
    assert_eq!(audit["content"][0]["who"], "kim");
}

#[tokio::test]
async fn a_trial_ends_when_its_client_goes_away() {
    let timelines = Timelines::default();
    let asked = Arc::new(Layered::over(stored(&orders()), timelines.clone()));
    let settings = ServerSettings {
        max_concurrent_full_reads: 1,
        ..ServerSettings::default()
    };
    let surface = Arc::new(Surface::asking(settings, asked));
    let closed = timelines.gate.close();
    let other = surface.clone();
    let client = tokio::spawn(async move {
        let trial = json!({"definitions": EARLY});
        post(&other, "/api/v1/definitions/try", &trial).await
    });
    let reads = async {
        while timelines.gate.came() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(60);
    tokio::time::timeout(bound, reads).await.unwrap();
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    // Its task has seen that nobody waits.
    let audit = async {
        loop {
            let told = surface.get("/api/v1/audit?result=REFUSED").await;
            if told.text().contains("nobody waits for the answer any more") {
                break;
            }
        }
    };
    tokio::time::timeout(bound, audit).await.unwrap();
    drop(closed);
    assert_eq!(
        surface.get("/internal/v1/digest").await.status,
        StatusCode::OK,
        "its place is free again"
    );
    assert_eq!(
        timelines.reads.load(Ordering::SeqCst),
        1,
        "the other events were not read"
    );
}
