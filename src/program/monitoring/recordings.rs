//! Recording rules: what alerts and dashboards ask again and again, by job. Replicas say the same of one topic, so of
//! them the highest counts.

use super::promql::{Query, Scope, Series, buckets, observations, values};
use crate::server::metrics::catalogue;

/// The windows of burn rates.
pub(super) const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// How many times faster than allowed a budget is used up within an hour when people are woken: 2 % of 30 days' budget.
pub(super) const WAKING_BURN_RATE: f64 = 14.4;

/// A series that a rule makes.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) query: Query,
}

impl Recording {
    fn new(name: impl Into<String>, query: Query) -> Self {
        let name = name.into();
        Self { name, query }
    }

    /// What was recorded.
    pub(super) fn series(&self, scope: Scope) -> Series {
        Series::recorded(scope, &self.name, &self.query)
    }
}

/// Recordings that are evaluated together.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) interval: &'static str,
    pub(super) recordings: Vec<Recording>,
}

/// All of them.
pub(super) fn groups() -> Vec<Group> {
    let objectives = WINDOWS
        .into_iter()
        .flat_map(|window| [failed_ratio(window), slow_ratio(window)]);
    vec![
        Group {
            name: "saga-tracker.rates",
            interval: "30s",
            recordings: vec![
                failures(),
                failures_mean(),
                failures_deviation(),
                ended(),
                failed_ratio_by_type(),
                compensated_ratio_by_type(),
            ],
        },
        Group {
            name: "saga-tracker.objectives",
            interval: "1m",
            recordings: objectives.chain([compensated_of_owing()]).collect(),
        },
    ]
}

/// Failures of the last five minutes.
pub(super) fn failures() -> Recording {
    let failed = values(Scope::Rules, catalogue::SAGA_FAILED);
    Recording::new("job:saga_failed:increase5m", failed.increase("5m").max(&["job"]))
}

/// Their mean over the day before.
pub(super) fn failures_mean() -> Recording {
    let before = failures().series(Scope::Rules).ago("10m");
    Recording::new("job:saga_failed_increase5m:avg1d", before.mean("1d"))
}

/// Their standard deviation over the day before.
pub(super) fn failures_deviation() -> Recording {
    let before = failures().series(Scope::Rules).ago("10m");
    Recording::new("job:saga_failed_increase5m:stddev1d", before.deviation("1d"))
}

fn entered(statuses: &str) -> Series {
    values(Scope::Rules, catalogue::SAGAS_ENTERED).like("status", statuses)
}

/// Sagas of a type that came to an end, good or bad.
fn ends() -> Series {
    entered("COMPLETED|FAILED")
}

/// Ended sagas of the last five minutes, by type.
pub(super) fn ended() -> Recording {
    let ended = ends().increase("5m").max(&["job", "saga_type", "status"]);
    Recording::new(
        "job_saga_type:saga_ended:increase5m",
        ended.sum(&["job", "saga_type"]),
    )
}

fn ratio_by_type(status: &str) -> Query {
    let by = ["job", "saga_type", "status"];
    let some = entered(status).rate("5m").max(&by);
    let all = ends().rate("5m").max(&by);
    some.sum(&["job", "saga_type"])
        .divided_by(all.sum(&["job", "saga_type"]))
}

/// The part of ended sagas that failed, by type.
pub(super) fn failed_ratio_by_type() -> Recording {
    Recording::new("job_saga_type:saga_failed:ratio_rate5m", ratio_by_type("FAILED"))
}

/// The part of ended sagas that were compensated, by type.
pub(super) fn compensated_ratio_by_type() -> Recording {
    let ratio = ratio_by_type("COMPENSATED");
    Recording::new("job_saga_type:saga_compensated:ratio_rate5m", ratio)
}

/// The part of ended sagas that failed: what the objective of success is about.
pub(super) fn failed_ratio(window: &str) -> Recording {
    let by = ["job", "saga_type", "status"];
    let failed = entered("FAILED").rate(window).max(&by).sum(&["job"]);
    let all = ends().rate(window).max(&by).sum(&["job"]);
    Recording::new(
        format!("job:saga_failed:ratio_rate{window}"),
        failed.divided_by(all),
    )
}

/// The part of measured pairs of steps that took longer than 5 s: what the objective of delay is about.
pub(super) fn slow_ratio(window: &str) -> Recording {
    let by = ["job", "edge"];
    let within = buckets(Scope::Rules, catalogue::EDGE_DURATION).with("le", "5.0");
    let all = observations(Scope::Rules, catalogue::EDGE_DURATION);
    let within = within.rate(window).max(&by).sum(&["job"]);
    let all = all.rate(window).max(&by).sum(&["job"]);
    Recording::new(
        format!("job:saga_edge_slow:ratio_rate{window}"),
        Query::from(1).minus(within.divided_by(all)),
    )
}

/// Of the sagas that had to be compensated within 30 days the part that was; the objective is all of them.
pub(super) fn compensated_of_owing() -> Recording {
    let compensated = || {
        let compensated = values(Scope::Rules, catalogue::SAGA_COMPENSATED);
        compensated.increase("30d").max(&["job"])
    };
    let overdue = Query::from(values(Scope::Rules, catalogue::UNCOMPENSATED_OVERDUE));
    let overdue = overdue.max(&["job", "saga_type"]).sum(&["job"]);
    Recording::new(
        "job:saga_compensated:ratio30d",
        compensated().divided_by(compensated().plus(overdue)),
    )
}
