//! `conformance`: the sagas that break rules of their definitions, asked of a running server.

use super::asked::{PageArgs, given};
use super::client::{Server, ServerArgs};
use super::exit::Outcome;
use super::output::{fields, table};
use super::query::Format;
use super::show::{list, text};
use super::times;
use clap::Args;
use serde_json::Value;

/// Which sagas.
#[derive(Clone, Debug, Args)]
pub(super) struct ConformanceArgs {
    /// Of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// Breaking this rule: NEVER_COMPENSATED, COMPENSATION_FAILED, COMPENSATED_TWICE, OUT_OF_ORDER,
    /// SUCCESS_AFTER_COMPENSATION, ACTIVITY_AFTER_END, UNKNOWN_STEP, MISSING_STEP or INVALID_METADATA
    #[arg(long)]
    rule: Option<String>,
    /// Last broke the rule at or after this: 2025-01-31, 2025-01-31T08:00:00Z, or e.g. "1 day ago"
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    from: Option<String>,
    /// Last broke the rule at or before this
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    to: Option<String>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn conformance(args: &ConformanceArgs) -> Outcome {
    let mut query = given([
        ("sagaType", &args.saga_type),
        ("rule", &args.rule.as_ref().map(|rule| rule.to_uppercase())),
        ("from", &args.from),
        ("to", &args.to),
    ]);
    query.extend(args.page.parameters());
    let answer = Server::new(&args.server)?.get("/api/v1/conformance", &query)?;
    args.format.print(&answer, show)
}

fn show(answer: &Value) -> String {
    let page = &answer["page"];
    let nothing = list(&answer["nothingToCompensate"]).iter();
    let nothing: u64 = nothing.filter_map(|count| count["sagas"].as_u64()).sum();
    let whole = fields([
        ("broken", text(&page["totalElements"])),
        ("nothing to compensate", nothing.to_string()),
        (
            "page",
            format!("{} of {}", text(&page["number"]), text(&page["totalPages"])),
        ),
    ]);
    let counts = list(&answer["counts"]).iter().map(|count| {
        [
            text(&count["sagaType"]),
            text(&count["rule"]),
            text(&count["sagas"]),
        ]
    });
    let counts = table(["TYPE", "RULE", "SAGAS"], counts);
    let rows = list(&answer["content"]).iter().map(|broken| {
        let saga = &broken["saga"];
        let violations = list(&broken["violations"]).iter();
        let what: Vec<String> = violations.map(|violation| text(&violation["message"])).collect();
        [
            text(&broken["at"]),
            text(&broken["rule"]),
            text(&saga["sagaId"]),
            text(&saga["sagaType"]),
            text(&saga["currentStatus"]),
            what.join("; "),
        ]
    });
    let rows = table(["AT", "RULE", "SAGA", "TYPE", "STATUS", "WHAT"], rows);
    format!("{whole}\n{counts}\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_first_and_each_saga_says_what_it_broke_and_when() {
        let answer = serde_json::json!({
            "counts": [{"sagaType": "T", "rule": "OUT_OF_ORDER", "sagas": 7}],
            "nothingToCompensate": [{"sagaType": "T", "sagas": 3}, {"sagaType": "U", "sagas": 2}],
            "page": {"number": 0, "totalElements": 7, "totalPages": 4},
            "content": [{
                "rule": "OUT_OF_ORDER", "at": "2026-01-01T00:00:00Z",
                "violations": [{"message": "B came before A"}, {"message": "C came without B"}],
                "saga": {"sagaId": "order-1", "sagaType": "T", "currentStatus": "FAILED"},
            }],
        });
        let shown = show(&answer);
        let cells = |begin: &str| -> Vec<String> {
            let line = shown.lines().find(|line| line.starts_with(begin)).unwrap();
            let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
            cells.map(str::to_owned).collect()
        };
        assert_eq!(cells("nothing"), ["nothing to compensate", "5"]);
        assert_eq!(cells("T "), ["T", "OUT_OF_ORDER", "7"]);
        assert_eq!(
            cells("2026"),
            [
                "2026-01-01T00:00:00Z",
                "OUT_OF_ORDER",
                "order-1",
                "T",
                "FAILED",
                "B came before A; C came without B"
            ]
        );
        assert!(shown.contains("0 of 4"), "{shown}");
    }
}
