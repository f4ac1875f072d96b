//! Alerts and incidents, which both dashboards show: what fires now, when which alert fired, and a feed of them; and
//! the marks that they leave on all other panels.

use super::links;
use super::model::ColumnKind::{Text, Time};
use super::model::{Column, Look, Panel, Row, VALUE};
use crate::program::monitoring::promql::{self, Query, Series};

/// The annotation of alerts that fire.
pub(super) const NAME: &str = "Incidents";

/// The whole time that somebody looks at.
const RANGE: &str = "$__range";

fn ours(alerts: Series) -> Series {
    alerts.like("alertname", "Saga.*")
}

fn firing() -> Series {
    ours(promql::alerts()).with("alertstate", "firing")
}

/// The alerts that fire.
pub(super) fn query() -> Query {
    Query::from(firing()).max(&["alertname", "severity", "saga_type"])
}

/// The alerts that fired, by the time, in milliseconds, since which they last were true.
fn feed() -> Query {
    let by = ["alertname", "severity", "saga_type", "instance"];
    let since = ours(promql::alerts_for_state())
        .latest(RANGE)
        .max(&by)
        .times(1000);
    since.and(firing().latest(RANGE).max(&by))
}

const FEED: &[Column] = &[
    Column {
        field: VALUE,
        title: "Since",
        kind: Time,
        links: &[],
    },
    Column {
        field: "alertname",
        title: "Alert",
        kind: Text,
        links: links::OF_INCIDENT,
    },
    Column {
        field: "severity",
        title: "Severity",
        kind: Text,
        links: &[],
    },
    Column {
        field: "saga_type",
        title: "Saga type",
        kind: Text,
        links: &[],
    },
    Column {
        field: "instance",
        title: "Replica",
        kind: Text,
        links: &[],
    },
];

pub(super) fn row() -> Row {
    Row {
        title: "Alerts and incidents",
        panels: vec![
            Panel::new(
                Look::Alerts,
                "Alerts",
                "Alerts about sagas and the tracker that are pending or fire",
            ),
            Panel::new(Look::Lanes, "Incidents", "When which alert fired")
                .ask("{{alertname}} {{saga_type}}", query()),
            Panel::new(
                Look::Table,
                "Incident feed",
                "Alerts that fired within the chosen time, newest first; the link leads to those that the tracker was told of",
            )
            .list(feed(), FEED),
        ],
    }
}
