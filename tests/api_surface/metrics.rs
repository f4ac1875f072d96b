//! What a scrape shows.

use super::support::{Surface, event};
use saga_tracker::domain::SagaStatus::{Compensated, Completed, Failed, Started};
use saga_tracker::server::metrics::catalogue::{ALL, Kind};
use std::collections::BTreeMap;

/// Samples by name and labels, as they stand in the text.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            (
                sample.to_owned(),
                value.parse().unwrap_or_else(|_| panic!("{line}")),
            )
        })
        .collect()
}

#[tokio::test]
async fn what_is_scraped_is_what_is_stored() {
    let surface = Surface::over(&[
        event("a", 0, 0, "ORDER_CREATED", Started),
        event("a", 1, 1_000, "PAYMENT_FAILED", Failed),
        event("a", 2, 1_700, "COMPENSATION_ORDER", Compensated),
        event("b", 3, 0, "ORDER_CREATED", Started),
        event("b", 4, 9_000, "ORDER_CONFIRMED", Completed),
        event("c", 5, 60_000, "PAYMENT_FAILED", Failed),
        event("c", 6, 61_000, "ORDER_CONFIRMED", Completed),
    ]);
    let reply = surface.get("/actuator/prometheus").await;
    assert_eq!(
        reply.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let samples = samples(reply.text());
    for (sample, value) in [
        ("saga_active_total{status=\"STARTED\"}", 0.0),
        ("saga_active_total{status=\"IN_PROGRESS\"}", 0.0),
        ("saga_active_total{status=\"COMPLETED\"}", 2.0),
        ("saga_active_total{status=\"FAILED\"}", 0.0),
        ("saga_active_total{status=\"COMPENSATED\"}", 1.0),
        ("saga_failed_total", 2.0),
        ("saga_compensated_total", 1.0),
        ("saga_compensation_duration_seconds_count", 1.0),
        ("saga_compensation_duration_seconds_sum", 0.7),
        ("saga_compensation_duration_seconds_bucket{le=\"0.5\"}", 0.0),
        ("saga_compensation_duration_seconds_bucket{le=\"1.0\"}", 1.0),
        ("saga_last_failed_timestamp", 1_769_851_860.0),
        (
            "saga_tracker_sagas_entered_total{saga_type=\"ORDER_CREATION\",status=\"FAILED\"}",
            2.0,
        ),
        (
            "saga_tracker_sagas_entered_total{saga_type=\"ORDER_CREATION\",status=\"IN_PROGRESS\"}",
            0.0,
        ),
        (
            "saga_tracker_saga_duration_seconds_sum{saga_type=\"ORDER_CREATION\",outcome=\"FAILED\"}",
            1.0,
        ),
        (
            "saga_tracker_saga_duration_seconds_count{saga_type=\"ORDER_CREATION\",outcome=\"FAILED\"}",
            2.0,
        ),
        (
            "saga_events_processed_total{step=\"ORDER_CREATED\",status=\"STARTED\"}",
            2.0,
        ),
        (
            "saga_events_processed_total{step=\"PAYMENT_FAILED\",status=\"FAILED\"}",
            2.0,
        ),
        (
            "saga_tracker_anomalies_total{kind=\"COMPLETED_AFTER_FAILED\"}",
            1.0,
        ),
        ("saga_tracker_offset_gaps_total{kind=\"expired\"}", 0.0),
        ("saga_tracker_offset_gaps_total{kind=\"undelivered\"}", 0.0),
        ("saga_tracker_offsets_lost_total", 0.0),
        ("saga_tracker_consumer_lag", 0.0),
        ("saga_tracker_store_readable", 1.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample} in\n{}", reply.text());
    }
}

#[tokio::test]
async fn broken_rules_and_what_is_late_are_scraped_by_type() {
    let surface = Surface::over(&[
        event("owing", 0, 0, "PAYMENT_COMPLETED", Completed),
        event("owing", 1, 1_000, "COMPENSATION_SHIPPING", Failed),
        event("owing", 2, 2_000, "COMPENSATION_SHIPPING", Failed),
        event("slow", 3, 0, "ORDER_CREATED", Started),
        event("fine", 4, 0, "ORDER_CONFIRMED", Completed),
        event("out", 5, 0, "STOCK_RESERVATION_FAILED", Failed),
    ]);
    let reply = surface.get("/actuator/prometheus").await;
    let samples = samples(reply.text());
    let of = |rule: &str| {
        let labels = format!("saga_type=\"ORDER_CREATION\",rule=\"{rule}\"");
        samples
            .get(&format!("saga_tracker_conformance_violations{{{labels}}}"))
            .copied()
    };
    assert_eq!(of("NEVER_COMPENSATED"), Some(1.0), "{}", reply.text());
    assert_eq!(of("COMPENSATION_FAILED"), Some(1.0));
    assert_eq!(of("MISSING_STEP"), Some(0.0));
    for (family, value) in [
        ("compensations_failed_total", 2.0),
        ("uncompensated_overdue", 1.0),
        ("past_deadline", 1.0),
        ("nothing_to_compensate", 1.0),
    ] {
        let sample = format!("saga_tracker_{family}{{saga_type=\"ORDER_CREATION\"}}");
        assert_eq!(samples.get(&sample), Some(&value), "{sample}");
    }
    assert!(
        !reply.text().contains("saga_type=\"PAYMENT_COMPLETION\""),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn requests_count_by_the_routes_template_under_both_names() {
    let surface = Surface::over(&[event("a", 0, 0, "ORDER_CREATED", Started)]);
    surface.get("/api/v1/sagas/a").await;
    surface.get("/sagas/a").await;
    surface.get("/sagas/none").await;
    surface.get("/sagas/a/b/c").await;
    surface.send("BREW", "/sagas").await;
    let text = surface.get("/metrics").await;
    let samples = samples(text.text());
    for family in ["saga_tracker_api_latency_seconds", "http_server_requests_seconds"] {
        for (labels, count) in [
            (
                "endpoint=\"/api/v1/sagas/{sagaId}\",method=\"GET\",status=\"200\"",
                2.0,
            ),
            (
                "endpoint=\"/api/v1/sagas/{sagaId}\",method=\"GET\",status=\"404\"",
                1.0,
            ),
            ("endpoint=\"unmatched\",method=\"GET\",status=\"404\"", 1.0),
            ("endpoint=\"/api/v1/sagas\",method=\"OTHER\",status=\"405\"", 1.0),
        ] {
            let sample = format!("{family}_count{{{labels}}}");
            assert_eq!(samples.get(&sample), Some(&count), "{sample} in\n{}", text.text());
        }
    }
    assert_eq!(
        samples.get("saga_tracker_db_query_seconds_count{query=\"saga\"}"),
        Some(&3.0)
    );
}

#[tokio::test]
async fn only_declared_families_show_and_all_of_them_do() {
    let surface = Surface::over(&[]);
    surface.ingest.update(|status| status.free_bytes = Some(1 << 30));
    surface.get("/sagas/a").await;
    surface.get("/metrics").await;
    let text = surface.get("/metrics").await.text().to_owned();
    let mut shown = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert_eq!(shown.insert(name, kind), None, "{name} twice");
    }
    let declared: BTreeMap<_, _> = ALL
        .iter()
        .map(|family| {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            (family.name, kind)
        })
        .collect();
    assert_eq!(shown, declared);
}
