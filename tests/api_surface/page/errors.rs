//! Errors are drawn for people too, and cost little.

use super::*;

#[tokio::test]
async fn errors_are_drawn_with_what_the_api_said_and_how_to_find_it_in_the_log() {
    let shown = Shown::over(&sagas());
    let reply = shown
        .ask("/ui/search?size=0&status=DONE", &[("x-request-id", "req-4711")])
        .await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    for part in [
        "BAD_REQUEST",
        "<code>status</code>",
        "DONE",
        "req-4711",
        "api&#x2f;v1&#x2f;sagas?",
    ] {
        assert!(reply.text().contains(part), "{part} in {}", reply.text());
    }
    let nowhere = shown.get("/ui/nowhere?lang=ko").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert!(nowhere.text().contains("<html lang=\"ko\""));
    let missing = shown.get("/ui/saga?id=ORD-404").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(
        missing
            .text()
            .contains("no event of saga &quot;ORD-404&quot; has been seen"),
        "{}",
        missing.text()
    );
    // Programs get what programs read.
    assert_eq!(shown.get("/api/v1/nothing").await.json()["error"], "NOT_FOUND");
}

#[tokio::test]
async fn what_is_refused_is_drawn_without_a_frame_and_errors_ask_nothing() {
    let shown = Shown::over(&sagas());
    let refused = shown
        .get(&format!("/ui/search?orderId={}", "x".repeat(20_000)))
        .await;
    assert_eq!(refused.status, StatusCode::URI_TOO_LONG);
    assert_eq!(refused.header("content-type"), "text/html; charset=utf-8");
    assert!(!refused.text().contains("<nav") && refused.body.len() < 4_000);
    let asked = async || {
        let scrape = shown.get("/metrics").await;
        let lines = scrape.text().lines().map(str::to_owned);
        let lines = lines.filter(|line| line.starts_with("saga_tracker_db_query_seconds_count"));
        // A scrape asks for the totals itself.
        let lines = lines.filter(|line| !line.contains("query=\"totals\""));
        lines.collect::<Vec<_>>()
    };
    let before = asked().await;
    for _ in 0..20 {
        assert_eq!(shown.get("/ui/nowhere").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(asked().await, before);
}
