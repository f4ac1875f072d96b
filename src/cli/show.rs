//! The server's answers as tables.

use super::output::{fields, table};
use serde_json::Value;

/// One saga: its fields below each other.
pub(super) fn saga(answer: &Value) -> String {
    let names = [
        "sagaId",
        "sagaType",
        "orderId",
        "currentStatus",
        "lastStep",
        "lastTraceId",
        "startedAt",
        "updatedAt",
        "stepCount",
    ];
    fields(names.map(|name| (name, text(&answer[name]))))
}

/// A saga's steps, in fold order.
pub(super) fn steps(answer: &Value) -> String {
    let rows = list(&answer["steps"]).iter().map(|step| {
        [
            "id",
            "recordedAt",
            "step",
            "status",
            "producerService",
            "traceId",
            "metadata",
        ]
        .map(|name| text(&step[name]))
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
    let percent = |name: &str| format!("{:.2} %", 100.0 * answer[name].as_f64().unwrap_or(0.0));
    let whole = fields([
        ("from", text(&answer["period"]["from"])),
        ("to", text(&answer["period"]["to"])),
        ("sagas", text(&answer["total"])),
        ("failure rate", percent("failureRate")),
        ("compensation rate", percent("compensationRate")),
        (
            "average duration",
            format!("{:.3} s", answer["avgDurationSeconds"].as_f64().unwrap_or(0.0)),
        ),
    ]);
    let counts = |head: &str, name: &str| {
        let rows = answer[name].as_object().into_iter().flatten();
        table(
            [head, "SAGAS"],
            rows.map(|(key, count)| [key.clone(), text(count)]),
        )
    };
    format!(
        "{whole}\n{}\n{}",
        counts("STATUS", "byStatus"),
        counts("TYPE", "byType")
    )
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
