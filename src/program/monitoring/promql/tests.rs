use super::*;
use crate::program::monitoring::parameters::LAG_INFO;
use crate::server::metrics::catalogue;
use std::collections::BTreeSet;

fn failed() -> Series {
    values(Scope::Rules, catalogue::SAGAS_ENTERED).with("status", "FAILED")
}

#[test]
fn an_expression_is_what_was_asked_for() {
    let rate = |series: Series| series.rate("5m").sum(&["saga_type"]);
    let all = values(Scope::Rules, catalogue::SAGAS_ENTERED);
    let ratio = rate(failed()).divided_by(rate(all)).above(0.01);
    assert_eq!(ratio.faults(), &[] as &[String]);
    assert_eq!(
        ratio.text(),
        "(sum by (saga_type) (rate(saga_tracker_sagas_entered_total{@{sagaTrackerSelector}, \
         status=\"FAILED\"}[5m])) / sum by (saga_type) \
         (rate(saga_tracker_sagas_entered_total{@{sagaTrackerSelector}}[5m]))) > 0.01"
    );
    assert_eq!(ratio.labels(), &BTreeSet::from(["saga_type"]));
}

#[test]
fn a_dashboard_asks_by_its_variables_and_a_quantile_has_no_bounds() {
    let rates = buckets(Scope::Dashboard, catalogue::EVENT_DELAY).rate("$__rate_interval");
    let quantile = rates.sum(&["le", "stage"]).quantile("0.95");
    assert_eq!(quantile.faults(), &[] as &[String]);
    assert_eq!(
        quantile.text(),
        "histogram_quantile(0.95, sum by (le, stage) (rate(saga_tracker_event_delay_seconds_bucket\
         {job=~\"$job\", instance=~\"$instance\"}[$__rate_interval])))"
    );
    assert_eq!(quantile.labels(), &BTreeSet::from(["stage"]));
}

#[test]
fn what_is_not_declared_is_a_fault() {
    let gauge = || values(Scope::Rules, catalogue::CONSUMER_LAG);
    for (wrong, told) in [
        (failed().with("step", "A").into(), "has no label step"),
        (failed().rate("5m").sum(&["order"]), "sum by order"),
        (failed().delta("5m"), "which rises"),
        (gauge().rate("5m"), "which goes both ways"),
        (
            values(Scope::Rules, catalogue::API_LATENCY).into(),
            "is a histogram",
        ),
        (
            buckets(Scope::Rules, catalogue::CONSUMER_LAG).rate("5m"),
            "is no histogram",
        ),
        (failed().rate("5m").quantile("0.5"), "has no buckets"),
        (Query::from(gauge()).minus(failed()), "do not match each other"),
    ] {
        let wrong: Query = wrong;
        assert!(
            wrong.faults().iter().any(|fault| fault.contains(told)),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_fault_of_a_part_is_a_fault_of_the_whole() {
    let part = values(Scope::Rules, catalogue::CONSUMER_LAG).with("step", "A");
    let whole = Query::from(1).minus(part);
    assert_eq!(whole.faults().len(), 1, "{whole:?}");
}

#[test]
fn numbers_go_with_every_series() {
    let twice = Query::from(&LAG_INFO).times(2);
    let above = Query::from(values(Scope::Rules, catalogue::CONSUMER_LAG)).above(twice);
    assert_eq!(above.faults(), &[] as &[String]);
    assert!(above.text().ends_with("} > (@{lagInfo} * 2)"), "{above:?}");
}

#[test]
fn some_time_ago_stands_behind_the_window() {
    let lag = values(Scope::Rules, catalogue::CONSUMER_LAG).ago("10m");
    assert!(lag.clone().delta("1h").text().ends_with("[1h] offset 10m)"));
    assert!(Query::from(lag).text().ends_with("} offset 10m"));
}
