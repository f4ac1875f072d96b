//! `census`: how many sagas stood in each status, asked of a running server.

use super::asked::{MomentArgs, Parameters, TwoMomentsArgs, given, instants};
use super::client::{Server, ServerArgs};
use super::exit::Outcome;
use super::output::{fields, table};
use super::query::Format;
use super::show::{list, text};
use super::times;
use crate::domain::{Millis, SagaStatus};
use clap::{Args, Subcommand};
use serde_json::Value;

/// How many sagas stood in each status at a moment.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct CensusArgs {
    #[command(subcommand)]
    command: Option<CensusCommand>,
    #[command(flatten)]
    at: AtArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum CensusCommand {
    /// What changed between two moments, by type and status
    Diff(DiffArgs),
    /// How often each status was entered and left, hour by hour or day by day
    Series(SeriesArgs),
}

#[derive(Clone, Debug, Args)]
struct AtArgs {
    #[command(flatten)]
    moment: MomentArgs,
    #[command(flatten)]
    of: OfArgs,
}

/// Which sagas are counted.
#[derive(Clone, Debug, Args)]
struct OfArgs {
    /// Only of this type
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Debug, Args)]
struct DiffArgs {
    #[command(flatten)]
    moments: TwoMomentsArgs,
    #[command(flatten)]
    of: OfArgs,
}

#[derive(Clone, Debug, Args)]
struct SeriesArgs {
    /// Length of a stretch
    #[arg(long, value_parser = ["hour", "day"], default_value = "hour")]
    every: String,
    /// The first stretch is the one that this lies in: an instant, a date, or e.g. "2 hours ago"
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    from: Option<Millis>,
    /// The last stretch is the one that this lies in
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    to: Option<Millis>,
    #[command(flatten)]
    of: OfArgs,
}

pub(super) fn census(args: &CensusArgs) -> Outcome {
    match &args.command {
        None => ask(
            "/api/v1/census",
            args.at.moment.parameters(),
            &args.at.of,
            show_census,
        ),
        Some(CensusCommand::Diff(args)) => ask(
            "/api/v1/census/diff",
            args.moments.parameters(),
            &args.of,
            show_changes,
        ),
        Some(CensusCommand::Series(args)) => {
            let mut query = instants([("from", args.from), ("to", args.to)]);
            query.push(("every", args.every.clone()));
            ask("/api/v1/census/series", query, &args.of, show_series)
        }
    }
}

fn ask(path: &str, mut query: Parameters, of: &OfArgs, show: impl Fn(&Value) -> String) -> Outcome {
    query.extend(given([("sagaType", &of.saga_type)]));
    let answer = Server::new(&of.server)?.get(path, &query)?;
    of.format.print(&answer, show)
}

fn of_statuses(value: &Value) -> [String; 5] {
    SagaStatus::ALL.map(|status| text(&value[status.as_str()]))
}

fn show_census(answer: &Value) -> String {
    let whole = fields([
        ("as of", text(&answer["asOf"])),
        ("known at", text(&answer["knownAt"])),
        ("purged since", text(&answer["purged"]["total"])),
        ("definitions", text(&answer["definitions"])),
    ]);
    let row = |name: String, sums: &Value| {
        let [started, in_progress, completed, failed, compensated] = of_statuses(&sums["byStatus"]);
        let total = text(&sums["total"]);
        [name, total, started, in_progress, completed, failed, compensated]
    };
    let types = list(&answer["byType"]).iter();
    let types = types.map(|of_type| row(text(&of_type["sagaType"]), of_type));
    let others = answer.get("otherTypes");
    let others = others.map(|others| row(format!("{} other types", text(&others["types"])), others));
    let all = std::iter::once(row("all".to_owned(), answer));
    let rows = table(
        [
            "TYPE",
            "SAGAS",
            "STARTED",
            "IN_PROGRESS",
            "COMPLETED",
            "FAILED",
            "COMPENSATED",
        ],
        types.chain(others).chain(all),
    );
    format!("{whole}\n{rows}")
}

fn show_changes(answer: &Value) -> String {
    let changes = list(&answer["changes"]).iter();
    let changes = changes.flat_map(|change| changed(text(&change["sagaType"]), change));
    let purged = answer.get("purged").into_iter();
    let changes = changes.chain(purged.flat_map(|change| changed("purged since".to_owned(), change)));
    let changes = table(["TYPE", "STATUS", "BEFORE", "AFTER", "ENTERED", "LEFT"], changes);
    let late = answer.get("lateEvents").map(show_late_events);
    std::iter::once(changes)
        .chain(late)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The statuses of a change in which anything is not as it was.
fn changed(name: String, change: &Value) -> impl Iterator<Item = [String; 6]> + use<'_> {
    SagaStatus::ALL.into_iter().filter_map(move |status| {
        let cell = |part: &str| text(&change[part][status.as_str()]);
        let [before, after, entered, left] = ["before", "after", "entered", "left"].map(cell);
        let is_same = before == after && entered == "0" && left == "0";
        (!is_same).then(|| [name.clone(), status.to_string(), before, after, entered, left])
    })
}

fn show_late_events(late: &Value) -> String {
    let events = list(&late["events"]).iter().map(|event| {
        [
            "sagaId",
            "step",
            "status",
            "recordedAt",
            "arrivedAt",
            "partition",
            "offset",
        ]
        .map(|name| text(&event[name]))
    });
    let heads = [
        "SAGA",
        "STEP",
        "STATUS",
        "HAPPENED",
        "ARRIVED",
        "PARTITION",
        "OFFSET",
    ];
    format!(
        "{} events arrived in between:\n{}",
        text(&late["total"]),
        table(heads, events)
    )
}

fn show_series(answer: &Value) -> String {
    let points = list(&answer["points"]).iter().map(|point| {
        let [started, in_progress, completed, failed, compensated] = of_statuses(&point["entered"]);
        let from = text(&point["from"]);
        let standing = text(&point["byStatus"]["FAILED"]);
        let purged = of_statuses(&point["purged"]["byStatus"]);
        let purged: u64 = purged.iter().filter_map(|count| count.parse::<u64>().ok()).sum();
        [
            from,
            started,
            in_progress,
            completed,
            failed,
            compensated,
            standing,
            purged.to_string(),
        ]
    });
    table(
        [
            "FROM",
            "STARTED",
            "IN_PROGRESS",
            "COMPLETED",
            "FAILED",
            "COMPENSATED",
            "FAILED AT ITS END",
            "PURGED SINCE",
        ],
        points,
    )
}
