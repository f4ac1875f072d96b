//! `get`, `steps`, `history`, `diff`, `search` and `stats`: questions to a running server.

use super::client::{Server, ServerArgs, parse, segment};
use super::exit::Outcome;
use super::{output, show, show_past, times};
use crate::domain::Millis;
use clap::{Args, ValueHint};
use serde_json::Value;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Format {
    /// Print JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// One saga, by id.
#[derive(Clone, Debug, Args)]
pub(super) struct SagaArgs {
    /// The saga's id
    #[arg(value_hint = ValueHint::Other, allow_hyphen_values = true)]
    id: String,
    /// As of this event time: an instant, a date, or e.g. "2 hours ago"; what happened later does not count
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    as_of: Option<Millis>,
    /// As it was known at this arrival time: what arrived later does not count, whenever it happened
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    known_at: Option<Millis>,
    /// Look into the archive when it was purged
    #[arg(long)]
    archive: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// One saga at two moments; one of which nothing is given is now.
#[derive(Clone, Debug, Args)]
pub(super) struct DiffArgs {
    /// The saga's id
    #[arg(value_hint = ValueHint::Other, allow_hyphen_values = true)]
    id: String,
    /// The first moment, by event time: an instant, a date, or e.g. "2 hours ago"
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    from: Option<Millis>,
    /// The first moment, by arrival time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    from_known_at: Option<Millis>,
    /// The second moment, by event time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    to: Option<Millis>,
    /// The second moment, by arrival time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    to_known_at: Option<Millis>,
    /// Look into the archive when it was purged
    #[arg(long)]
    archive: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// What must have happened inside of the sagas.
#[derive(Clone, Debug, Args)]
pub(super) struct InsideArgs {
    /// In which this step was reported, e.g. PAYMENT_COMPLETED; repeated, each of them
    #[arg(long, value_name = "STEP")]
    step: Vec<String>,
    /// In which this step was not reported; repeated, none of them
    #[arg(long, value_name = "STEP")]
    without_step: Vec<String>,
    /// In which this service reported something
    #[arg(long, value_name = "SERVICE")]
    producer_service: Option<String>,
    /// Of this trace: one of the first eight that the saga's events named
    #[arg(long, value_name = "TRACE_ID")]
    trace_id: Option<String>,
}

impl InsideArgs {
    /// As parameters of a call.
    pub(super) fn asked(&self) -> Vec<(&'static str, String)> {
        let steps = self.step.iter().map(|step| ("step", step.clone()));
        let without = self.without_step.iter().map(|step| ("withoutStep", step.clone()));
        let names = given([
            ("producerService", &self.producer_service),
            ("traceId", &self.trace_id),
        ]);
        steps.chain(without).chain(names).collect()
    }
}

/// Which sagas.
#[derive(Clone, Debug, Args)]
pub(super) struct SearchArgs {
    /// Of this order
    #[arg(long, value_name = "ORDER_ID")]
    order: Option<String>,
    /// Of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// In this status: STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED
    #[arg(long, ignore_case = true, value_parser = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"], hide_possible_values = true)]
    status: Option<String>,
    /// Started at or after this: 2025-01-31, 2025-01-31T08:00:00Z, or e.g. "1 hour ago"
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    from: Option<String>,
    /// Started at or before this
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    to: Option<String>,
    #[command(flatten)]
    inside: InsideArgs,
    /// As of this event time: an instant, a date, or e.g. "2 hours ago"; what happened later does not count
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    as_of: Option<Millis>,
    /// As it was known at this arrival time: what arrived later does not count, whenever it happened
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    known_at: Option<Millis>,
    /// startedAt or updatedAt, then asc or desc
    #[arg(long, value_name = "KEY,ORDER", default_value = "startedAt,desc")]
    sort: String,
    /// Which page, from 0
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    page: u64,
    /// Sagas on a page, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    size: u64,
    /// All pages; with --json one saga per line
    #[arg(long, conflicts_with_all = ["page", "size"])]
    all: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// Numbers about which sagas.
#[derive(Clone, Debug, Args)]
pub(super) struct StatsArgs {
    /// Only of this type
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// Only those started at or after this: a date, an instant, or e.g. "1 hour ago"
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    from: Option<String>,
    /// Only those started at or before this
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    to: Option<String>,
    /// As of this event time: an instant, a date, or e.g. "2 hours ago"; what happened later does not count
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    as_of: Option<Millis>,
    /// As it was known at this arrival time: what arrived later does not count, whenever it happened
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    known_at: Option<Millis>,
    /// Also by step, by service and by reason of failure, and how long things took: each saga is looked at
    #[arg(long)]
    details: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

impl Format {
    pub(super) fn print(self, answer: &str, table: impl Fn(&Value) -> String) -> Outcome {
        if self.json {
            output::line(answer.trim_end())
        } else {
            output::print(&table(&parse(answer)?))
        }
    }
}

pub(super) fn get(args: &SagaArgs) -> Outcome {
    one(args, "", show::saga)
}

pub(super) fn steps(args: &SagaArgs) -> Outcome {
    one(args, "/steps", show::steps)
}

pub(super) fn history(args: &SagaArgs) -> Outcome {
    one(args, "/history", show_past::history)
}

/// Asks for something of one saga.
fn one(args: &SagaArgs, what: &str, table: impl Fn(&Value) -> String) -> Outcome {
    let path = format!("/api/v1/sagas/{}{what}", segment(&args.id)?);
    let clocks = [("asOf", args.as_of), ("knownAt", args.known_at)];
    let query = moments(clocks, args.archive);
    let answer = Server::new(&args.server)?.get(&path, &query)?;
    args.format.print(&answer, table)
}

pub(super) fn diff(args: &DiffArgs) -> Outcome {
    let path = format!("/api/v1/sagas/{}/diff", segment(&args.id)?);
    let clocks = [
        ("from", args.from),
        ("fromKnownAt", args.from_known_at),
        ("to", args.to),
        ("toKnownAt", args.to_known_at),
    ];
    let query = moments(clocks, args.archive);
    let answer = Server::new(&args.server)?.get(&path, &query)?;
    args.format.print(&answer, show_past::diff)
}

/// The clocks that were given, as exact instants, and whether to look into the archive.
pub(super) fn moments<const N: usize>(
    clocks: [(&'static str, Option<Millis>); N],
    archive: bool,
) -> Vec<(&'static str, String)> {
    let given = clocks
        .into_iter()
        .filter_map(|(name, at)| Some((name, at?.to_string())));
    given
        .chain(archive.then(|| ("archive", "true".to_owned())))
        .collect()
}

pub(super) fn stats(args: &StatsArgs) -> Outcome {
    let mut query = given([
        ("sagaType", &args.saga_type),
        ("fromDate", &args.from),
        ("toDate", &args.to),
    ]);
    query.extend(moments([("asOf", args.as_of), ("knownAt", args.known_at)], false));
    query.extend(args.details.then(|| ("include", "details".to_owned())));
    let answer = Server::new(&args.server)?.get("/api/v1/sagas/statistics", &query)?;
    args.format.print(&answer, show::statistics)
}

pub(super) fn search(args: &SearchArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let mut query = given([
        ("orderId", &args.order),
        ("sagaType", &args.saga_type),
        (
            "status",
            &args.status.as_ref().map(|status| status.to_uppercase()),
        ),
        ("fromDate", &args.from),
        ("toDate", &args.to),
    ]);
    query.extend(args.inside.asked());
    query.extend(moments([("asOf", args.as_of), ("knownAt", args.known_at)], false));
    query.push(("sort", args.sort.clone()));
    if args.all {
        return all_pages(&server, &query, args.format);
    }
    query.push(("page", args.page.to_string()));
    query.push(("size", args.size.to_string()));
    let answer = server.get("/api/v1/sagas", &query)?;
    args.format.print(&answer, show::page)
}

/// Follows the cursors, so that a saga that arrives meanwhile shifts no page.
fn all_pages(server: &Server, query: &[(&'static str, String)], format: Format) -> Outcome {
    let mut query = query.to_vec();
    query.push(("size", "100".to_owned()));
    let mut cursor: Option<String> = None;
    let mut rows = Vec::new();
    loop {
        let with_cursor: Vec<_> = query
            .iter()
            .cloned()
            .chain(cursor.take().map(|cursor| ("cursor", cursor)))
            .collect();
        let page = parse(&server.get("/api/v1/sagas", &with_cursor)?)?;
        for saga in page["content"].as_array().into_iter().flatten() {
            if format.json {
                output::line(&saga.to_string())?;
            } else {
                rows.push(saga.clone());
            }
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    if format.json {
        Ok(())
    } else {
        output::print(&show::sagas(&rows))
    }
}

pub(super) fn given<const N: usize>(of: [(&'static str, &Option<String>); N]) -> Vec<(&'static str, String)> {
    of.into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect()
}
