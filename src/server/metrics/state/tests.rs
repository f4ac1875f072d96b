use super::super::classic;
use super::super::sample::Readings;
use super::*;
use crate::domain::{Cut, SagaStatus};
use crate::pipeline::ingest::space::Shortage;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use std::time::Duration;

fn totals() -> Totals {
    Totals {
        active: SagaStatus::ALL.into_iter().zip([5, 4, 3, 2, 1]).collect(),
        failed: 7,
        compensated: 6,
        last_failed_at: Some(Millis(1_763_668_123_456)),
        compensation_buckets: (0..15).collect(),
        compensation_millis: 12_345,
        processed: BTreeMap::from([
            ((SagaStatus::Started, "ORDER_CREATED".to_owned()), 10),
            ((SagaStatus::Failed, "a \"quoted\\\" step\n".to_owned()), 2),
            ((SagaStatus::Started, "RARE".to_owned()), 1),
        ]),
        duplicates: 9,
        conflicts: 1,
        purged_sagas: 4,
        purged_events: 40,
        late: 3,
        anomalies: BTreeMap::from([("FAILED_AFTER_COMPLETED", 3)]),
        cursor: Cut::default(),
        processed_elsewhere: BTreeMap::new(),
    }
}

fn text_of(readings: Vec<Reading>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Readings(readings)));
    let mut text = String::new();
    text::encode_registry(&mut text, &registry).unwrap();
    classic::from_openmetrics(&text)
}

fn exposed(totals: &Totals, floor: &mut Floor) -> String {
    let mut readings = Vec::new();
    from_totals(totals, floor, &mut StepLabels::new(2), &mut readings);
    text_of(readings)
}

fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(&format!("{sample} ")));
    line.unwrap_or_else(|| panic!("{sample} in\n{text}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn the_contract_of_names_holds() {
    insta::assert_snapshot!(exposed(&totals(), &mut Floor::default()));
}

#[test]
fn counters_do_not_fall_when_state_is_revised() {
    let mut floor = Floor::default();
    exposed(&totals(), &mut floor);
    let mut revised = totals();
    revised.failed = 5;
    revised.compensation_buckets = vec![0; 15];
    revised.compensation_millis = 0;
    revised.active.insert(SagaStatus::Failed, 0);
    let text = exposed(&revised, &mut floor);
    assert_eq!(value(&text, "saga_failed_total"), 7.0);
    assert_eq!(value(&text, "saga_compensation_duration_seconds_count"), 105.0);
    assert_eq!(
        value(&text, "saga_compensation_duration_seconds_bucket{le=\"+Inf\"}"),
        105.0
    );
    assert_eq!(value(&text, "saga_compensation_duration_seconds_sum"), 12.345);
    assert_eq!(value(&text, "saga_active_total{status=\"FAILED\"}"), 0.0);
}

#[test]
fn buckets_are_cumulative_and_end_at_the_count() {
    let text = exposed(&totals(), &mut Floor::default());
    let prefix = "saga_compensation_duration_seconds_bucket";
    let counts: Vec<u64> = text
        .lines()
        .filter(|line| line.starts_with(prefix))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(counts.len(), 15);
    assert!(counts.is_sorted());
    assert_eq!(
        counts[14] as f64,
        value(&text, "saga_compensation_duration_seconds_count")
    );
}

#[test]
fn lag_is_summed_and_by_partition_beside_the_offsets_that_make_it() {
    let ingest = IngestSnapshot {
        next: Cut::from_iter([(0, 10), (1, 20)]),
        end: Cut::from_iter([(0, 15), (1, 20), (2, 7)]),
        ..IngestSnapshot::default()
    };
    let mut readings = Vec::new();
    read_ingest(&ingest, &mut readings);
    let text = text_of(readings);
    assert_eq!(value(&text, "saga_tracker_consumer_lag"), 12.0);
    assert_eq!(
        value(&text, "saga_tracker_consumer_partition_lag{partition=\"2\"}"),
        7.0
    );
    for (sample, offset) in [
        ("saga_tracker_consumer_offset{partition=\"0\"}", 10.0),
        ("saga_tracker_consumer_offset{partition=\"1\"}", 20.0),
        ("saga_tracker_consumer_end_offset{partition=\"0\"}", 15.0),
        ("saga_tracker_consumer_end_offset{partition=\"2\"}", 7.0),
    ] {
        assert_eq!(value(&text, sample), offset, "{sample}");
    }
}

#[test]
fn how_far_decisions_are_read_shows_and_why_not() {
    let shown = |ops: &OpsSnapshot| {
        let mut readings = Vec::new();
        read_ops(ops, &mut readings);
        let text = text_of(readings);
        ["lag", "paused", "stopped"].map(|name| value(&text, &format!("saga_tracker_ops_{name}")))
    };
    assert_eq!(shown(&OpsSnapshot::default()), [0.0, 0.0, 0.0]);
    let mut ops = OpsSnapshot {
        next: 3,
        end: Some(8),
        ..OpsSnapshot::default()
    };
    assert_eq!(shown(&ops), [5.0, 0.0, 0.0]);
    ops.shortage = Some(Shortage {
        free: 1,
        minimum: 2,
        resume_at: 3,
    });
    ops.fatal = Some("the topic went back".to_owned());
    assert_eq!(shown(&ops), [5.0, 1.0, 1.0]);
}

#[test]
fn what_retention_does_shows_and_when_it_last_did_not() {
    let shown = |known: &RetentionSnapshot| {
        let mut readings = Vec::new();
        read_retention(known, 9, &mut readings);
        let text = text_of(readings);
        [
            "last_sweep_timestamp_seconds",
            "last_sweep_duration_seconds",
            "due_sagas",
            "pending_decisions",
            "sweeps_total{result=\"success\"}",
            "sweeps_total{result=\"failure\"}",
            "last_error_timestamp_seconds",
            "stopped",
            "waiting",
            "skipped_decisions_total{reason=\"unreachable\"}",
            "skipped_decisions_total{reason=\"malformed\"}",
        ]
        .map(|name| value(&text, &format!("saga_tracker_retention_{name}")))
    };
    let idle = RetentionSnapshot {
        next: 9,
        ..RetentionSnapshot::default()
    };
    assert_eq!(shown(&idle), [0.0; 11]);
    let known = RetentionSnapshot {
        next: 7,
        last_sweep: Some(Millis(1_763_668_123_500)),
        last_sweep_took: Duration::from_millis(2_500),
        due: 3,
        sweeps: 4,
        failed_sweeps: 2,
        problem_at: Some(Millis(1_763_668_000_000)),
        failed: Some("the store refuses".to_owned()),
        waiting: Some("3 records are not read".to_owned()),
        skipped: [(Skipped::Unreachable, 5)].into(),
        ..RetentionSnapshot::default()
    };
    assert_eq!(
        shown(&known),
        [
            1_763_668_123.5,
            2.5,
            3.0,
            2.0,
            4.0,
            2.0,
            1_763_668_000.0,
            1.0,
            1.0,
            5.0,
            0.0
        ]
    );
}

#[test]
fn a_scrape_of_endless_steps_counts_every_event_once() {
    let store = crate::testkit::store();
    let events: Vec<_> = (0..600u64)
        .map(|n| {
            let (step, status) = match n % 6 {
                0 | 1 => ("OFTEN".to_owned(), SagaStatus::Started),
                // Rare enough not to be among the pairs that are kept at first.
                2 if n == 2 => ("OFTEN".to_owned(), SagaStatus::Failed),
                _ => (format!("STEP_{}", n / 12), SagaStatus::InProgress),
            };
            crate::testkit::event_at(&format!("s{n}"), n, &step, status)
        })
        .collect();
    crate::testkit::project(&store, &events, &[100], 1);
    let query = Query::new(store, std::sync::Arc::default());
    let mut remembered = Remembered::new(1);
    for _ in 0..2 {
        let mut readings = Vec::new();
        read(&query, Millis(0), &mut remembered, &mut readings);
        let text = text_of(readings);
        let family = "saga_events_processed_total";
        let sum: f64 = text
            .lines()
            .filter(|line| line.starts_with(family))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum();
        assert_eq!(sum, 600.0, "{text}");
        let often = format!("{family}{{step=\"OFTEN\",status=\"FAILED\"}}");
        assert_eq!(value(&text, &often), 1.0);
    }
}
