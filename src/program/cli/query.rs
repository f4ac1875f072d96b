//! `get`, `steps`, `history`, `diff`, `search` and `stats`: questions to a running server.

use super::asked::{
    InsideArgs, KindArgs, MomentArgs, PageArgs, Parameters, StartedArgs, TwoMomentsArgs, given,
};
use super::client::{Server, ServerArgs, parse, segment};
use super::exit::Outcome;
use super::{output, show, show_past};
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
    #[command(flatten)]
    moment: MomentArgs,
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
    #[command(flatten)]
    moments: TwoMomentsArgs,
    /// Look into the archive when it was purged
    #[arg(long)]
    archive: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which sagas.
#[derive(Clone, Debug, Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    kind: KindArgs,
    #[command(flatten)]
    started: StartedArgs,
    #[command(flatten)]
    inside: InsideArgs,
    #[command(flatten)]
    moment: MomentArgs,
    /// startedAt or updatedAt, then asc or desc
    #[arg(long, value_name = "KEY,ORDER", default_value = "startedAt,desc")]
    sort: String,
    #[command(flatten)]
    page: PageArgs,
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
    #[command(flatten)]
    started: StartedArgs,
    #[command(flatten)]
    moment: MomentArgs,
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
    let query = with_archive(args.moment.parameters(), args.archive);
    let answer = Server::new(&args.server)?.get(&path, &query)?;
    args.format.print(&answer, table)
}

pub(super) fn diff(args: &DiffArgs) -> Outcome {
    let path = format!("/api/v1/sagas/{}/diff", segment(&args.id)?);
    let query = with_archive(args.moments.parameters(), args.archive);
    let answer = Server::new(&args.server)?.get(&path, &query)?;
    args.format.print(&answer, show_past::diff)
}

/// The moment that is meant, and whether to look into the archive.
fn with_archive(mut moment: Parameters, archive: bool) -> Parameters {
    moment.extend(archive.then(|| ("archive", "true".to_owned())));
    moment
}

pub(super) fn stats(args: &StatsArgs) -> Outcome {
    let mut query = given([("sagaType", &args.saga_type)]);
    query.extend(args.started.parameters());
    query.extend(args.moment.parameters());
    query.extend(args.details.then(|| ("include", "details".to_owned())));
    let answer = Server::new(&args.server)?.get("/api/v1/sagas/statistics", &query)?;
    args.format.print(&answer, show::statistics)
}

pub(super) fn search(args: &SearchArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let mut query = args.kind.parameters();
    query.extend(args.started.parameters());
    query.extend(args.inside.parameters());
    query.extend(args.moment.parameters());
    query.push(("sort", args.sort.clone()));
    if args.all {
        return all_pages(&server, query, args.format);
    }
    query.extend(args.page.parameters());
    let answer = server.get("/api/v1/sagas", &query)?;
    args.format.print(&answer, show::page)
}

/// Follows the cursors, so that a saga that arrives meanwhile shifts no page.
fn all_pages(server: &Server, query: Parameters, format: Format) -> Outcome {
    let mut rows = Vec::new();
    server.each_entry("/api/v1/sagas", query, (100, usize::MAX), |saga| {
        if format.json {
            return output::line(&saga.to_string());
        }
        rows.push(saga.clone());
        Ok(())
    })?;
    if format.json {
        Ok(())
    } else {
        output::print(&show::sagas(&rows))
    }
}
