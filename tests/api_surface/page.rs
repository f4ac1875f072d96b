//! The page over the same surface: its routes, its headers, its files, its languages, and that it is no second API.

mod bounds;
mod errors;

use crate::gated::RedriveReads;
use crate::support::{Reply, Surface, TOPIC, event, stored};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saga_tracker::domain::{Event, MetadataForm, Position, SagaStatus};
use saga_tracker::server::api::{InProcess, ServerSettings};
use saga_tracker::server::page::{Deployment, Page, PageSettings, with_page};
use saga_tracker::store::layer::Layered;
use saga_tracker_sdk::contract::{SagaEvent, SagaType};
use saga_tracker_sdk::encoding::Encoder;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tower::ServiceExt;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// An id that tries everything.
const HOSTILE: &str = "ORD-<script>alert(1)</script>\"'&\u{202e}gnp\u{7}/%2F ..";

/// A page over a surface.
struct Shown {
    surface: Surface,
    router: Router,
}

impl Shown {
    fn over(events: &[Event]) -> Self {
        Self::with(PageSettings::default(), events)
    }

    fn with(settings: PageSettings, events: &[Event]) -> Self {
        Self::of(settings, Surface::over(events))
    }

    fn of(settings: PageSettings, surface: Surface) -> Self {
        let deployment = Deployment {
            brokers: "kafka-0:9092".to_owned(),
            topic: TOPIC.to_owned(),
            ops_topic: "ops".to_owned(),
            group: "trackers".to_owned(),
            ..Deployment::default()
        };
        let page = Page::new(settings, deployment, InProcess::new(&surface.context)).unwrap();
        let router = with_page(&surface.context, &page);
        Self { surface, router }
    }

    async fn get(&self, target: &str) -> Reply {
        self.ask(target, &[]).await
    }

    /// Asks for a redrive; its number.
    async fn redrive(&self, order: &Value) -> u64 {
        let request =
            Request::post("/api/v1/dead-letters/redrive").header("content-type", "application/json");
        let request = request.body(Body::from(order.to_string())).unwrap();
        let reply = self.surface.request(request).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
        reply.json()["number"].as_u64().unwrap()
    }

    async fn ask(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        }
    }
}

fn sagas() -> Vec<Event> {
    vec![
        event("ORD-1", 0, 0, "ORDER_CREATED", SagaStatus::Started),
        event("ORD-1", 1, 303, "ORDER_CONFIRMED", SagaStatus::Completed),
        event("ORD-2", 2, 1_000, "ORDER_CREATED", SagaStatus::Started),
        event("ORD-2", 3, 2_000, "PAYMENT_FAILED", SagaStatus::Failed),
        event(HOSTILE, 4, 3_000, "ORDER_<b>CREATED", SagaStatus::Started),
    ]
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The addresses of files that a page names.
fn assets(html: &str) -> Vec<String> {
    let html = html.replace("&#x2f;", "/");
    let parts = html.split(['"']).filter(|part| part.contains("/ui/assets/"));
    parts.map(str::to_owned).collect()
}

const VIEWS: [&str; 19] = [
    "/",
    "/?range=1h&type=ORDER_CREATION",
    "/ui/search",
    "/ui/search?status=FAILED",
    "/ui/search?stuck=true&compensation=OWED",
    "/ui/search?preset=violations",
    "/ui/saga?id=ORD-2",
    "/ui/compare?a=ORD-1&b=ORD-2&align=failure",
    "/ui/compare?a=ORD-1&b=typical",
    "/ui/dead-letters",
    "/ui/dead-letters/redrives",
    "/ui/flow",
    "/ui/flow/ORDER_CREATION",
    "/ui/ops/ledger",
    "/ui/ops/jobs",
    "/ui/ops/snapshots",
    "/ui/ops/archive",
    "/ui/ops/audit?verify=1",
    "/ui/ops/health",
];

#[tokio::test]
async fn every_view_is_a_page_in_every_language() {
    let shown = Shown::over(&sagas());
    for view in VIEWS {
        for language in ["en", "ko"] {
            let separator = if view.contains('?') { '&' } else { '?' };
            let reply = shown.get(&format!("{view}{separator}lang={language}")).await;
            assert_eq!(reply.status, StatusCode::OK, "{view}: {}", reply.text());
            assert_eq!(reply.header("content-type"), "text/html; charset=utf-8", "{view}");
            assert!(
                reply.text().contains(&format!("<html lang=\"{language}\"")),
                "{view}"
            );
        }
    }
}

#[tokio::test]
async fn pages_run_their_own_files_and_nothing_else_and_the_api_says_what_it_said() {
    let shown = Shown::over(&sagas());
    for view in ["/", "/ui/search", "/ui/nowhere", "/ui/search?size=0"] {
        let reply = shown.get(view).await;
        assert_eq!(reply.header("content-security-policy"), POLICY, "{view}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("x-frame-options"), "DENY");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let of_api = shown.get("/api/v1/sagas").await;
    assert!(!of_api.header("content-security-policy").contains("script-src"));
    assert_eq!(of_api.body, shown.surface.get("/api/v1/sagas").await.body);
}

#[tokio::test]
async fn every_file_that_a_page_names_is_there_and_never_changes() {
    let shown = Shown::over(&sagas());
    let page = shown.get("/ui/saga?id=ORD-1").await;
    let named = assets(page.text());
    assert!(named.len() > 12, "{named:?}");
    for address in &named {
        let reply = shown.get(address).await;
        assert_eq!(reply.status, StatusCode::OK, "{address}");
        assert_eq!(
            reply.header("cache-control"),
            "public, max-age=31536000, immutable",
            "{address}"
        );
        assert!(!reply.header("content-type").contains("html"), "{address}");
    }
    let stale = named[0].replacen("/ui/assets/", "/ui/assets/0", 1);
    let reply = shown.get(&stale).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.header("cache-control"), "no-store");
    let icon = named
        .iter()
        .find(|address| address.ends_with("/icon.svg"))
        .unwrap();
    let outside = shown.get(&icon.replace("icon.svg", "%2e%2e/mod.rs")).await;
    assert_eq!(outside.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn modules_import_only_files_that_are_there() {
    let shown = Shown::over(&[]);
    let page = shown.get("/").await;
    let main = assets(page.text())
        .into_iter()
        .find(|address| address.ends_with("/main.js"))
        .unwrap();
    let base = main.trim_end_matches("main.js").to_owned();
    for module in [
        "main.js",
        "saga.js",
        "search.js",
        "letters.js",
        "timeline/plot.js",
        "timeline/moment.js",
    ] {
        let source = shown.get(&format!("{base}{module}")).await;
        let directory = module.rsplit_once('/').map_or("", |(directory, _)| directory);
        for import in source.text().split(" from \"").skip(1) {
            let path = import.split('"').next().unwrap();
            let path = match path.strip_prefix("../") {
                Some(path) => path.to_owned(),
                None if directory.is_empty() => path.trim_start_matches("./").to_owned(),
                None => format!("{directory}/{}", path.trim_start_matches("./")),
            };
            let reply = shown.get(&format!("{base}{path}")).await;
            assert_eq!(reply.status, StatusCode::OK, "{module} imports {path}");
        }
    }
}

#[tokio::test]
async fn hostile_ids_stay_text_and_lead_where_they_say() {
    let shown = Shown::over(&sagas());
    let saga = shown.get(&format!("/ui/saga?id={}", encoded(HOSTILE))).await;
    assert_eq!(saga.status, StatusCode::OK, "{}", saga.text());
    assert!(saga.text().contains("⟨U+202E⟩"), "it is seen");
    for page in [saga, shown.get("/ui/search").await, shown.get("/").await] {
        assert!(!page.text().contains("<script>alert") && !page.text().contains("ORDER_<b>"));
    }
    // What the page shows as a call asks for that very saga.
    let page = shown.get(&format!("/ui/saga?id={}", encoded(HOSTILE))).await;
    let call = page
        .text()
        .split("data-curl=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let call = call.replace("&#x2f;", "/");
    assert_eq!(shown.get(&call).await.json()["sagaId"], HOSTILE);
}

#[tokio::test]
async fn what_is_typed_leads_to_what_it_is() {
    let shown = Shown::over(&sagas());
    for (typed, place) in [
        ("ORD-1", "/ui/saga?id=ORD-1"),
        ("order-of-ORD-2", "/ui/search?orderId=order-of-ORD-2"),
        ("nothing", "/ui/search?orderId=nothing"),
        ("", "/ui/search"),
    ] {
        let reply = shown.get(&format!("/ui/find?q={typed}")).await;
        assert_eq!(
            (reply.status, reply.header("location")),
            (StatusCode::SEE_OTHER, place),
            "{typed}"
        );
    }
}

#[tokio::test]
async fn settings_are_kept_in_one_cookie_and_lead_back() {
    let shown = Shown::over(&sagas());
    let back = encoded("/ui/search?status=FAILED");
    let reply = shown
        .get(&format!(
            "/ui/settings?lang=ko&zone=Asia%2FSeoul&theme=dark&keys=off&back={back}"
        ))
        .await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (StatusCode::SEE_OTHER, "/ui/search?status=FAILED")
    );
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = shown
        .ask("/ui/search", &[("cookie", &cookie), ("accept-language", "en")])
        .await;
    for part in [
        "lang=\"ko\"",
        "data-theme=\"dark\"",
        "data-zone=\"Asia/Seoul\"",
        "data-keys=\"off\"",
        "+09:00",
    ] {
        assert!(page.text().replace("&#x2f;", "/").contains(part), "{part}");
    }
    let elsewhere = shown.get("/ui/settings?back=https:%2F%2Fevil.example").await;
    assert_eq!(elsewhere.header("location"), "/");
}

#[tokio::test]
async fn under_a_path_the_page_is_found_whether_or_not_the_path_was_taken_off() {
    let settings = PageSettings {
        base_path: Some("/tracker/".to_owned()),
        ..PageSettings::default()
    };
    let shown = Shown::with(settings, &sagas());
    for address in ["/tracker/ui/saga?id=ORD-1", "/ui/saga?id=ORD-1"] {
        let page = shown.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        let text = page.text().replace("&#x2f;", "/");
        assert!(text.contains("href=\"/tracker/ui/search\""));
        assert!(!text.contains("href=\"/ui/"), "{address}");
        for asset in assets(&text) {
            assert_eq!(shown.get(&asset).await.status, StatusCode::OK, "{asset}");
        }
    }
    assert_eq!(shown.get("/tracker").await.status, StatusCode::OK);
    assert_eq!(
        shown.get("/tracker/api/v1/sagas").await.json()["page"]["totalElements"],
        3
    );
    let led = shown.get("/tracker/ui/find?q=ORD-1").await;
    assert_eq!(led.header("location"), "/tracker/ui/saga?id=ORD-1");
}

#[tokio::test]
async fn a_store_without_sagas_says_how_to_point_a_producer_here() {
    let shown = Shown::over(&[]);
    let page = shown.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("kafka-0:9092") && page.text().contains("<code>topic</code>"));
}

#[tokio::test]
async fn a_page_is_one_request_in_metrics_whatever_it_asks() {
    let shown = Shown::over(&sagas());
    for _ in 0..3 {
        assert_eq!(shown.get("/ui/search").await.status, StatusCode::OK);
    }
    let scrape = shown.get("/metrics").await;
    let of = |endpoint: &str| {
        let label = format!("endpoint=\"{endpoint}\"");
        let lines = scrape.text().lines().filter(|line| {
            line.contains(&label) && line.starts_with("saga_tracker_api_latency_seconds_count{")
        });
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum::<f64>()
    };
    assert_eq!(
        (of("/ui/search"), of("/api/v1/sagas")),
        (3.0, 0.0),
        "{}",
        scrape.text()
    );
}

#[tokio::test]
async fn a_configured_link_is_shown_where_all_of_it_is_known() {
    let mut traced = event("ORD-7", 0, 0, "ORDER_CREATED", SagaStatus::Started);
    traced.trace_id = Some("b2ab9d6a".into());
    let settings = PageSettings {
        links: [
            (
                "Jaeger".to_owned(),
                "https://jaeger.example/trace/{traceId}".to_owned(),
            ),
            ("Bad".to_owned(), "javascript:alert('{sagaId}')".to_owned()),
        ]
        .into(),
        ..PageSettings::default()
    };
    let shown = Shown::with(
        settings,
        &[traced, event("ORD-8", 1, 5, "ORDER_CREATED", SagaStatus::Started)],
    );
    let with = shown.get("/ui/saga?id=ORD-7").await.text().replace("&#x2f;", "/");
    assert_eq!(
        with.matches("href=\"https://jaeger.example/trace/b2ab9d6a\"")
            .count(),
        2
    );
    let without = shown.get("/ui/saga?id=ORD-8").await;
    assert!(!without.text().contains("jaeger") && !without.text().contains("javascript:"));
}

#[tokio::test]
async fn no_view_waits_for_the_searches_of_others() {
    let settings = ServerSettings {
        max_concurrent_scans: 1,
        ..ServerSettings::default()
    };
    let shown = Shown::of(PageSettings::default(), Surface::with(settings, &sagas()));
    let closed = shown.surface.gate.close();
    let search = Request::get("/api/v1/purged/none").body(Body::empty()).unwrap();
    let search = tokio::spawn(shown.router.clone().oneshot(search));
    while shown.surface.gate.came() == 0 {
        tokio::task::yield_now().await;
    }
    for view in ["/ui/ops/health", "/ui/ops/config"] {
        let page = tokio::time::timeout(Duration::from_secs(10), shown.get(view)).await;
        assert_eq!(page.unwrap().status, StatusCode::OK, "{view}");
    }
    drop(closed);
    search.await.unwrap().unwrap();
    let told = async {
        while !shown
            .get("/ui/search?orderId=none")
            .await
            .text()
            .contains("ORDER_CREATION")
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
}

#[tokio::test]
async fn parts_of_another_sites_page_ask_for_no_view_and_a_link_there_changes_no_settings() {
    let shown = Shown::over(&sagas());
    let from = |mode: &'static str| [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)];
    let image = shown.ask("/ui/ops/audit?verify=1", &from("no-cors")).await;
    assert_eq!(image.status, StatusCode::FORBIDDEN, "{}", image.text());
    assert!(image.text().contains("Sec-Fetch-Site"), "{}", image.text());
    let link = shown.ask("/ui/saga?id=ORD-1", &from("navigate")).await;
    assert_eq!(link.status, StatusCode::OK);
    let settings = shown.ask("/ui/settings?lang=ko", &from("navigate")).await;
    assert_eq!(
        (settings.status, settings.header("set-cookie")),
        (StatusCode::SEE_OTHER, "")
    );
}

#[tokio::test]
async fn every_filter_of_the_api_is_one_of_the_page_and_none_is_dropped() {
    let shown = Shown::over(&sagas());
    let page = shown
        .get("/ui/search?stuck=PAST_DEADLINE&compensation=OWED")
        .await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let text = page.text().replace("&#x2f;", "/").replace("&amp;", "&");
    for call in [
        "/api/v1/sagas?",
        "/api/v1/export/sagas?",
        "/api/v1/export/events?",
    ] {
        let found = text.split(call).nth(1).unwrap_or_default();
        let found = found.split(['"', '\'', '<']).next().unwrap();
        assert!(
            found.contains("stuck=PAST_DEADLINE") && found.contains("compensation=OWED"),
            "{call}{found}"
        );
    }
    assert!(
        text.contains("--stuck PAST_DEADLINE --compensation OWED") || text.contains("--stuck=PAST_DEADLINE")
    );
    assert_eq!(
        shown.get("/ui/search?stuk=true").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn what_a_hold_cannot_say_is_not_held() {
    let shown = Shown::over(&sagas());
    let submits = |page: &Reply| page.text().contains("data-body=\"query.sagaType\"");
    assert!(submits(&shown.get("/ui/search?status=FAILED").await));
    for list in [
        "stuck=true",
        "stuck=COMPENSATION_OVERDUE",
        "compensation=OWED",
        "preset=violations",
    ] {
        let page = shown.get(&format!("/ui/search?{list}")).await;
        assert_eq!(page.status, StatusCode::OK, "{list}");
        assert!(!submits(&page), "{list}");
    }
    let violations = shown.get("/ui/search?preset=violations").await;
    assert!(
        !violations
            .text()
            .replace("&#x2f;", "/")
            .contains("/api/v1/export/")
    );
}

#[tokio::test]
async fn words_of_other_calls_are_no_dead_letters() {
    let shown = Shown::over(&sagas());
    for word in ["groups", "count", "nothing"] {
        let page = shown.get(&format!("/ui/dead-letters/{word}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{word}");
    }
}
