//! `stuck`: the stuck sagas, asked of a running server.

use super::asked::{PageArgs, StartedArgs, given, instants};
use super::client::{Server, ServerArgs};
use super::exit::Outcome;
use super::output::{fields, table};
use super::query::Format;
use super::show::{list, text};
use super::times;
use crate::domain::Millis;
use clap::Args;
use serde_json::Value;

/// Which stuck sagas.
#[derive(Clone, Debug, Args)]
pub(super) struct StuckArgs {
    /// Of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// By this rule: PAST_DEADLINE or COMPENSATION_OVERDUE
    #[arg(long, ignore_case = true, value_parser = ["PAST_DEADLINE", "COMPENSATION_OVERDUE"], hide_possible_values = true)]
    rule: Option<String>,
    #[command(flatten)]
    started: StartedArgs,
    /// Stuck at this event time: an instant, a date, or e.g. "2 hours ago"; left out, now
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    as_of: Option<Millis>,
    /// As it was known at this arrival time: what arrived later does not count, whenever it happened
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    known_at: Option<Millis>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn stuck(args: &StuckArgs) -> Outcome {
    let mut query = given([
        ("sagaType", &args.saga_type),
        ("rule", &args.rule.as_ref().map(|rule| rule.to_uppercase())),
    ]);
    query.extend(args.started.parameters());
    query.extend(instants([("asOf", args.as_of), ("knownAt", args.known_at)]));
    query.extend(args.page.parameters());
    let answer = Server::new(&args.server)?.get("/api/v1/sagas/stuck", &query)?;
    args.format.print(&answer, show)
}

fn show(answer: &Value) -> String {
    let page = &answer["page"];
    let whole = fields([
        ("as of", text(&answer["asOf"])),
        ("stuck", text(&page["totalElements"])),
        (
            "page",
            format!("{} of {}", text(&page["number"]), text(&page["totalPages"])),
        ),
    ]);
    let rows = list(&answer["content"]).iter().map(|saga| {
        let stuck = &saga["stuck"];
        let awaited = list(&stuck["awaited"]).iter().map(text).collect::<Vec<_>>();
        [
            text(&saga["sagaId"]),
            text(&saga["sagaType"]),
            text(&saga["currentStatus"]),
            text(&stuck["rule"]),
            text(&stuck["since"]),
            text(&saga["lastStep"]),
            awaited.join(", "),
        ]
    });
    let rows = table(
        ["SAGA", "TYPE", "STATUS", "RULE", "SINCE", "LAST STEP", "AWAITED"],
        rows,
    );
    format!("{whole}\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_saga_says_since_when_by_which_rule_and_what_is_awaited() {
        let answer = serde_json::json!({
            "asOf": "2026-01-01T00:00:00Z",
            "page": {"number": 0, "totalElements": 7, "totalPages": 4},
            "content": [{
                "sagaId": "order-1", "sagaType": "ORDER_CREATION", "currentStatus": "FAILED", "lastStep": "PAYMENT_FAILED",
                "stuck": {"rule": "COMPENSATION_OVERDUE", "since": "2025-12-31T23:00:00Z", "awaited": ["A", "B"]},
            }],
        });
        let shown = show(&answer);
        let row = shown.lines().find(|line| line.starts_with("order-1")).unwrap();
        let cells: Vec<&str> = row
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect();
        let expected = [
            "order-1",
            "ORDER_CREATION",
            "FAILED",
            "COMPENSATION_OVERDUE",
            "2025-12-31T23:00:00Z",
            "PAYMENT_FAILED",
            "A, B",
        ];
        assert_eq!(cells, expected);
        assert!(shown.contains("0 of 4"), "{shown}");
    }
}
