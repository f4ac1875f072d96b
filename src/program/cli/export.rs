//! `export`: takes results and event logs away from a running server, onto standard output.

use super::asked::{InsideArgs, KindArgs, MomentArgs, given};
use super::client::{Server, ServerArgs, segment};
use super::exit::{Failure, Outcome};
use super::{output, times};
use clap::{Args, ValueEnum, ValueHint};

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The event log: whole timelines, of the sagas that match
    Events,
    /// The sagas that match
    Sagas,
    /// The steps of one saga; --saga names it
    Steps,
    /// How many sagas of each type stood in each status
    Census,
    /// The audit log
    Audit,
    /// The dead letters that match, without their bytes
    DeadLetters,
}

/// What to take away, and how.
#[derive(Clone, Debug, Args)]
pub(super) struct ExportArgs {
    /// ndjson and csv for anything; ocel (OCEL 2.0, JSON) and xes for events
    #[arg(value_parser = ["ndjson", "csv", "ocel", "xes"])]
    format: String,
    /// What to take away
    #[arg(long, value_enum, default_value = "events")]
    of: What,
    /// The saga whose steps are meant
    #[arg(long, value_name = "SAGA_ID", required_if_eq("of", "steps"), value_hint = ValueHint::Other, allow_hyphen_values = true)]
    saga: Option<String>,
    #[command(flatten)]
    kind: KindArgs,
    /// Sagas that started (entries and dead letters that arrived) at or after this date or instant
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    from: Option<String>,
    /// The same, at or before
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    to: Option<String>,
    #[command(flatten)]
    inside: InsideArgs,
    #[command(flatten)]
    moment: MomentArgs,
    /// Any further parameter of the call, e.g. reason=unknown_status of dead letters
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = parse_pair)]
    further: Vec<(String, String)>,
    /// At most so many rows; of an event log, the events of so many sagas
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Go on behind the row that has this nextCursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Look for the steps of a purged saga in the archive
    #[arg(long)]
    archive: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("accepted: a name, =, and a value".to_owned()),
    }
}

pub(super) fn export(args: &ExportArgs) -> Outcome {
    let mut query: Vec<(&str, String)> = vec![("format", args.format.clone())];
    query.extend(args.kind.parameters());
    query.extend(given([
        ("fromDate", &args.from),
        ("toDate", &args.to),
        ("limit", &args.limit.map(|limit| limit.to_string())),
        ("cursor", &args.cursor),
    ]));
    query.extend(args.inside.parameters());
    query.extend(args.moment.parameters());
    query.extend(args.archive.then(|| ("archive", "true".to_owned())));
    let further = args.further.iter();
    query.extend(further.map(|(name, value)| (name.as_str(), value.clone())));
    Server::new(&args.server)?.each_part(&path(args)?, &query, output::bytes)
}

fn path(args: &ExportArgs) -> Result<String, Failure> {
    let what = match args.of {
        What::Events => "events".to_owned(),
        What::Sagas => "sagas".to_owned(),
        What::Steps => {
            let id = args.saga.as_deref().unwrap_or_default();
            format!("sagas/{}/steps", segment(id)?)
        }
        What::Census => "census".to_owned(),
        What::Audit => "audit".to_owned(),
        What::DeadLetters => "dead-letters".to_owned(),
    };
    Ok(format!("/api/v1/export/{what}"))
}
