//! What is large, long or deep makes a page of a bounded size all the same.

use super::*;

/// A saga whose events have this metadata.
fn with_metadata(saga: &str, first: u64, count: u64, metadata: &str) -> Vec<Event> {
    let of = |at: u64| {
        let (offset, after) = (first + at, i64::try_from(at).unwrap());
        let mut event = event(saga, offset, after, "STOCK_RESERVED", SagaStatus::InProgress);
        event.metadata = Some(metadata.into());
        event.metadata_form = MetadataForm::Object;
        event
    };
    (0..count).map(of).collect()
}

#[tokio::test]
async fn a_saga_with_large_metadata_is_shown_in_part_and_the_rest_is_a_call_away() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let mut events = with_metadata("LARGE", 0, 30, &large);
    events.extend(with_metadata("OTHER", 30, 30, &large));
    let shown = Shown::over(&events);
    let page = shown.get("/ui/saga?id=LARGE").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.body.len() < 1 << 20, "{}", page.body.len());
    let text = page.text().replace("&#x2f;", "/");
    let calls: Vec<&str> = text
        .split('"')
        .filter(|part| part.starts_with("/api/v1/sagas/LARGE/steps?") && part.contains("size=1"))
        .collect();
    assert!(calls.len() > 1, "{calls:?}");
    let call = calls[1].replace("&amp;", "&");
    let whole = shown.get(&call).await.json();
    assert_eq!(whole["steps"][0]["id"], 2, "{call}");
    assert_eq!(
        whole["steps"][0]["metadata"]["a"].as_str().unwrap().len(),
        1 << 20
    );
    let compared = shown.get("/ui/compare?a=LARGE&b=OTHER").await;
    assert_eq!(compared.status, StatusCode::OK, "{}", compared.text());
    assert!(compared.body.len() < 1 << 20);
}

#[tokio::test]
async fn metadata_that_is_long_where_it_is_made_visible_is_shown_in_part() {
    let unseen = format!("{{\"a\":\"{}\"}}", "\u{7f}".repeat(10_000));
    let shown = Shown::over(&with_metadata("UNSEEN", 0, 100, &unseen));
    let page = shown.get("/ui/saga?id=UNSEEN").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.body.len() < 1 << 20, "{}", page.body.len());
}

#[tokio::test]
async fn metadata_that_is_nested_deep_is_shown_as_text() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126));
    let shown = Shown::over(&with_metadata("DEEP", 0, 2, &deep));
    let page = shown.get("/ui/saga?id=DEEP").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains(&"[".repeat(126)));
}

#[tokio::test]
async fn an_address_of_any_length_makes_a_page_of_bounded_size() {
    let shown = Shown::over(&sagas());
    let columns = shown
        .get(&format!("/ui/search?columns={}", "saga,".repeat(390)))
        .await;
    assert_eq!(columns.status, StatusCode::OK);
    let longer = shown
        .get(&format!("/ui/search?columns={}", "saga,".repeat(800)))
        .await;
    assert_eq!(longer.status, StatusCode::BAD_REQUEST);
    assert!(
        longer.text().contains("<code>columns</code>"),
        "{}",
        longer.text()
    );
    let usual = shown.get("/ui/search").await.body.len();
    assert!(
        columns.body.len() < 4 * usual,
        "{} of {usual}",
        columns.body.len()
    );
    for step in ["step", "stuk", "compensation"] {
        let refused = shown.get(&format!("/ui/search?preset=violations&{step}=A")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text().contains(&format!("<code>{step}</code>")), "{step}");
    }
    let many: String = (0..101).map(|at| format!("&step=S{at}")).collect();
    let refused = shown.get(&format!("/ui/search?preset=violations{many}")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("102 parameters"));
}

#[tokio::test]
async fn a_large_rehearsal_is_shown_by_few_calls_and_one_page_of_its_letters() {
    let reads = RedriveReads::default();
    let surface = Surface::on(Arc::new(Layered::over(stored(&[]), reads.clone())));
    let shown = Shown::of(PageSettings::default(), surface);
    let ids: Vec<String> = (0..10_001).map(|offset| format!("0-{offset}")).collect();
    let number = shown.redrive(&json!({"ids": ids, "dryRun": true})).await;
    reads.0.store(0, Ordering::SeqCst);
    let page = shown.get(&format!("/ui/dead-letters/redrives/{number}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_eq!(page.text().matches("<tr data-row>").count(), 100);
    // The rehearsal is asked for, a page of its letters, and which redrives run: each looks it up, how far it is, and
    // whether it ended.
    let reads = reads.0.load(Ordering::SeqCst);
    assert!(reads <= 12, "{reads}");
}

/// Its value takes six bytes each in JSON, which the page does not hold.
#[tokio::test]
async fn a_rehearsal_of_a_letter_that_is_too_large_for_the_page_is_shown() {
    let shown = Shown::over(&[]);
    let large = vec![1; 2 << 20];
    shown.surface.add_letter(Position::new(0, 3), 0, &large);
    let _working = shown.surface.work_off();
    let instant = "2026-01-31T09:30:00Z".parse().unwrap();
    let event = SagaEvent {
        event_id: "e-1".to_owned(),
        event_timestamp: instant,
        saga_id: "s".to_owned(),
        saga_type: SagaType::OrderCreation,
        step: "ORDER_CREATED".to_owned(),
        status: SagaStatus::Started,
        order_id: "o".to_owned(),
        metadata: None,
        recorded_at: instant,
    };
    let value = Encoder::published().unwrap().encode(&event, 1).unwrap();
    let change = json!({"valueBase64": STANDARD.encode(value)});
    let order = json!({"ids": ["0-3"], "change": change, "dryRun": true});
    let number = shown.redrive(&order).await;
    let path = format!("/api/v1/dead-letters/redrives/{number}");
    let deadline = Instant::now() + Duration::from_secs(20);
    let outcomes = loop {
        let redrive = shown.get(&path).await.json();
        if redrive["running"] == false {
            break redrive["outcomes"].clone();
        }
        assert!(Instant::now() < deadline, "{redrive}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(outcomes["forecasts"], json!([{"outcome": "APPLIED", "count": 1}]));
    assert_eq!(
        outcomes["turns"],
        json!([{"before": null, "after": "STARTED", "count": 1}])
    );
    let page = shown.get(&format!("/ui/dead-letters/redrives/{number}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    // It is open, and can be published; there is no sample of its saga.
    assert!(page.text().contains("id=\"act-publish\"") && !page.text().contains("class=\"ghost\""));
}
