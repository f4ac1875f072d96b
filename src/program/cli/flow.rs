//! `flow`: which step follows which, asked of a running server; as a table, or as a graph for other tools.
//! `flow catalogue`: which events there are.

use super::asked::{StartedArgs, given};
use super::client::{Server, ServerArgs};
use super::exit::Outcome;
use super::output;
use super::output::{fields, table};
use super::query::Format;
use super::show::{list, text};
use clap::{Args, Subcommand};
use serde_json::Value;

/// Whose flow, and in which form.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct FlowArgs {
    #[command(subcommand)]
    part: Option<Part>,
    /// Of sagas of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE", required = true)]
    saga_type: Option<String>,
    #[command(flatten)]
    started: StartedArgs,
    /// Print a graph for Graphviz
    #[arg(long, conflicts_with_all = ["mermaid", "json"])]
    dot: bool,
    /// Print a graph for Mermaid
    #[arg(long, conflicts_with = "json")]
    mermaid: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum Part {
    /// Show which events there are, by type, step, service and status
    Catalogue(CatalogueArgs),
}

/// Which events, and in which form.
#[derive(Clone, Debug, Args)]
struct CatalogueArgs {
    /// Only of sagas of this type
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    #[command(flatten)]
    started: StartedArgs,
    /// Print a page of Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn flow(args: &FlowArgs) -> Outcome {
    if let Some(Part::Catalogue(args)) = &args.part {
        return catalogue(args);
    }
    let drawing = match (args.dot, args.mermaid) {
        (true, _) => Some("dot".to_owned()),
        (_, true) => Some("mermaid".to_owned()),
        _ => None,
    };
    let mut query = given([("sagaType", &args.saga_type), ("format", &drawing)]);
    query.extend(args.started.parameters());
    let answer = Server::new(&args.server)?.get("/api/v1/flow", &query)?;
    if drawing.is_some() {
        return output::print(&answer);
    }
    args.format.print(&answer, show)
}

fn catalogue(args: &CatalogueArgs) -> Outcome {
    let format = args.markdown.then(|| "markdown".to_owned());
    let mut query = given([("sagaType", &args.saga_type), ("format", &format)]);
    query.extend(args.started.parameters());
    let answer = Server::new(&args.server)?.get("/api/v1/flow/catalogue", &query)?;
    if args.markdown {
        return output::print(&answer);
    }
    args.format.print(&answer, show_catalogue)
}

fn show_catalogue(answer: &Value) -> String {
    let whole = fields([
        ("sagas", text(&answer["sagas"])),
        ("events", text(&answer["events"])),
        ("first seen", text(&answer["firstSeen"])),
        ("last seen", text(&answer["lastSeen"])),
    ]);
    let entries = list(&answer["entries"]).iter().map(|entry| {
        let cell = |name: &str| text(&entry[name]);
        let rate = entry["eventsPerHour"].as_f64();
        [
            cell("sagaType"),
            cell("step"),
            cell("service"),
            cell("status"),
            cell("events"),
            rate.map_or_else(String::new, |rate| format!("{rate:.2}")),
            cell("lastSeen"),
            owners(entry),
            if entry["documented"] == true { "yes" } else { "no" }.to_owned(),
        ]
    });
    let head = [
        "TYPE",
        "STEP",
        "SERVICE",
        "STATUS",
        "EVENTS",
        "PER HOUR",
        "LAST SEEN",
        "OWNERS",
        "DOCUMENTED",
    ];
    format!("{whole}\n{}", table(head, entries))
}

/// Of the type and of the service, each once.
fn owners(entry: &Value) -> String {
    let mut owners: Vec<&str> = ["typeOwner", "serviceOwner"]
        .into_iter()
        .filter_map(|name| entry[name].as_str())
        .collect();
    owners.dedup();
    owners.join(", ")
}

fn seconds(value: &Value) -> String {
    format!("{:.3} s", value.as_f64().unwrap_or(0.0))
}

fn show(answer: &Value) -> String {
    let whole = fields([
        ("from", text(&answer["period"]["from"])),
        ("to", text(&answer["period"]["to"])),
        ("sagas", text(&answer["sagas"])),
        ("events", text(&answer["events"])),
    ]);
    let steps = list(&answer["steps"]).iter().map(|step| {
        let services = step["services"].as_object().into_iter().flatten();
        let services: Vec<String> = services
            .map(|(name, events)| format!("{name} {events}"))
            .collect();
        let number = |name: &str| text(&step[name]);
        [
            number("step"),
            number("events"),
            number("first"),
            number("last"),
            services.join(", "),
        ]
    });
    let edges = list(&answer["edges"]).iter().map(|edge| {
        [
            text(&edge["from"]),
            text(&edge["to"]),
            text(&edge["count"]),
            seconds(&edge["p50Seconds"]),
            seconds(&edge["p95Seconds"]),
            seconds(&edge["p99Seconds"]),
        ]
    });
    let steps = table(["STEP", "EVENTS", "FIRST", "LAST", "SERVICES"], steps);
    let edges = table(["FROM", "TO", "COUNT", "P50", "P95", "P99"], edges);
    format!("{whole}\n{steps}\n{edges}{}", cycles(answer))
}

/// The services that lead to each other, by the edges that make each cycle; nothing when there are none.
fn cycles(answer: &Value) -> String {
    let cycles = list(&answer["cycles"]);
    if cycles.is_empty() {
        return String::new();
    }
    let rows = cycles.iter().zip(1..).flat_map(|(cycle, number)| {
        let edges = list(&cycle["edges"]).iter();
        edges.map(move |edge| {
            [
                number.to_string(),
                text(&edge["from"]),
                text(&edge["to"]),
                text(&edge["count"]),
            ]
        })
    });
    format!(
        "\n{}",
        table(["CYCLE", "FROM SERVICE", "TO SERVICE", "COUNT"], rows)
    )
}
