//! `rebuild`, `verify` and `digest`: work on a whole store, in this process or in a running server.

use super::args::ConfigArgs;
use super::client::{Server, ServerArgs, parse};
use super::exit::{Exit, Failure, Outcome};
use super::follow::{Work, advance, bar, is_running, number};
use super::output;
use super::query::Format;
use crate::program::config::Config;
use crate::program::wiring::offline;
use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// How far work on events is, as a bar shows it.
const EVENTS: &str = "{human_pos}/{human_len} events  {per_sec}  {eta} left";

const REBUILD_DUE: &str = "the projections are made under other saga definitions than those configured now; the \
    next start of the tracker, or `saga-tracker rebuild`, makes them anew";

/// Where the store is: in a directory that nobody has open, or behind a running server.
#[derive(Debug, Args)]
pub(super) struct WhereArgs {
    /// Ask the running server at this address instead of opening the data directory
    #[arg(long, env = "SAGA_TRACKER_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A data directory that nobody has open.
#[derive(Debug, Args)]
pub(super) struct OfflineArgs {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

impl WhereArgs {
    /// The configuration, with logging set up as it says.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let config = self.config.load()?.config;
        super::logging::init(&config.log)?;
        Ok(config)
    }

    /// How to print.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The server to ask, if any. A data directory given by flag is meant, whatever the environment says.
    pub(super) fn server(&self) -> Result<Option<Server>, Failure> {
        match &self.url {
            Some(url) if !self.config.gives("store.data_dir") => Server::new(&ServerArgs {
                url: url.clone(),
                timeout: 60,
            })
            .map(Some),
            _ => Ok(None),
        }
    }
}

pub(super) fn rebuild(args: &WhereArgs) -> Outcome {
    match args.server()? {
        Some(server) => rebuild_online(&server, args.format),
        None => {
            let config = args.config.load()?.config;
            super::logging::init(&config.log)?;
            rebuild_offline(&config, args.format)
        }
    }
}

fn rebuild_offline(config: &Config, format: Format) -> Outcome {
    let (bar, started) = (bar("rebuilding", EVENTS), Instant::now());
    let report = offline::rebuild(config, &mut |done, of| advance(&bar, (done, of)));
    bar.finish_and_clear();
    let report = report.map_err(|error| Failure::local(&error))?;
    if format.json {
        return output::json(&json!({"sagas": report.sagas, "events": report.events}));
    }
    let (sagas, events) = (HumanCount(report.sagas), HumanCount(report.events));
    output::line(&format!(
        "rebuilt {sagas} sagas from {events} events in {:.1?}",
        started.elapsed()
    ))
}

/// Starts a rebuild in the server and follows it. The old projections serve until it is done.
fn rebuild_online(server: &Server, format: Format) -> Outcome {
    const PATH: &str = "/internal/v1/rebuild";
    let rebuild = Work {
        path: PATH,
        runs: &is_running,
        progress: &|status| (number(status, "done"), number(status, "total")),
    };
    let answer = rebuild.follow(server, parse(&server.post(PATH)?)?, &bar("rebuilding", EVENTS))?;
    if let Some(why) = answer["error"].as_str() {
        return Err(Failure::new(
            Exit::Server,
            format!("the rebuild failed, the old projections keep serving: {why}"),
        ));
    }
    if format.json {
        return output::json(&answer);
    }
    let events = HumanCount(number(&answer, "done"));
    output::line(&format!(
        "rebuilt the projections from {events} events; the new ones serve"
    ))
}

pub(super) fn verify(args: &OfflineArgs) -> Outcome {
    let config = args.config.load()?.config;
    super::logging::init(&config.log)?;
    let bar = bar("verifying", EVENTS);
    let report = offline::verify(&config, &mut |done, of| advance(&bar, (done, of)));
    bar.finish_and_clear();
    let (report, finished) = report.map_err(|error| Failure::local(&error))?;
    let found = &report.differences;
    if args.format.json {
        output::json(&json!({
            "sagas": report.sagas,
            "events": report.events,
            "rebuildDue": report.rebuild_due,
            "differing": found.count,
            "differences": found.told,
            "finished": finished,
        }))?;
    } else {
        for difference in &found.told {
            output::line(&output::printable(difference))?;
        }
        let (sagas, events) = (HumanCount(report.sagas), HumanCount(report.events));
        output::line(&match found.count {
            0 => {
                format!("verified {sagas} sagas of {events} events: every projection is the fold of the log")
            }
            1.. => format!(
                "{} differences in {sagas} sagas of {events} events; `saga-tracker rebuild` makes the projections anew",
                HumanCount(found.count)
            ),
        })?;
        if report.rebuild_due {
            output::line(REBUILD_DUE)?;
        }
        if let Some(decision) = finished {
            output::line(&half_done(decision))?;
        }
    }
    if found.count == 0 {
        Ok(())
    } else {
        Err(Failure::negative())
    }
}

pub(super) fn digest(args: &WhereArgs) -> Outcome {
    let answer = match args.server()? {
        Some(server) => parse(&server.get("/internal/v1/digest", &[])?)?,
        None => {
            let config = args.config.load()?.config;
            super::logging::init(&config.log)?;
            let report = offline::digest(&config).map_err(|error| Failure::local(&error))?;
            let digest = &report.digest;
            json!({
                "total": digest.total,
                "at": digest.at.iter().collect::<BTreeMap<_, _>>(),
                "topics": digest.topics,
                "applied": digest.applied,
                "waitingLetters": digest.waiting_letters,
                "rules": serde_json::from_str(&digest.rules).unwrap_or_else(|_| json!({})),
                "tables": digest.tables,
                "rebuildDue": report.rebuild_due,
                "finished": report.finished,
            })
        }
    };
    if args.format.json {
        output::json(&answer)
    } else {
        output::print(&digest_table(&answer))
    }
}

/// The digest, what went into it, and up to which offset of each partition.
fn digest_table(answer: &Value) -> String {
    let rows = |name: &'static str, label: &'static str| {
        let entries = answer[name].as_object().into_iter().flatten();
        entries.map(move |(key, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            [format!("{label} {key}"), value]
        })
    };
    let total = [[
        "all".to_owned(),
        answer["total"].as_str().unwrap_or("-").to_owned(),
    ]];
    let all = total
        .into_iter()
        .chain(rows("tables", "table"))
        .chain(rows("at", "next offset of partition"));
    output::table(["", ""], all.chain(decided_by(answer)))
}

/// What decides the digest beside the cut of the tracker topic.
fn decided_by(answer: &Value) -> Vec<[String; 2]> {
    let topics = answer["topics"].as_object().into_iter().flatten();
    let mut rows: Vec<[String; 2]> = topics
        .map(|(topic, offsets)| [format!("next offsets of {topic}"), offsets.to_string()])
        .collect();
    for (name, label) in [
        ("applied", "next decision to apply"),
        ("waitingLetters", "dead letters of unknown schemas"),
        ("rules", "rules of the fold"),
    ] {
        if let Some(value) = answer.get(name) {
            rows.push([label.to_owned(), short(&value.to_string())]);
        }
    }
    if answer["rebuildDue"] == true {
        rows.push(["note".to_owned(), REBUILD_DUE.to_owned()]);
    }
    if let Some(decision) = answer["finished"].as_u64() {
        rows.push(["note".to_owned(), half_done(decision)]);
    }
    rows
}

/// A text that fits into a table, or what tells it apart from others.
fn short(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    if text.len() <= MAX_CHARS {
        return text.to_owned();
    }
    format!(
        "BLAKE3 {}; --json shows them",
        blake3::hash(text.as_bytes()).to_hex()
    )
}

fn half_done(decision: u64) -> String {
    format!("decision {decision} was half done when the tracker ended; it is done now")
}
