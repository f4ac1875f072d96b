//! For those who run the shop: how sagas fare, what is owed, where it is slow, which ones to look at.

use super::incidents;
use super::links::{self, Link};
use super::model::ColumnKind::{Number, Text, Time};
use super::model::{Column, Dashboard, Look, ORANGE, Panel, RED, Row};
use crate::program::monitoring::parameters::{
    API_ERROR_RATIO, COMPENSATION_RATIO, DELAY_BUDGET, FAILURE_RATIO, FAILURE_SPIKE_SIGMA, LAG_INFO,
    LAG_WARNING, Parameter, STEP_SLOW_SECONDS, SUCCESS_BUDGET,
};
use crate::program::monitoring::promql::{Query, Scope, Series, buckets, observations, values};
use crate::program::monitoring::recordings::{self, Recording};
use crate::server::metrics::catalogue::{self, Family};

/// How long a stretch Grafana takes for rates.
const WINDOW: &str = "$__rate_interval";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        file: "saga-tracker-dashboard.json",
        uid: "saga-tracker-sagas",
        title: "Saga Tracker / Sagas",
        description: "How the shop's sagas fare: statuses, failures, compensations, delays, and which sagas to look at.",
        by_type: true,
        rows: vec![
            now(),
            statuses(),
            steps(),
            failures(),
            compensations(),
            delays(),
            consumption(),
            incidents::row(),
            sagas(),
            api(),
            objectives(),
        ],
    }
}

fn of(family: Family) -> Series {
    values(Scope::Dashboard, family)
}

fn by_type(family: Family) -> Series {
    of(family).like("saga_type", "$saga_type")
}

fn recorded(recording: &Recording) -> Series {
    recording.series(Scope::Dashboard)
}

/// What each replica says of the same topic is one thing: the highest counts.
fn highest(series: Series, by: &[&'static str]) -> Query {
    Query::from(series).max(by)
}

/// The sum over types of what a replica says of each.
fn all_types(family: Family) -> Query {
    highest(by_type(family), &["saga_type"]).sum(&[])
}

fn number(title: &'static str, description: &'static str) -> Panel {
    Panel::new(Look::Number, title, description)
}

fn lines(title: &'static str, description: &'static str) -> Panel {
    Panel::new(Look::Lines, title, description)
}

fn now() -> Row {
    let failed = highest(of(catalogue::SAGA_ACTIVE).with("status", "FAILED"), &[]);
    let letters = highest(of(catalogue::DEAD_LETTERS_OPEN), &["reason"]).sum(&[]);
    let ratio = Query::from(recorded(&recordings::failed_ratio("5m"))).max(&[]);
    Row {
        title: "Now",
        panels: vec![
            number(
                "Failed",
                "Sagas that stand in FAILED, however long ago they failed",
            )
            .limits(&[(1.0, ORANGE)])
            .ask("", failed),
            number("Stuck", "Sagas under way past the deadline of their definition")
                .limits(&[(1.0, ORANGE)])
                .ask("", all_types(catalogue::PAST_DEADLINE)),
            number(
                "Compensation overdue",
                "Sagas that failed, owe a compensation, and are past the time for it",
            )
            .limits(&[(1.0, RED)])
            .ask("", all_types(catalogue::UNCOMPENSATED_OVERDUE)),
            number(
                "Failure rate",
                "The part of the sagas that ended within 5 minutes that failed",
            )
            .unit("percentunit")
            .limits(&[(&FAILURE_RATIO, RED)])
            .ask("", ratio),
            number(
                "Open dead letters",
                "Records that could not be applied, and to which nothing happened yet",
            )
            .limits(&[(1.0, ORANGE)])
            .ask("", letters),
            number(
                "Last failure",
                "When an event last reported FAILED, by event time",
            )
            .unit("dateTimeFromNow")
            .ask("", highest(of(catalogue::SAGA_LAST_FAILED), &[]).times(1000)),
        ],
    }
}

fn statuses() -> Row {
    let entered = by_type(catalogue::SAGAS_ENTERED).rate(WINDOW);
    let entered = entered.max(&["saga_type", "status"]).sum(&["status"]);
    let under_way = of(catalogue::SAGA_ACTIVE).like("status", "STARTED|IN_PROGRESS|FAILED");
    Row {
        title: "Statuses",
        panels: vec![
            Panel::new(
                Look::StackedBars,
                "Sagas by status",
                "All sagas that the tracker holds, by the status they are in",
            )
            .ask("{{status}}", highest(of(catalogue::SAGA_ACTIVE), &["status"])),
            Panel::new(
                Look::StackedBars,
                "Entered per minute",
                "How often sagas come into each status",
            )
            .unit("opm")
            .ask("{{status}}", entered.times(60)),
            lines(
                "Under way or failed",
                "The same without those that are over, which are many",
            )
            .width(24)
            .ask("{{status}}", highest(under_way, &["status"])),
        ],
    }
}

fn steps() -> Row {
    let steps = of(catalogue::SAGA_EVENTS_PROCESSED).increase(WINDOW);
    Row {
        title: "Steps",
        panels: vec![
            Panel::new(
                Look::Trends,
                "Last hour by step",
                "Events of each step and status within an hour, and their course",
            )
            .last("1h")
            .ask("", steps.max(&["step", "status"])),
        ],
    }
}

fn failures() -> Row {
    let usual = || Query::from(recorded(&recordings::failures_mean()));
    let spread = Query::from(recorded(&recordings::failures_deviation())).times(&FAILURE_SPIKE_SIGMA);
    let ratio = recorded(&recordings::failed_ratio_by_type()).like("saga_type", "$saga_type");
    Row {
        title: "Failures",
        panels: vec![
            lines(
                "Failures in 5 minutes",
                "Against the mean of the day before, and @{failureSpikeSigma} standard deviations above it",
            )
            .ask(
                "failures",
                Query::from(recorded(&recordings::failures())).max(&[]),
            )
            .ask("mean of the day before", usual().max(&[]))
            .ask(
                "@{failureSpikeSigma} deviations above",
                usual().plus(spread).max(&[]),
            ),
            lines("Failure rate by type", "The part of ended sagas that failed")
                .unit("percentunit")
                .limits(&[(&FAILURE_RATIO, RED)])
                .ask("{{saga_type}}", Query::from(ratio).max(&["saga_type"])),
            lines("Broken rules", "Sagas that break a rule of their definition now").ask(
                "{{rule}}",
                highest(by_type(catalogue::CONFORMANCE_VIOLATIONS), &["saga_type", "rule"]).sum(&["rule"]),
            ),
            lines(
                "Anomalies per minute",
                "Events that do not go with what stood there, by the rule that was broken",
            )
            .unit("opm")
            .ask(
                "{{kind}}",
                of(catalogue::ANOMALIES).rate(WINDOW).max(&["kind"]).times(60),
            ),
        ],
    }
}

fn compensations() -> Row {
    let duration = |part: &str| {
        let rates = buckets(Scope::Dashboard, catalogue::SAGA_COMPENSATION_DURATION).rate(WINDOW);
        rates.max(&["le"]).quantile(part)
    };
    let ratio = recorded(&recordings::compensated_ratio_by_type()).like("saga_type", "$saga_type");
    let failed = by_type(catalogue::COMPENSATIONS_FAILED).increase(WINDOW);
    Row {
        title: "Compensations",
        panels: vec![
            lines(
                "Compensation duration",
                "From FAILED to COMPENSATED, by event time",
            )
            .unit("s")
            .ask("p50", duration("0.5"))
            .ask("p95", duration("0.95"))
            .ask("p99", duration("0.99")),
            lines(
                "Compensation rate by type",
                "Sagas that were compensated, for each that ended",
            )
            .unit("percentunit")
            .limits(&[(&COMPENSATION_RATIO, ORANGE)])
            .ask("{{saga_type}}", Query::from(ratio).max(&["saga_type"])),
            lines(
                "Compensation overdue",
                "Sagas that failed, owe a compensation, and are past the time for it",
            )
            .limits(&[(1.0, RED)])
            .ask(
                "{{saga_type}}",
                highest(by_type(catalogue::UNCOMPENSATED_OVERDUE), &["saga_type"]),
            ),
            lines(
                "Failed compensations",
                "Times that a compensating step reported FAILED",
            )
            .limits(&[(1.0, RED)])
            .ask("{{saga_type}}", failed.max(&["saga_type"])),
            lines(
                "Nothing to compensate",
                "Sagas that are FAILED and did nothing before that can be undone, like those that found no stock",
            )
            .width(24)
            .ask(
                "{{saga_type}}",
                highest(by_type(catalogue::NOTHING_TO_COMPENSATE), &["saga_type"]),
            ),
        ],
    }
}

fn delays() -> Row {
    let sagas = buckets(Scope::Dashboard, catalogue::SAGA_DURATION).like("saga_type", "$saga_type");
    let sagas = sagas
        .rate(WINDOW)
        .max(&["saga_type", "outcome", "le"])
        .sum(&["outcome", "le"]);
    let edges = buckets(Scope::Dashboard, catalogue::EDGE_DURATION).rate(WINDOW);
    Row {
        title: "Delays",
        panels: vec![
            lines(
                "Saga duration, p95",
                "From a saga's start to its first entry into an end, by event time",
            )
            .unit("s")
            .ask("{{outcome}}", sagas.quantile("0.95")),
            lines(
                "Between steps, p95",
                "Of the pairs of steps that definitions name in edges, by event time",
            )
            .unit("s")
            .limits(&[(&STEP_SLOW_SECONDS, ORANGE)])
            .ask("{{edge}}", edges.max(&["edge", "le"]).quantile("0.95")),
            lines(
                "Past their deadline",
                "Sagas under way past the deadline of their definition",
            )
            .width(24)
            .ask(
                "{{saga_type}}",
                highest(by_type(catalogue::PAST_DEADLINE), &["saga_type"]),
            ),
        ],
    }
}

fn consumption() -> Row {
    let partition = ["instance", "partition"];
    Row {
        title: "Consumption",
        panels: vec![
            lines("Lag", "Records at the broker that answers do not show yet")
                .limits(&[(&LAG_INFO, ORANGE), (&LAG_WARNING, RED)])
                .ask(
                    "{{instance}} partition {{partition}}",
                    highest(of(catalogue::CONSUMER_PARTITION_LAG), &partition),
                ),
            lines(
                "Offsets",
                "Where each partition ends at the broker, and up to where it is consumed",
            )
            .ask(
                "{{instance}} end of partition {{partition}}",
                highest(of(catalogue::CONSUMER_END_OFFSET), &partition),
            )
            .ask(
                "{{instance}} consumed of partition {{partition}}",
                highest(of(catalogue::CONSUMER_OFFSET), &partition),
            ),
        ],
    }
}

const SAGA: Column = Column {
    field: "sagaId",
    title: "Saga",
    kind: Text,
    links: links::OF_SAGA,
};
const TYPE: Column = Column {
    field: "sagaType",
    title: "Type",
    kind: Text,
    links: &[],
};

const FAILED: &[Column] = &[
    SAGA,
    TYPE,
    Column {
        field: "failedStep",
        title: "Failed step",
        kind: Text,
        links: links::OF_FAILURE,
    },
    Column {
        field: "failureReason",
        title: "Reason",
        kind: Text,
        links: &[],
    },
    Column {
        field: "statusSince",
        title: "Failed at",
        kind: Time,
        links: &[],
    },
    Column {
        field: "stepCount",
        title: "Events",
        kind: Number,
        links: &[],
    },
    Column {
        field: "lastTraceId",
        title: "Trace",
        kind: Text,
        links: links::OF_TRACE,
    },
];

const PAST_DEADLINE: &[Column] = &stuck(links::OF_PAST_DEADLINE);
const OVERDUE: &[Column] = &stuck(links::OF_OVERDUE);

/// The columns of sagas that break a rule of time, which has a runbook.
const fn stuck(runbook: &'static [Link]) -> [Column; 6] {
    [
        SAGA,
        TYPE,
        Column {
            field: "stuck.rule",
            title: "Rule",
            kind: Text,
            links: runbook,
        },
        Column {
            field: "stuck.since",
            title: "Stuck since",
            kind: Time,
            links: &[],
        },
        Column {
            field: "lastStep",
            title: "Last step",
            kind: Text,
            links: &[],
        },
        Column {
            field: "lastTraceId",
            title: "Trace",
            kind: Text,
            links: links::OF_TRACE,
        },
    ]
}

fn sagas() -> Row {
    let table = |title, description| Panel::new(Look::Table, title, description);
    Row {
        title: "Sagas",
        panels: vec![
            table(
                "Failed last",
                "The sagas that changed last of those in FAILED, from the tracker's API",
            )
            .call(
                "/api/v1/sagas?status=FAILED&sort=updatedAt,desc&size=50",
                "content",
                FAILED,
            ),
            table(
                "Past their deadline",
                "Under way past the deadline of their definition, from the tracker's API",
            )
            .call("/api/v1/sagas/stuck?rule=PAST_DEADLINE&size=50", "content", PAST_DEADLINE),
            table(
                "Compensation overdue",
                "Failed, and not compensated in the time that their definition gives for it, from the tracker's API",
            )
            .call("/api/v1/sagas/stuck?rule=COMPENSATION_OVERDUE&size=50", "content", OVERDUE),
        ],
    }
}

/// Answers of the API, without probes and scrapes.
fn answers() -> Series {
    observations(Scope::Dashboard, catalogue::API_LATENCY).unlike("endpoint", "/actuator/.*")
}

fn api() -> Row {
    let errors = answers().like("status", "5..").rate(WINDOW).sum(&[]);
    let latency = |part: &str| {
        let rates = buckets(Scope::Dashboard, catalogue::API_LATENCY).unlike("endpoint", "/actuator/.*");
        rates.rate(WINDOW).sum(&["le"]).quantile(part)
    };
    Row {
        title: "API",
        panels: vec![
            lines("Requests", "Answers per second by status")
                .unit("reqps")
                .width(8)
                .ask("{{status}}", answers().rate(WINDOW).sum(&["status"])),
            lines("Errors", "The part of answers with a status of 5xx")
                .unit("percentunit")
                .width(8)
                .limits(&[(&API_ERROR_RATIO, RED)])
                .ask("5xx", errors.divided_by(answers().rate(WINDOW).sum(&[]))),
            lines("Latency", "Time to answer a request")
                .unit("s")
                .width(8)
                .ask("p50", latency("0.5"))
                .ask("p95", latency("0.95"))
                .ask("p99", latency("0.99")),
        ],
    }
}

fn objectives() -> Row {
    let success = Query::from(1).minus(recorded(&recordings::failed_ratio("3d")));
    let delay = Query::from(1).minus(recorded(&recordings::slow_ratio("3d")));
    let burning = |ratio: fn(&str) -> Recording, budget: &'static Parameter| {
        move |window: &str| Query::from(recorded(&ratio(window))).divided_by(budget).max(&[])
    };
    let failing = burning(recordings::failed_ratio, &SUCCESS_BUDGET);
    let slow = burning(recordings::slow_ratio, &DELAY_BUDGET);
    Row {
        title: "Objectives",
        panels: vec![
            number("Success, 3 days", "The part of ended sagas that did not fail; the objective lets a part of @{successBudget} fail")
                .unit("percentunit")
                .ask("", success.min(&[])),
            number("Compensated, 30 days", "Of the sagas that had to be compensated the part that was; the objective is all")
                .unit("percentunit")
                .ask("", Query::from(recorded(&recordings::compensated_of_owing())).min(&[])),
            number("Within 5 s, 3 days", "The part of measured pairs of steps that took up to 5 s; the objective lets a part of @{delayBudget} take longer")
                .unit("percentunit")
                .ask("", delay.min(&[])),
            lines("Burn rate", "How many times faster than allowed the budget of 30 days is used up; 14.4 over an hour wakes people")
                .limits(&[(recordings::WAKING_BURN_RATE, RED)])
                .ask("failures, 1 h", failing("1h"))
                .ask("failures, 6 h", failing("6h"))
                .ask("slow steps, 1 h", slow("1h"))
                .ask("slow steps, 6 h", slow("6h")),
        ],
    }
}
