//! What keeps browsers from being turned against the tracker.

use super::support::Surface;
use axum::body::Body;
use axum::http::{Request, StatusCode};

async fn post(surface: &Surface, headers: &[(&str, &str)], body: &'static str) -> StatusCode {
    let mut request = Request::post("/internal/v1/rebuild").header("host", "tracker:8086");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    surface
        .request(request.body(Body::from(body)).unwrap())
        .await
        .status
}

#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let surface = Surface::over(&[]);
    for (headers, status) in [
        (&[("origin", "https://evil.example")][..], StatusCode::FORBIDDEN),
        (&[("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
    ] {
        assert_eq!(post(&surface, headers, "a=b").await, status, "{headers:?}");
    }
    assert_eq!(surface.get("/internal/v1/rebuild").await.json()["phase"], "idle");
    assert_eq!(
        post(&surface, &[], "").await,
        StatusCode::ACCEPTED,
        "a client that is no browser"
    );
}

/// What `curl -d ''` sends.
#[tokio::test]
async fn a_script_that_sends_an_empty_form_is_served_and_a_page_that_does_is_not() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let surface = Surface::over(&[]);
    let from_a_page = [form, ("origin", "https://evil.example")];
    assert_eq!(post(&surface, &from_a_page, "").await, StatusCode::FORBIDDEN);
    assert_eq!(post(&surface, &[form], "").await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn probes_are_answered_by_whatever_name_and_scrapes_by_address() {
    let settings = saga_tracker::server::api::ServerSettings {
        allowed_hosts: Some("tracker.example".to_owned()),
        ..Default::default()
    };
    let surface = Surface::with(settings, &[]);
    for (path, host, refused) in [
        ("/actuator/health/liveness", "elsewhere.example", false),
        ("/metrics", "10.1.2.3:8086", false),
        ("/metrics", "elsewhere.example", true),
    ] {
        let request = Request::get(path)
            .header("host", host)
            .body(Body::empty())
            .unwrap();
        let status = surface.request(request).await.status;
        assert_eq!(
            status == StatusCode::FORBIDDEN,
            refused,
            "{path} {host}: {status}"
        );
    }
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let surface = Surface::over(&[]);
    for path in [
        "/sagas",
        "/sagas/none",
        "/nowhere",
        "/actuator/health/liveness",
        "/metrics",
        "/api-docs",
        "/swagger-ui",
        "/swagger-ui/",
        "/swagger-ui/swagger-ui-bundle.js",
        "/swagger-ui/none",
        "/sagas?size=none",
    ] {
        let reply = surface.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), value, "{path}: {name}");
        }
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let runs_scripts = policy.contains("script-src 'self';");
        assert_eq!(runs_scripts, path.starts_with("/swagger-ui"), "{path}: {policy}");
    }
}

/// The policy allows no scripts inside a page: ours has none.
#[tokio::test]
async fn the_page_has_no_scripts_that_its_policy_forbids() {
    let surface = Surface::over(&[]);
    let page = surface.get("/swagger-ui/").await;
    let text = page.text();
    assert!(text.contains("<script"));
    for script in text.split("<script").skip(1) {
        let (head, rest) = script.split_once('>').unwrap();
        assert!(head.contains("src=\"./"), "{head}");
        assert!(rest.split("</script>").next().unwrap().trim().is_empty());
    }
}
