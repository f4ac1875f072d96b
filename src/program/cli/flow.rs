//! `flow`: which step follows which, asked of a running server; as a table, or as a graph for other tools.

use super::asked::StartedArgs;
use super::client::{Server, ServerArgs, parse};
use super::exit::Outcome;
use super::output;
use super::output::{fields, table};
use super::query::Format;
use super::show::{list, text};
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Whose flow, and in which form.
#[derive(Clone, Debug, Args)]
pub(super) struct FlowArgs {
    /// Of sagas of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: String,
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

pub(super) fn flow(args: &FlowArgs) -> Outcome {
    let mut query = vec![("sagaType", args.saga_type.clone())];
    query.extend(args.started.parameters());
    let answer = Server::new(&args.server)?.get("/api/v1/flow", &query)?;
    if args.dot {
        return output::print(&dot(&parse(&answer)?));
    }
    if args.mermaid {
        return output::print(&mermaid(&parse(&answer)?));
    }
    args.format.print(&answer, show)
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
    format!("{whole}\n{steps}\n{edges}")
}

/// The steps by their numbers, so that names stand in labels alone.
fn numbers(answer: &Value) -> BTreeMap<String, usize> {
    let steps = list(&answer["steps"]).iter();
    steps.map(|step| text(&step["step"])).zip(0..).collect()
}

/// From, to and label of each edge.
fn edges(answer: &Value) -> impl Iterator<Item = (usize, usize, String)> {
    let numbers = numbers(answer);
    list(&answer["edges"]).iter().filter_map(move |edge| {
        let number = |end: &str| numbers.get(&text(&edge[end])).copied();
        let label = format!("{} × {}", text(&edge["count"]), seconds(&edge["p50Seconds"]));
        Some((number("from")?, number("to")?, label))
    })
}

fn dot(answer: &Value) -> String {
    let mut graph = "digraph flow {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for (name, number) in numbers(answer) {
        let _written = writeln!(graph, "  n{number} [label=\"{}\"];", dot_text(&name));
    }
    for (from, to, label) in edges(answer) {
        let _written = writeln!(graph, "  n{from} -> n{to} [label=\"{}\"];", dot_text(&label));
    }
    graph + "}\n"
}

fn dot_text(text: &str) -> String {
    let escaped = text.chars().map(|letter| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        letter if letter.is_control() => " ".to_owned(),
        letter => letter.to_string(),
    });
    escaped.collect()
}

fn mermaid(answer: &Value) -> String {
    let mut graph = "flowchart LR\n".to_owned();
    for (name, number) in numbers(answer) {
        let _written = writeln!(graph, "  n{number}[\"{}\"]", mermaid_text(&name));
    }
    for (from, to, label) in edges(answer) {
        let _written = writeln!(graph, "  n{from} -->|\"{}\"| n{to}", mermaid_text(&label));
    }
    graph
}

/// Letters that Mermaid or a page would take for something else stand as their numbers.
fn mermaid_text(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || " _-.,:×".contains(letter);
    let escaped = text.chars().map(|letter| match letter {
        letter if letter.is_control() => " ".to_owned(),
        letter if is_plain(letter) => letter.to_string(),
        letter => format!("#{};", u32::from(letter)),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer() -> Value {
        json!({
            "steps": [{"step": "A \"b\"\\"}, {"step": "<C>\n#1"}],
            "edges": [{"from": "A \"b\"\\", "to": "<C>\n#1", "count": 3, "p50Seconds": 1.5}],
        })
    }

    #[test]
    fn names_cannot_break_out_of_a_dot_label() {
        let expected = "digraph flow {\n  rankdir=LR;\n  node [shape=box];\n  n1 [label=\"<C> #1\"];\n  \
                        n0 [label=\"A \\\"b\\\"\\\\\"];\n  n0 -> n1 [label=\"3 × 1.500 s\"];\n}\n";
        let mut lines: Vec<&str> = expected.lines().collect();
        let graph = dot(&answer());
        let mut found: Vec<&str> = graph.lines().collect();
        lines.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, lines);
    }

    #[test]
    fn names_cannot_break_out_of_a_mermaid_label() {
        let graph = mermaid(&answer());
        assert!(graph.contains("n0[\"A #34;b#34;#92;\"]"), "{graph}");
        assert!(graph.contains("n1[\"#60;C#62; #35;1\"]"), "{graph}");
        assert!(graph.contains("n0 -->|\"3 × 1.500 s\"| n1"), "{graph}");
    }
}
