//! `retention`, `hold` and `archive`: what goes, what stays, and what comes back. All of it is asked of
//! a running server.

use super::asked::statuses;
use super::client::{Server, ServerArgs, parse, segment};
use super::exit::Outcome;
use super::query::Format;
use super::{output, show};
use clap::{Args, Subcommand, ValueHint};
use serde_json::{Map, Value, json};

/// The dry run.
#[derive(Clone, Debug, Args)]
pub(super) struct PlanArgs {
    /// Show what would be purged; without it, how far retention is
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// Holds.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum HoldCommand {
    /// Keep a saga, the sagas of an order, or those that match a query
    Add(AddArgs),
    /// End a hold
    Lift(LiftArgs),
    /// Show all holds
    List(ListArgs),
}

/// What to keep.
#[derive(Clone, Debug, Args)]
pub(super) struct AddArgs {
    /// One saga
    #[arg(long, value_name = "SAGA_ID", conflicts_with_all = ["order", "saga_type", "status", "from", "to"])]
    saga: Option<String>,
    /// The sagas of an order
    #[arg(long, value_name = "ORDER_ID", conflicts_with_all = ["saga_type", "status", "from", "to"])]
    order: Option<String>,
    /// Sagas of this type
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// Sagas in this status
    #[arg(long, ignore_case = true, value_parser = statuses(), hide_possible_values = true)]
    status: Option<String>,
    /// Sagas started at or after this date or instant
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Sagas started at or before this date or instant
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which hold ends.
#[derive(Clone, Debug, Args)]
pub(super) struct LiftArgs {
    /// The hold's number
    id: u64,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// How to list.
#[derive(Clone, Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// The archive.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum ArchiveCommand {
    /// Show the objects of the archive
    List(ObjectsArgs),
    /// Show the steps of a purged saga, from the archive
    Get(ArchivedArgs),
    /// Restore a purged saga
    Restore(RestoreArgs),
}

/// Which objects.
#[derive(Clone, Debug, Args)]
pub(super) struct ObjectsArgs {
    /// Objects to show, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    size: u64,
    /// nextCursor of an earlier answer
    #[arg(long, value_name = "NUMBER")]
    cursor: Option<u64>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// One saga.
#[derive(Clone, Debug, Args)]
pub(super) struct ArchivedArgs {
    /// The saga's id
    #[arg(value_hint = ValueHint::Other, allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which saga comes back.
#[derive(Clone, Debug, Args)]
pub(super) struct RestoreArgs {
    /// The saga's id
    #[arg(value_hint = ValueHint::Other, allow_hyphen_values = true)]
    id: String,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn plan(args: &PlanArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let answer = parse(&server.get("/api/v1/retention", &[])?)?;
    if args.format.json {
        return output::json(&answer);
    }
    if !args.dry_run {
        let due: u64 = list(&answer["rules"])
            .iter()
            .filter_map(|rule| rule["sagas"].as_u64())
            .sum();
        return output::print(&output::fields([
            ("due now", due.to_string()),
            ("decisions not applied yet", text(&answer["pendingDecisions"])),
            ("last finished search", text(&answer["lastSweep"])),
            ("problem", text(&answer["problem"])),
        ]));
    }
    let head = [
        "TYPE",
        "STATUS",
        "LAST EVENT UP TO",
        "SAGAS",
        "EVENTS",
        "HELD",
        "RECENTLY ACTIVE",
        "RULE",
    ];
    let rows = list(&answer["rules"]).iter().map(|rule| {
        [
            "sagaType",
            "status",
            "cutoff",
            "sagas",
            "events",
            "held",
            "recentlyActive",
            "rule",
        ]
        .map(|name| text(&rule[name]))
    });
    output::print(&output::table(head, rows))?;
    let note = if answer["truncated"] == true {
        "there is more: a plan looks at 100000 sagas"
    } else {
        "nothing was changed"
    };
    output::line(note)
}

pub(super) fn hold(command: &HoldCommand) -> Outcome {
    match command {
        HoldCommand::Add(args) => add(args),
        HoldCommand::Lift(args) => {
            let server = Server::new(&args.server)?;
            let path = format!("/api/v1/holds/{}/lift", args.id);
            let answer = parse(&server.post_json(&path, &json!({ "reason": args.reason }))?)?;
            told(args.format, &answer, &format!("hold {} is lifted", args.id))
        }
        HoldCommand::List(args) => {
            let server = Server::new(&args.server)?;
            let answer = parse(&server.get("/api/v1/holds", &[])?)?;
            if args.format.json {
                return output::json(&answer);
            }
            let head = ["HOLD", "KEEPS", "SINCE", "BY", "REASON", "LIFTED"];
            let rows = list(&answer["content"]).iter().map(|hold| {
                [
                    text(&hold["id"]),
                    keeps(hold),
                    text(&hold["at"]),
                    text(&hold["by"]),
                    text(&hold["reason"]),
                    text(&hold["lifted"]["at"]),
                ]
            });
            output::print(&output::table(head, rows))
        }
    }
}

fn add(args: &AddArgs) -> Outcome {
    let mut body = Map::new();
    let mut query = Map::new();
    let set = |into: &mut Map<String, Value>, name: &str, value: &Option<String>| {
        if let Some(value) = value {
            into.insert(name.to_owned(), json!(value));
        }
    };
    set(&mut body, "sagaId", &args.saga);
    set(&mut body, "orderId", &args.order);
    set(&mut query, "sagaType", &args.saga_type);
    set(
        &mut query,
        "status",
        &args.status.as_ref().map(|status| status.to_uppercase()),
    );
    set(&mut query, "fromDate", &args.from);
    set(&mut query, "toDate", &args.to);
    if !query.is_empty() {
        body.insert("query".to_owned(), Value::Object(query));
    }
    body.insert("reason".to_owned(), json!(args.reason));
    let server = Server::new(&args.server)?;
    let answer = parse(&server.post_json("/api/v1/holds", &Value::Object(body))?)?;
    told(
        args.format,
        &answer,
        &format!("hold {} is in force", text(&answer["id"])),
    )
}

pub(super) fn archive(command: &ArchiveCommand) -> Outcome {
    match command {
        ArchiveCommand::List(args) => objects(args),
        ArchiveCommand::Get(args) => {
            let server = Server::new(&args.server)?;
            let path = format!("/api/v1/sagas/{}/steps", segment(&args.id)?);
            let answer = parse(&server.get(&path, &[("archive", "true".to_owned())])?)?;
            if args.format.json {
                return output::json(&answer);
            }
            output::print(&show::steps(&answer))
        }
        ArchiveCommand::Restore(args) => {
            let server = Server::new(&args.server)?;
            let path = format!("/api/v1/archive/{}/restore", segment(&args.id)?);
            let answer = parse(&server.post_json(&path, &json!({ "reason": args.reason }))?)?;
            let events = text(&answer["events"]);
            told(
                args.format,
                &answer,
                &format!("saga {} is restored with {events} events", args.id),
            )
        }
    }
}

fn objects(args: &ObjectsArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let mut query = vec![("size", args.size.to_string())];
    query.extend(args.cursor.map(|cursor| ("cursor", cursor.to_string())));
    let answer = parse(&server.get("/api/v1/archive", &query)?)?;
    if args.format.json {
        return output::json(&answer);
    }
    let head = ["DECISION", "TYPE", "DAY", "SAGAS", "EVENTS", "BYTES", "OBJECT"];
    let rows = list(&answer["content"]).iter().map(|object| {
        ["decision", "sagaType", "day", "sagas", "events", "size", "name"].map(|name| text(&object[name]))
    });
    output::print(&output::table(head, rows))?;
    match &answer["nextCursor"] {
        Value::Null => Ok(()),
        cursor => output::line(&format!("more: --cursor {cursor}")),
    }
}

fn told(format: Format, answer: &Value, words: &str) -> Outcome {
    if format.json {
        output::json(answer)
    } else {
        output::line(&output::printable(words))
    }
}

/// What a hold keeps, in a few words.
fn keeps(hold: &Value) -> String {
    if let Some(saga) = hold["sagaId"].as_str() {
        return format!("saga {saga}");
    }
    if let Some(order) = hold["orderId"].as_str() {
        return format!("order {order}");
    }
    let parts = hold["query"].as_object().into_iter().flatten();
    parts
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
