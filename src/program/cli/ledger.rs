//! `ledger`: what every offset of the topic came to, asked of a running server; and where the deliveries of one
//! saga stand.

use super::client::{Server, ServerArgs, parse};
use super::exit::{Failure, Outcome};
use super::output::{fields, table};
use super::query::Format;
use super::show::{list, text};
use super::times;
use crate::domain::Millis;
use clap::Args;
use serde_json::Value;

/// The classes of an answer, as columns: what is shown, and where it stands.
const CLASSES: [(&str, &str); 10] = [
    ("APPLIED", "/applied"),
    ("DUPLICATE", "/duplicate"),
    ("OPERATOR", "/operator"),
    ("PURGED", "/purged"),
    ("PENDING", "/pending"),
    ("DEAD LETTER", "/deadLetter"),
    ("MARKER", "/gap/transactionMarker"),
    ("COMPACTION", "/gap/compaction"),
    ("EXPIRED", "/gap/expired"),
    ("UNEXPLAINED", "/gap/unexplained"),
];

/// Which part of the ledger.
#[derive(Clone, Debug, Args)]
pub(super) struct LedgerArgs {
    /// Only of this partition
    #[arg(long, value_name = "NUMBER")]
    partition: Option<u32>,
    /// Day by day too, from this day of arrival (UTC) on: a date, "yesterday", or e.g. "10 days ago"
    #[arg(long, value_name = "DAY", value_parser = times::parse)]
    from_day: Option<Millis>,
    /// Up to this day; at most 400 days
    #[arg(long, value_name = "DAY", value_parser = times::parse)]
    to_day: Option<Millis>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn ledger(args: &LedgerArgs) -> Outcome {
    let mut query = Vec::new();
    query.extend(args.partition.map(|number| ("partition", number.to_string())));
    query.extend(args.from_day.map(|at| ("fromDay", day(at))));
    query.extend(args.to_day.map(|at| ("toDay", day(at))));
    let answer = Server::new(&args.server)?.get("/api/v1/ledger", &query)?;
    args.format.print(&answer, show)?;
    if parse(&answer)?["complete"] == Value::Bool(true) {
        Ok(())
    } else {
        Err(Failure::negative())
    }
}

/// The day of UTC that an instant lies in.
fn day(at: Millis) -> String {
    let instant = at.to_string();
    instant.split('T').next().unwrap_or_default().to_owned()
}

fn show(answer: &Value) -> String {
    let verdict = match answer["complete"].as_bool() {
        Some(true) => "every offset is accounted for".to_owned(),
        _ => format!("{} offsets are unexplained", text(&answer["unexplained"])),
    };
    let head = fields([("complete", verdict)]);
    let partitions = list(&answer["partitions"]);
    let rows = partitions.iter().map(|partition| {
        let next = text(&partition["next"]);
        let span = format!("{} to {next}", text(&partition["start"]));
        row(text(&partition["partition"]), span, partition)
    });
    let all = std::iter::once(row("all".to_owned(), String::new(), &answer["total"]));
    let whole = rows_of("OFFSETS", rows.chain(all));
    let days = partitions.iter().flat_map(|partition| {
        let number = text(&partition["partition"]);
        let days = list(&partition["days"]).iter();
        days.map(move |day| row(number.clone(), text(&day["day"]), day))
    });
    let days: Vec<_> = days.collect();
    if days.is_empty() {
        return format!("{head}\n{whole}");
    }
    format!("{head}\n{whole}\n{}", rows_of("DAY", days.into_iter()))
}

fn row(partition: String, span: String, offsets: &Value) -> [String; 12] {
    let mut cells = [partition, span].into_iter();
    let mut classes = CLASSES
        .iter()
        .map(|(_, place)| offsets.pointer(place).map_or_else(String::new, text));
    std::array::from_fn(|_| cells.next().or_else(|| classes.next()).unwrap_or_default())
}

fn rows_of(second: &str, rows: impl Iterator<Item = [String; 12]>) -> String {
    let mut names = ["PARTITION", second]
        .into_iter()
        .chain(CLASSES.iter().map(|(name, _)| *name));
    let head: [&str; 12] = std::array::from_fn(|_| names.next().unwrap_or_default());
    table(head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_that_of_the_instant() {
        assert_eq!(day(Millis(1_763_596_799_999)), "2025-11-19");
        assert_eq!(day(Millis(1_763_596_800_000)), "2025-11-20");
    }

    #[test]
    fn each_partition_and_each_day_is_a_row_and_what_is_unexplained_comes_first() {
        let classes = serde_json::json!({
            "applied": 7, "duplicate": 1, "operator": 1, "purged": 0, "pending": 0, "deadLetter": 2,
            "gap": { "transactionMarker": 3, "compaction": 0, "expired": 0, "unexplained": 1 },
        });
        let mut partition = classes.clone();
        partition["partition"] = 2.into();
        partition["start"] = 5.into();
        partition["next"] = 20.into();
        let mut of_day = classes.clone();
        of_day["day"] = "2026-01-31".into();
        partition["days"] = vec![of_day].into();
        let shown = show(&serde_json::json!({
            "complete": false, "unexplained": 1, "total": classes, "partitions": [partition],
        }));
        let lines: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0], ["complete", "1", "offsets", "are", "unexplained"]);
        let counts = ["7", "1", "1", "0", "0", "2", "3", "0", "0", "1"];
        let of = |first: &[&'static str]| [first, &counts[..]].concat();
        assert!(lines.contains(&of(&["2", "5", "to", "20"])), "{shown}");
        assert!(lines.contains(&of(&["all"])), "{shown}");
        assert!(lines.contains(&of(&["2", "2026-01-31"])), "{shown}");
    }
}
