//! What goes on: the overview, the live stream, events as they come, and what runs beside serving.

use super::support::{NOW, START, Surface, event};
use axum::body::{Body, HttpBody};
use axum::http::{Request, StatusCode};
use saga_tracker::domain::{Event, Position, SagaStatus};
use saga_tracker::server::api::ServerSettings;
use saga_tracker::store::codec::Record;
use saga_tracker::store::records::{FeedRecord, LogRecord};
use saga_tracker::store::{Batch, Durability, Key, Table, keys};
use serde_json::{Value, json};
use std::pin::Pin;
use std::time::Duration;
use tower::ServiceExt;

fn events() -> Vec<Event> {
    use SagaStatus::{Completed, Failed, Started};
    let now = NOW.0 - START;
    vec![
        event("a", 0, now - 100_000, "ORDER_CREATED", Started),
        event("a", 1, now - 90_000, "ORDER_CONFIRMED", Completed),
        event("b", 2, now - 80_000, "ORDER_CREATED", Started),
        event("b", 3, now - 70_000, "PAYMENT_FAILED", Failed),
        event("c", 4, now - 40_000, "ORDER_CREATED", Started),
        event("c", 5, now - 39_000, "STOCK_RESERVED", Started),
    ]
}

async fn ask(surface: &Surface, path: &str) -> Value {
    let reply = surface.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.json()
}

#[tokio::test]
async fn an_overview_says_how_things_stand() {
    let surface = Surface::over(&events());
    feed(&surface, &events());
    let found = ask(&surface, "/api/v1/overview").await;
    assert_eq!(
        (
            &found["total"],
            &found["byStatus"]["FAILED"],
            &found["failedPerHour"]
        ),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(found["newestFailed"][0]["sagaId"], json!("b"));
    assert_eq!(
        (&found["range"], &found["sagaType"]),
        (&json!("5m"), &Value::Null)
    );
    let flow = &found["flow"];
    assert_eq!(
        (&flow["sagaType"], &flow["sagas"]),
        (&json!("ORDER_CREATION"), &json!(3))
    );
    assert_eq!(
        (&found["incidents"], &found["incidentList"]),
        (&json!(0), &json!([]))
    );
    let points = found["series"]["points"].as_array().unwrap();
    let failed: u64 = points
        .iter()
        .filter_map(|point| point["entered"]["FAILED"].as_u64())
        .sum();
    assert_eq!((points.len(), failed), (60, 1));
    let components = found["health"]["components"].as_array().unwrap();
    assert_eq!((components.len(), &components[0]["name"]), (9, &json!("db")));
    assert_eq!(found["cursor"], json!({"0": 6}));
    let none = ask(&surface, "/api/v1/overview?type=ELSE&range=24h").await;
    assert_eq!(
        (&none["total"], &none["flow"], &none["newestFailed"]),
        (&json!(0), &Value::Null, &json!([]))
    );
    assert_eq!(none["series"]["everySeconds"], json!(1_800));
}

#[tokio::test]
async fn an_overview_that_the_client_has_is_not_sent_again() {
    let surface = Surface::over(&events());
    let first = surface.get("/api/v1/overview").await;
    let tag = first.header("etag").to_owned();
    assert_eq!(first.header("cache-control"), "no-cache");
    let again = |tag: String| {
        let request = Request::builder()
            .uri("/api/v1/overview")
            .header("If-None-Match", tag);
        surface.request(request.body(Body::empty()).unwrap())
    };
    let same = again(tag.clone()).await;
    assert_eq!(
        (same.status, same.body.len(), same.header("etag")),
        (StatusCode::NOT_MODIFIED, 0, tag.as_str())
    );
    assert_eq!(again("W/\"another\"".to_owned()).await.status, StatusCode::OK);
    let refused = surface.get("/api/v1/overview?range=1y").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["details"][0]["parameter"], json!("range"));
}

/// The events of a stream, one after the other.
struct Stream(Body);

impl Stream {
    async fn open(surface: &Surface, path: &str, last: Option<&str>) -> (StatusCode, Self) {
        let mut request = Request::builder().uri(path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let reply = surface
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap());
        let (parts, body) = reply.await.unwrap().into_parts();
        (parts.status, Self(body))
    }

    /// The next event; none when the stream is over.
    async fn next(&mut self) -> Option<String> {
        let body = &mut self.0;
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = tokio::time::timeout(Duration::from_secs(20), frame)
            .await
            .unwrap()?;
        let data = frame.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    /// Id and data of the next frame.
    async fn frame(&mut self) -> (u64, Value) {
        loop {
            let event = self.next().await.unwrap();
            if let Some(rest) = event.strip_prefix("event: frame\nid: ") {
                let (id, data) = rest.split_once("\ndata: ").unwrap();
                return (
                    id.parse().unwrap(),
                    serde_json::from_str(data.trim_end()).unwrap(),
                );
            }
        }
    }
}

#[tokio::test]
async fn all_who_watch_are_shown_the_same_frames_second_by_second() {
    let surface = Surface::over(&events());
    feed(&surface, &events());
    let (status, mut one) = Stream::open(&surface, "/api/v1/live", None).await;
    assert_eq!(status, StatusCode::OK);
    let (_, mut other) = Stream::open(&surface, "/api/v1/live", None).await;
    let first = one.frame().await;
    assert_eq!(first, other.frame().await);
    assert_eq!(
        (&first.1["total"], &first.1["byStatus"]["FAILED"]),
        (&json!(3), &json!(1))
    );
    let pair = json!({"from": "ORDER_CREATED", "to": "STOCK_RESERVED"});
    assert_eq!(first.1["flowType"], json!("ORDER_CREATION"));
    let edge = &first.1["edges"][0];
    assert_eq!((&edge["from"], &edge["to"]), (&pair["from"], &pair["to"]));
    let second = one.frame().await;
    assert!(second.0 > first.0);
    drop(one);
    let (_, mut back) = Stream::open(&surface, "/api/v1/live", Some(&first.0.to_string())).await;
    assert_eq!(back.frame().await, second, "what was missed comes first");
    let (_, mut of_type) = Stream::open(&surface, "/api/v1/live?type=ORDER_CREATION", None).await;
    assert_eq!(of_type.frame().await.1["total"], json!(3));
    let ahead = (second.0 + 1_000_000_000).to_string();
    let (_, mut ahead) = Stream::open(&surface, "/api/v1/live", Some(&ahead)).await;
    assert!(
        ahead.frame().await.0 >= second.0,
        "an id that no frame had counts as none"
    );
}

#[tokio::test]
async fn types_that_do_not_exist_are_not_watched_and_take_no_room() {
    let surface = Surface::over(&events());
    let mut open = Vec::new();
    for number in 0..16 {
        let path = format!("/api/v1/live?sagaType=INVENTED_{number}");
        let (status, stream) = Stream::open(&surface, &path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        open.push(stream);
    }
    let (status, mut all) = Stream::open(&surface, "/api/v1/live", None).await;
    assert_eq!(
        (status, &all.frame().await.1["total"]),
        (StatusCode::OK, &json!(3))
    );
}

/// Statuses of a hundred calls at the same time, and that of a search behind them.
async fn beside_a_search(surface: &Surface, path: impl Fn(usize) -> String) -> (Vec<StatusCode>, StatusCode) {
    let ask = |path: String| {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let reply = surface.router.clone().oneshot(request);
        tokio::spawn(async move { reply.await.unwrap().status() })
    };
    let asked: Vec<_> = (0..100).map(|number| ask(path(number))).collect();
    let search = ask("/api/v1/sagas".to_owned());
    let mut statuses = Vec::new();
    for asked in asked {
        statuses.push(asked.await.unwrap());
    }
    (statuses, search.await.unwrap())
}

#[tokio::test]
async fn neither_overviews_nor_events_take_the_places_of_searches() {
    let settings = ServerSettings {
        max_concurrent_scans: 1,
        ..ServerSettings::default()
    };
    let surface = Surface::with(settings, &events());
    let alert = json!({
        "status": "firing", "labels": {"saga_type": "ORDER_CREATION"}, "fingerprint": "a",
        "startsAt": "2026-01-31T09:00:00Z",
    });
    let sent = json!({"version": "4", "alerts": vec![alert; 1]}).to_string();
    let request = Request::post("/api/v1/alerts").header("content-type", "application/json");
    let taken = surface.request(request.body(Body::from(sent)).unwrap()).await;
    assert_eq!(taken.status, StatusCode::OK);
    let of_types = |number: usize| format!("/api/v1/overview?type=T{number}");
    assert_eq!(beside_a_search(&surface, of_types).await.1, StatusCode::OK);
    let of_steps = |number: usize| format!("/api/v1/events?after=0@0&step=S{number}");
    assert_eq!(beside_a_search(&surface, of_steps).await.1, StatusCode::OK);
    let same = |_: usize| "/api/v1/overview".to_owned();
    let (statuses, _) = beside_a_search(&surface, same).await;
    assert_eq!(statuses, [StatusCode::OK; 100], "one is computed for all");
    let overview = ask(&surface, "/api/v1/overview").await;
    assert_eq!(
        overview["incidentList"][0]["sagas"],
        json!(3),
        "from its snapshot"
    );
}

#[tokio::test]
async fn who_waits_for_events_takes_a_place_before_anything_is_read() {
    let settings = ServerSettings {
        max_live_connections: 1,
        ..ServerSettings::default()
    };
    let surface = Surface::with(settings, &events());
    let (_, _stream) = Stream::open(&surface, "/api/v1/live", None).await;
    let waits = surface.get("/api/v1/events?after=0@0&wait=1").await;
    assert_eq!(waits.status, StatusCode::SERVICE_UNAVAILABLE);
    let asks = surface.get("/api/v1/events?after=0@0").await;
    assert_eq!(asks.status, StatusCode::OK);
}

#[tokio::test]
async fn those_who_watch_are_bounded_and_take_nothing_from_others() {
    let settings = ServerSettings {
        max_live_connections: 2,
        ..ServerSettings::default()
    };
    let surface = Surface::with(settings, &events());
    let (_, _one) = Stream::open(&surface, "/api/v1/live", None).await;
    let (_, other) = Stream::open(&surface, "/api/v1/live", None).await;
    let refused = surface.get("/api/v1/live").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        refused.text().contains("server.max_live_connections"),
        "{}",
        refused.text()
    );
    assert_eq!(surface.get("/api/v1/sagas").await.status, StatusCode::OK);
    assert_eq!(
        surface.get("/actuator/health/liveness").await.status,
        StatusCode::OK
    );
    drop(other);
    // Its place is given back as soon as the task that served it has ended.
    let freed = async {
        while Stream::open(&surface, "/api/v1/live", None).await.0 != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed)
        .await
        .unwrap();
    let (wrong, _) = Stream::open(&surface, "/api/v1/live", Some("x")).await;
    assert_eq!(wrong, StatusCode::BAD_REQUEST);
}

/// Says in the feed where the events lie.
fn feed(surface: &Surface, events: &[Event]) {
    let (mut batch, mut key) = (Batch::new(), Key::default());
    for event in events {
        keys::by_offset(&mut key, event.position);
        let record = FeedRecord::Logged {
            saga_id: event.saga_id.as_str(),
            recorded_at: event.recorded_at.0,
        };
        batch.put_with(Table::Feed, &key, |bytes| record.write(bytes));
    }
    surface.store.write(&batch, Durability::Process).unwrap();
}

#[tokio::test]
async fn events_are_followed_from_where_the_topic_ends_or_from_any_place() {
    let events = events();
    let surface = Surface::over(&events);
    feed(&surface, &events);
    let now = ask(&surface, "/api/v1/events").await;
    assert_eq!(
        (&now["events"], &now["next"], &now["more"]),
        (&json!([]), &json!("0@6"), &json!(false))
    );
    let all = ask(&surface, "/api/v1/events?after=0@0&size=4").await;
    let offsets: Vec<&Value> = all["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["offset"])
        .collect();
    assert_eq!(
        (offsets.len(), &all["next"], &all["more"]),
        (4, &json!("0@4"), &json!(true))
    );
    let failed = ask(&surface, "/api/v1/events?after=0@0&status=FAILED&wait=1").await;
    assert_eq!(failed["events"].as_array().unwrap().len(), 1);
    assert_eq!(failed["events"][0]["effectiveStatus"], json!("FAILED"));
    let none = ask(&surface, "/api/v1/events?after=0@6&wait=1").await;
    assert_eq!((&none["events"], &none["next"]), (&json!([]), &json!("0@6")));
    let refused = surface.get("/api/v1/events?after=1&size=0").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

/// Adds events to the log.
fn log(surface: &Surface, events: &[Event]) {
    let (mut batch, mut key) = (Batch::new(), Key::default());
    for event in events {
        keys::log(&mut key, &event.saga_id, event.timeline_key());
        batch.put_with(Table::Log, &key, |bytes| LogRecord::of(event).write(bytes));
    }
    surface.store.write(&batch, Durability::Process).unwrap();
}

#[tokio::test]
async fn all_who_wait_are_told_what_comes_of_what_they_wait_for() {
    let surface = Surface::over(&events());
    let wait = |filter: &str| {
        let path = format!("/api/v1/events?after=0@6&wait=30{filter}");
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        tokio::spawn(surface.router.clone().oneshot(request))
    };
    let waiting = ["", "&step=NEW", "&sagaId=d"].map(wait);
    let other = wait("&step=OTHER");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let mut new = event("d", 6, NOW.0 - START, "NEW", SagaStatus::Started);
    new.metadata = Some("{}".into());
    log(&surface, std::slice::from_ref(&new));
    feed(&surface, &[new]);
    surface.set_progress(&[7]);
    for answer in waiting {
        let reply = tokio::time::timeout(Duration::from_secs(20), answer)
            .await
            .unwrap();
        let body = reply.unwrap().unwrap().into_body();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let found: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&found["events"][0]["offset"], &found["next"], &found["more"]),
            (&json!(6), &json!("0@7"), &json!(false))
        );
    }
    assert!(!other.is_finished(), "it waits for what has not come");
    other.abort();
}

#[tokio::test]
async fn suggestions_are_of_what_there_is() {
    let surface = Surface::over(&events());
    let found = ask(&surface, "/api/v1/suggest?prefix=b").await;
    assert_eq!(
        found["suggestions"][0],
        json!({"kind": "saga", "value": "b", "status": "FAILED"})
    );
    let found = ask(&surface, "/api/v1/suggest?prefix=order-of-b").await;
    assert_eq!(
        found["suggestions"],
        json!([{"kind": "order", "value": "order-of-b", "status": null}])
    );
    let found = ask(&surface, "/api/v1/suggest?prefix=stock&limit=1").await;
    assert_eq!(
        (
            found["suggestions"].as_array().unwrap().len(),
            &found["suggestions"][0]["kind"]
        ),
        (1, &json!("step"))
    );
    assert_eq!(
        surface.get("/api/v1/suggest").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn what_runs_and_what_is_configured_is_told() {
    let surface = Surface::over(&[]);
    assert_eq!(ask(&surface, "/internal/v1/jobs").await, json!({"jobs": []}));
    assert_eq!(
        ask(&surface, "/internal/v1/config").await,
        json!({"sections": [{"name": "kafka", "options": [{
            "name": "kafka.topic", "value": "\"topic\"", "source": "environment", "sourceName": "KAFKA_TOPIC",
            "changed": true,
        }]}]})
    );
}

#[tokio::test]
async fn a_flow_is_drawn_for_other_tools() {
    let surface = Surface::over(&events());
    let dot = surface
        .get("/api/v1/flow?sagaType=ORDER_CREATION&format=dot")
        .await;
    assert_eq!(
        (dot.status, dot.header("content-type")),
        (StatusCode::OK, "text/vnd.graphviz; charset=utf-8")
    );
    assert!(dot.text().starts_with("digraph flow {"), "{}", dot.text());
    let mermaid = surface
        .get("/api/v1/flow?sagaType=ORDER_CREATION&format=mermaid")
        .await;
    assert!(mermaid.text().starts_with("flowchart LR"), "{}", mermaid.text());
}

#[tokio::test]
async fn a_redrive_is_refused_when_other_dead_letters_match_than_are_expected() {
    let surface = Surface::over(&[]);
    let post = |body: &str| {
        let request = Request::builder()
            .method("POST")
            .uri("/api/v1/dead-letters/redrive")
            .header("content-type", "application/json");
        surface.request(request.body(Body::from(body.to_owned())).unwrap())
    };
    let refused = post(r#"{"filter":{},"expected":3}"#).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    assert!(
        refused.text().contains("found 0 dead letters"),
        "{}",
        refused.text()
    );
    assert_eq!(
        ask(&surface, "/api/v1/dead-letters/redrives").await["redrives"],
        json!([])
    );
    let refused = post(r#"{"filter":{},"limit":0,"perSecond":0}"#).await;
    let parameters: Vec<Value> = refused.json()["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["parameter"].clone())
        .collect();
    assert_eq!(parameters, [json!("limit"), json!("perSecond")]);
    let taken = post(r#"{"filter":{},"expected":0,"limit":5,"perSecond":20}"#).await;
    assert_eq!(
        (taken.status, &taken.json()["perSecond"]),
        (StatusCode::ACCEPTED, &json!(20))
    );
    let long = json!({"filter": {"reason": "r".repeat(5_000)}});
    assert_eq!(post(&long.to_string()).await.status, StatusCode::ACCEPTED);
    let list = ask(&surface, "/api/v1/dead-letters/redrives").await;
    let chosen_by = |number: usize| &list["redrives"][number]["chosenBy"];
    assert_eq!(chosen_by(1), &json!({"filter": {}}));
    let size = chosen_by(0)["size"].as_u64().unwrap();
    assert!((5_000..5_100).contains(&size), "{size}");
    assert_eq!(chosen_by(0)["hash"].as_str().unwrap().len(), 64);
    let one = ask(&surface, "/api/v1/dead-letters/redrives/2").await;
    assert_eq!(one["chosenBy"], long);
    assert_eq!(
        (&one["outcomes"]["open"], &list["redrives"][0]["outcomes"]),
        (&json!(0), &Value::Null)
    );
}

#[tokio::test]
async fn a_limit_takes_the_oldest_open_ones_of_those_that_are_named_and_says_that_it_left_some_out() {
    let surface = Surface::over(&[]);
    // The oldest lies in another partition than the first one.
    let [redriven, newer, older, missing] =
        [(0, 1), (0, 2), (1, 5), (1, 9)].map(|(p, o)| Position::new(p, o));
    for (letter, after) in [(redriven, 0), (newer, 20), (older, 10)] {
        surface.add_letter(letter, after, b"value");
    }
    surface.add_return(redriven, b"value", Position::new(0, 7));
    let asked = async |body: Value| {
        let request = Request::builder()
            .method("POST")
            .uri("/api/v1/dead-letters/redrive")
            .header("content-type", "application/json");
        let reply = surface
            .request(request.body(Body::from(body.to_string())).unwrap())
            .await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
        let number = reply.json()["number"].as_u64().unwrap();
        let path = format!("/api/v1/dead-letters/redrives/{number}");
        let letters = ask(&surface, &format!("{path}/letters")).await;
        let letters = letters["content"].as_array().unwrap().iter();
        let ids: Vec<String> = letters
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, ask(&surface, &path).await)
    };
    let named = json!(["0-1", "0-2"]);
    let (ids, _) = asked(json!({"ids": named, "limit": 1, "expected": 1})).await;
    assert_eq!(ids, ["0-2"]);
    let all = [redriven, newer, older, missing].map(|at| format!("{}-{}", at.partition, at.offset));
    let (ids, one) = asked(json!({"ids": all, "limit": 1, "expected": 2})).await;
    assert_eq!(ids, ["1-5"]);
    assert_eq!(one["chosenBy"], json!({"ids": 4, "named": all, "limit": 1}));
    assert_eq!(one["namedOpen"], 2);
    let (ids, one) = asked(json!({"ids": all, "limit": 2})).await;
    assert_eq!(ids, ["0-2", "1-5"]);
    assert_eq!(
        one["chosenBy"],
        json!({"ids": 4, "named": all}),
        "it left none out"
    );
    let (ids, _) = asked(json!({"ids": all, "expected": 2})).await;
    assert_eq!(ids, all, "of each it is told what became of it");
}
