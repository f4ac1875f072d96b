//! For those who run the tracker: is it up, complete and in time, what waits for operators, what it takes up.

use super::incidents;
use super::links;
use super::model::ColumnKind::{Number, Text, Time};
use super::model::{Column, Dashboard, Look, ORANGE, Panel, RED, Row};
use crate::program::monitoring::parameters::{
    API_SLOW_SECONDS, LAG_INFO, LAG_WARNING, PROCESSING_SLOW_SECONDS,
};
use crate::program::monitoring::promql::{Query, Scope, Series, buckets, observations, up, values};
use crate::server::metrics::catalogue::{self, Family};

/// How long a stretch Grafana takes for rates.
const WINDOW: &str = "$__rate_interval";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        file: "saga-tracker-process-dashboard.json",
        uid: "saga-tracker-process",
        title: "Saga Tracker / Tracker",
        description: "How the tracker fares: consumption, what every offset came to, dead letters, decisions, snapshots, store.",
        by_type: false,
        rows: vec![
            now(),
            consumption(),
            ledger(),
            dead_letters(),
            decisions(),
            retention(),
            snapshots(),
            store(),
            requests(),
            incidents::row(),
        ],
    }
}

fn of(family: Family) -> Series {
    values(Scope::Dashboard, family)
}

fn number(title: &'static str, description: &'static str) -> Panel {
    Panel::new(Look::Number, title, description)
}

fn lines(title: &'static str, description: &'static str) -> Panel {
    Panel::new(Look::Lines, title, description)
}

/// How long ago, where it ever was.
fn age(family: Family) -> Query {
    Query::now().minus(Query::from(of(family)).above(0))
}

fn now() -> Row {
    let version = Query::from(of(catalogue::BUILD_INFO)).max(&["version"]);
    Row {
        title: "Now",
        panels: vec![
            number("Replicas up", "Trackers that Prometheus could scrape")
                .ask("", Query::from(up(Scope::Dashboard)).sum(&[])),
            number("Version", "What runs").ask("{{version}}", version),
            number(
                "Lag",
                "Records at the broker that the slowest replica's answers do not show yet",
            )
            .limits(&[(&LAG_INFO, ORANGE), (&LAG_WARNING, RED)])
            .ask("", Query::from(of(catalogue::CONSUMER_LAG)).max(&[])),
            number(
                "Unexplained offsets",
                "Offsets of which nobody knows what became of them",
            )
            .limits(&[(1.0, RED)])
            .ask("", Query::from(of(catalogue::LEDGER_UNEXPLAINED)).max(&[])),
            number("Paused", "Replicas that wait because their disk is nearly full")
                .limits(&[(1.0, RED)])
                .ask("", Query::from(of(catalogue::CONSUMPTION_PAUSED)).sum(&[])),
            number("Stores that refuse", "Replicas whose store cannot be read")
                .limits(&[(1.0, RED)])
                .ask(
                    "",
                    Query::from(1)
                        .minus(Query::from(of(catalogue::STORE_READABLE)))
                        .sum(&[]),
                ),
        ],
    }
}

fn consumption() -> Row {
    let delay = buckets(Scope::Dashboard, catalogue::EVENT_DELAY).rate(WINDOW);
    let delay = delay.sum(&["instance", "stage", "le"]).quantile("0.95");
    let events = of(catalogue::SAGA_EVENTS_PROCESSED)
        .rate(WINDOW)
        .sum(&["instance"]);
    Row {
        title: "Consumption",
        panels: vec![
            lines(
                "Events",
                "Events per second that came into timelines, duplicates left out",
            )
            .unit("ops")
            .ask("{{instance}}", events),
            lines(
                "Delay, p95",
                "From the event to the broker, and from there until answers show it",
            )
            .unit("s")
            .limits(&[(&PROCESSING_SLOW_SECONDS, ORANGE)])
            .ask("{{instance}} {{stage}}", delay),
            lines("Lag", "Records at the broker that answers do not show yet")
                .limits(&[(&LAG_INFO, ORANGE), (&LAG_WARNING, RED)])
                .ask("{{instance}}", of(catalogue::CONSUMER_LAG)),
            lines(
                "Offsets",
                "Where each partition ends at the broker, and up to where it is consumed",
            )
            .ask(
                "{{instance}} end of partition {{partition}}",
                of(catalogue::CONSUMER_END_OFFSET),
            )
            .ask(
                "{{instance}} consumed of partition {{partition}}",
                of(catalogue::CONSUMER_OFFSET),
            ),
        ],
    }
}

fn ledger() -> Row {
    let each = |family: Family| of(family).rate(WINDOW).sum(&["instance"]);
    Row {
        title: "Ledger",
        panels: vec![
            Panel::new(Look::StackedBars, "Offsets by class", "What every offset of the topic came to, from the first on")
                .ask(
                    "{{class}}",
                    Query::from(of(catalogue::LEDGER_OFFSETS)).max(&["class"]),
                ),
            lines("Gaps", "Times that the broker did not deliver offsets: expired means lost")
                .ask(
                    "{{instance}} {{kind}}",
                    of(catalogue::OFFSET_GAPS).increase(WINDOW).sum(&["instance", "kind"]),
                )
                .ask("{{instance}} offsets lost", of(catalogue::OFFSETS_LOST).increase(WINDOW).sum(&["instance"])),
            lines("Repeats and late events", "Deliveries of events that were there already, or of sagas that were purged; events with other bodies")
                .width(24)
                .unit("ops")
                .ask("{{instance}} duplicates", each(catalogue::DUPLICATES))
                .ask("{{instance}} conflicts", each(catalogue::CONFLICTS))
                .ask("{{instance}} late", each(catalogue::LATE_EVENTS)),
        ],
    }
}

const GROUPS: &[Column] = &[
    Column {
        field: "name",
        title: "Reason",
        kind: Text,
        links: links::OF_LETTERS,
    },
    Column {
        field: "open",
        title: "Open",
        kind: Number,
        links: &[],
    },
    Column {
        field: "oldest",
        title: "Oldest",
        kind: Time,
        links: &[],
    },
    Column {
        field: "newest",
        title: "Newest",
        kind: Time,
        links: &[],
    },
];

fn dead_letters() -> Row {
    let by_reason = |family: Family| Query::from(of(family)).max(&["reason"]);
    let rise = |family: Family| of(family).increase(WINDOW).max(&["reason"]);
    Row {
        title: "Dead letters",
        panels: vec![
            Panel::new(
                Look::StackedBars,
                "Open",
                "Dead letters to which nothing happened yet",
            )
            .ask("{{reason}}", by_reason(catalogue::DEAD_LETTERS_OPEN)),
            lines("New", "Records that could not be applied")
                .ask("{{reason}}", rise(catalogue::DEAD_LETTERS)),
            lines(
                "Settled",
                "Published again and consumed; discarded; no longer kept",
            )
            .width(24)
            .ask("redriven {{reason}}", rise(catalogue::DEAD_LETTERS_REDRIVEN))
            .ask(
                "discarded {{reason}}",
                by_reason(catalogue::DEAD_LETTERS_DISCARDED),
            )
            .ask("removed {{reason}}", rise(catalogue::DEAD_LETTERS_REMOVED)),
            Panel::new(
                Look::Table,
                "Groups",
                "Open dead letters by reason, from the tracker's API",
            )
            .call(
                "/api/v1/dead-letters/groups?by=reason&state=open",
                "groups",
                GROUPS,
            ),
        ],
    }
}

fn decisions() -> Row {
    let decided = of(catalogue::DECISIONS)
        .increase(WINDOW)
        .max(&["kind", "outcome"]);
    Row {
        title: "Decisions, audit and webhooks",
        panels: vec![
            lines("Decisions", "Messages of the ops topic and what became of them")
                .ask("{{kind}} {{outcome}}", decided),
            lines(
                "Not read yet",
                "Messages of the ops topic that a replica has not read; whether it stopped or waits",
            )
            .ask("{{instance}} lag", of(catalogue::OPS_LAG))
            .ask("{{instance}} stopped", of(catalogue::OPS_STOPPED))
            .ask("{{instance}} paused", of(catalogue::OPS_PAUSED)),
            lines("Audit entries", "Calls and commands that changed something").ask(
                "{{instance}}",
                of(catalogue::AUDIT_ENTRIES).increase(WINDOW).sum(&["instance"]),
            ),
            lines(
                "Webhooks",
                "Attempts to tell webhooks what happened, by what the attempts came to",
            )
            .ask(
                "{{event}} {{result}}",
                of(catalogue::WEBHOOK_NOTICES)
                    .increase(WINDOW)
                    .sum(&["event", "result"]),
            ),
        ],
    }
}

fn retention() -> Row {
    let sweeps = of(catalogue::RETENTION_SWEEPS).increase(WINDOW);
    let skipped = of(catalogue::RETENTION_SKIPPED).increase(WINDOW);
    Row {
        title: "Retention",
        panels: vec![
            lines("Due and pending", "Sagas that are due and stay for now, decisions that are not applied yet, whether it waits or stopped")
                .ask("{{instance}} due", of(catalogue::RETENTION_DUE))
                .ask("{{instance}} pending", of(catalogue::RETENTION_PENDING))
                .ask("{{instance}} waiting", of(catalogue::RETENTION_WAITING))
                .ask("{{instance}} stopped", of(catalogue::RETENTION_STOPPED)),
            lines("Searches for due sagas", "How long ago the last came to its end or failed, and how long it took")
                .unit("s")
                .ask("{{instance}} since the last", age(catalogue::RETENTION_LAST_SWEEP))
                .ask("{{instance}} since the last failure", age(catalogue::RETENTION_LAST_ERROR))
                .ask("{{instance}} duration", of(catalogue::RETENTION_SWEEP_DURATION)),
            lines("Searches and skipped decisions", "How many came to their end, and what could not be applied")
                .ask("{{instance}} {{result}}", sweeps.sum(&["instance", "result"]))
                .ask("{{instance}} skipped: {{reason}}", skipped.sum(&["instance", "reason"])),
            lines("Purged", "What retention purged and nobody restored")
                .ask("sagas", Query::from(of(catalogue::PURGED_SAGAS)).max(&[]))
                .ask("deliveries", Query::from(of(catalogue::PURGED_EVENTS)).max(&[])),
        ],
    }
}

fn snapshots() -> Row {
    let made = of(catalogue::SNAPSHOTS).increase(WINDOW);
    Row {
        title: "Snapshots",
        panels: vec![
            lines(
                "Age and duration",
                "How old the last snapshot is, and how long it took",
            )
            .unit("s")
            .width(8)
            .ask("{{instance}} age", age(catalogue::SNAPSHOT_LAST_SUCCESS))
            .ask("{{instance}} duration", of(catalogue::SNAPSHOT_DURATION)),
            lines(
                "Size",
                "All files of the last snapshot, and what had to be sent for it",
            )
            .unit("bytes")
            .width(8)
            .ask("{{instance}} size", of(catalogue::SNAPSHOT_SIZE))
            .ask("{{instance}} sent", of(catalogue::SNAPSHOT_SENT)),
            lines(
                "Made",
                "Snapshots that were made or failed, and whether one is being made",
            )
            .width(8)
            .ask(
                "{{instance}} {{trigger}} {{result}}",
                made.sum(&["instance", "trigger", "result"]),
            )
            .ask("{{instance}} running", of(catalogue::SNAPSHOT_RUNNING)),
        ],
    }
}

fn store() -> Row {
    let questions = buckets(Scope::Dashboard, catalogue::DB_QUERY).rate(WINDOW);
    Row {
        title: "Store and process",
        panels: vec![
            lines("Disk", "What the store takes up, and what is free beside it")
                .unit("bytes")
                .width(8)
                .ask("{{instance}} store", of(catalogue::STORE_DISK))
                .ask("{{instance}} free", of(catalogue::STORE_FREE)),
            lines("Memory", "Of the process, and of the store's caches within it")
                .unit("bytes")
                .width(8)
                .ask("{{instance}} process", of(catalogue::PROCESS_RESIDENT_MEMORY))
                .ask("{{instance}} store", of(catalogue::STORE_MEMORY)),
            lines("Questions to the store, p95", "How long they took")
                .unit("s")
                .width(8)
                .ask("{{query}}", questions.sum(&["query", "le"]).quantile("0.95")),
        ],
    }
}

fn requests() -> Row {
    let answers = || observations(Scope::Dashboard, catalogue::HTTP_SERVER_REQUESTS);
    let latency = buckets(Scope::Dashboard, catalogue::HTTP_SERVER_REQUESTS).rate(WINDOW);
    let errors = answers().like("status", "4..|5..").rate(WINDOW);
    Row {
        title: "Requests",
        panels: vec![
            lines("By endpoint", "Answers per second")
                .unit("reqps")
                .width(8)
                .ask(
                    "{{method}} {{endpoint}}",
                    answers().rate(WINDOW).sum(&["method", "endpoint"]),
                ),
            lines(
                "Refused and failed",
                "Answers per second with a status of 4xx or 5xx",
            )
            .unit("reqps")
            .width(8)
            .ask("{{status}} {{endpoint}}", errors.sum(&["status", "endpoint"])),
            lines("Latency, p99", "Time to answer, by endpoint")
                .unit("s")
                .width(8)
                .limits(&[(&API_SLOW_SECONDS, ORANGE)])
                .ask("{{endpoint}}", latency.sum(&["endpoint", "le"]).quantile("0.99")),
        ],
    }
}
