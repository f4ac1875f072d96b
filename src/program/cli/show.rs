//! The server's answers as tables.

use super::output::{fields, table};
use crate::domain::SagaStatus;
use serde_json::Value;

/// One saga: its fields below each other.
pub(super) fn saga(answer: &Value) -> String {
    let names = [
        "sagaId",
        "sagaType",
        "orderId",
        "currentStatus",
        "statusSince",
        "lastStep",
        "failedStep",
        "failureReason",
        "lastTraceId",
        "startedAt",
        "updatedAt",
        "stepCount",
    ];
    let shown = names.into_iter().map(|name| (name, text(&answer[name])));
    let where_given = ["asOf", "knownAt", "cursor", "definitions"].into_iter();
    let moment = where_given.filter_map(|name| Some((name, text(answer.get(name)?))));
    fields(shown.chain(moment).chain(judgement(answer)))
}

/// What its definition says of a saga, where that is worth a line.
fn judgement(answer: &Value) -> Vec<(&'static str, String)> {
    let words = |value: &Value| list(value).iter().map(text).collect::<Vec<_>>().join(", ");
    let mut rows = Vec::new();
    if let Some(state) = answer["compensation"]["state"]
        .as_str()
        .filter(|state| *state != "NOT_NEEDED")
    {
        let owed = list(&answer["compensation"]["owed"]).iter();
        let owed: Vec<String> = owed.map(|owed| text(&owed["step"])).collect();
        rows.push((
            "compensation",
            format!("{state} {}", owed.join(", ")).trim_end().to_owned(),
        ));
    }
    let stuck = &answer["stuck"];
    if stuck.is_object() {
        let (rule, since) = (text(&stuck["rule"]), text(&stuck["since"]));
        let awaited = words(&stuck["awaited"]);
        rows.push(("stuck", format!("{rule} since {since}, awaited: {awaited}")));
    }
    for violation in list(&answer["conformance"]) {
        let (rule, at) = (text(&violation["rule"]), text(&violation["at"]));
        rows.push((
            "violation",
            format!("{rule} at {at}: {}", text(&violation["message"])),
        ));
    }
    rows
}

/// A saga's steps, in fold order.
pub(super) fn steps(answer: &Value) -> String {
    let rows = list(&answer["steps"]).iter().map(|step| {
        let cell = |name: &str| text(&step[name]);
        [
            cell("id"),
            cell("recordedAt"),
            cell("step"),
            cell("status"),
            cell("producerService"),
            cell("traceId"),
            metadata(&step["metadata"]),
        ]
    });
    table(
        [
            "#",
            "RECORDED AT",
            "STEP",
            "STATUS",
            "SERVICE",
            "TRACE",
            "METADATA",
        ],
        rows,
    )
}

/// What the metadata tells beyond the other columns, as `name=value`.
fn metadata(value: &Value) -> String {
    const TOLD: [&str; 4] = ["producerService", "traceId", "spanId", "producerTimestamp"];
    let Some(entries) = value.as_object() else {
        return text(value);
    };
    let entries = entries.iter().filter(|(name, _)| !TOLD.contains(&name.as_str()));
    entries
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// One page of sagas and where it stands among all.
pub(super) fn page(answer: &Value) -> String {
    let number = |name: &str| answer["page"][name].as_u64().unwrap_or(0);
    let (pages, total) = (number("totalPages"), number("totalElements"));
    let place = match (answer["page"]["number"].as_u64(), pages) {
        (Some(here), 2..) => format!("{total} in all; page {here} of 0 to {}", pages - 1),
        _ => format!("{total} in all"),
    };
    format!("{}{place}\n", sagas(list(&answer["content"])))
}

/// Sagas below each other.
pub(super) fn sagas(of: &[Value]) -> String {
    let rows = of.iter().map(|saga| {
        [
            "sagaId",
            "sagaType",
            "orderId",
            "currentStatus",
            "lastStep",
            "startedAt",
            "updatedAt",
            "stepCount",
        ]
        .map(|name| text(&saga[name]))
    });
    table(
        [
            "SAGA",
            "TYPE",
            "ORDER",
            "STATUS",
            "LAST STEP",
            "STARTED AT",
            "UPDATED AT",
            "STEPS",
        ],
        rows,
    )
}

/// Statistics: totals, then by status and by type.
pub(super) fn statistics(answer: &Value) -> String {
    let number = |name: &str| answer[name].as_f64().unwrap_or(0.0);
    let whole = fields([
        ("from", text(&answer["period"]["from"])),
        ("to", text(&answer["period"]["to"])),
        ("sagas", text(&answer["total"])),
        ("failure rate", format!("{:.2} %", 100.0 * number("failureRate"))),
        (
            "compensated per failed",
            format!("{:.2}", number("compensationRate")),
        ),
        ("ever failed", text(&answer["everFailed"])),
        (
            "compensated of those",
            format!("{:.2} %", 100.0 * number("compensatedOfFailed")),
        ),
        ("success rate", format!("{:.2} %", 100.0 * number("successRate"))),
        ("nothing to compensate", text(&answer["nothingToCompensate"])),
        (
            "average duration",
            format!("{:.3} s", number("avgDurationSeconds")),
        ),
    ]);
    let by_status =
        SagaStatus::ALL.map(|status| [status.to_string(), text(&answer["byStatus"][status.as_str()])]);
    let types = answer["byType"].as_object().into_iter().flatten();
    let by_type = types.map(|(name, count)| [name.clone(), text(count)]);
    let by_status = table(["STATUS", "SAGAS"], by_status);
    let by_type = table(["TYPE", "SAGAS"], by_type);
    let details = &answer["details"];
    let details = if details.is_object() {
        show_details(details)
    } else {
        String::new()
    };
    format!("{whole}\n{by_status}\n{by_type}{details}")
}

fn show_details(details: &Value) -> String {
    let times = |of: &Value| ["count", "p50Seconds", "p95Seconds", "p99Seconds"].map(|name| text(&of[name]));
    let row = |name: &str, of: &Value| {
        let [count, half, most, nearly_all] = times(of);
        [name.to_owned(), count, half, most, nearly_all]
    };
    let durations = [
        row("completed", &details["duration"]),
        row("compensated", &details["compensation"]),
    ];
    let durations = table(["SAGAS", "TIMES", "P50 S", "P95 S", "P99 S"], durations);
    let steps = list(&details["byStep"]).iter().map(|step| {
        let [_, half, most, nearly_all] = times(&step["after"]);
        let counts = ["step", "sagas", "events"].map(|name| text(&step[name]));
        let [name, sagas, events] = counts;
        [name, sagas, events, half, most, nearly_all]
    });
    let steps = table(
        ["STEP", "SAGAS", "EVENTS", "AFTER P50 S", "P95 S", "P99 S"],
        steps,
    );
    let services = list(&details["byProducerService"]).iter();
    let services = services.map(|of| ["producerService", "sagas", "events"].map(|name| text(&of[name])));
    let services = table(["SERVICE", "SAGAS", "EVENTS"], services);
    let reasons = list(&details["failureReasons"]).iter();
    let reasons = table(
        ["FAILURE REASON", "SAGAS"],
        reasons.map(|of| ["failureReason", "sagas"].map(|name| text(&of[name]))),
    );
    format!("\n{durations}\n{steps}\n{services}\n{reasons}")
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
