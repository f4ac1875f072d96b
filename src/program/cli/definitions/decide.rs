//! Trying a definitions file, and having it come into force.

use super::super::client::{Server, ServerArgs, parse};
use super::super::exit::Outcome;
use super::super::output;
use super::super::query::Format;
use super::{PATH, file, text};
use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What to try.
#[derive(Clone, Debug, Args)]
pub(in crate::program::cli) struct TryArgs {
    /// The definitions file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Sagas to name of those that would change, 0 to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=1000))]
    size: u64,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// What to bring into force.
#[derive(Clone, Debug, Args)]
pub(in crate::program::cli) struct ApplyArgs {
    /// The definitions file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Why; it stands with the version and in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The version that must be in force for it, 0 while none was applied: refused when there is another
    #[arg(long, value_name = "NUMBER")]
    expected: Option<u64>,
    /// Apply it even if it keeps sagas for fewer days than what is in force; they are then purged sooner. Without this
    /// such a file is refused
    #[arg(long)]
    allow_shorter_retention: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn apply(args: &ApplyArgs) -> Outcome {
    let mut body = json!({ "definitions": file(&args.file)?, "reason": args.reason });
    if let Some(expected) = args.expected {
        body["expectedVersion"] = json!(expected);
    }
    if args.allow_shorter_retention {
        body["allowShorterRetention"] = json!(true);
    }
    let answer = parse(&Server::new(&args.server)?.post_json(PATH, &body)?)?;
    if args.format.json {
        return output::json(&answer);
    }
    tell_shorter(&answer["shorterRetention"], "are")?;
    output::line(&format!(
        "version {} is in force, hash {}; `saga-tracker definitions show` tells whether the projections are still \
         made anew for it",
        answer["version"],
        text(&answer["hash"])
    ))
}

/// Tells which sagas are, or would be, kept for fewer days.
fn tell_shorter(shorter: &Value, verb: &str) -> Outcome {
    for one in shorter.as_array().into_iter().flatten() {
        output::line(&output::printable(&format!(
            "sagas of {} in {} {verb} kept for {} days instead of {}, and purged sooner",
            text(&one["sagaType"]),
            text(&one["status"]),
            one["newDays"],
            one["currentDays"]
        )))?;
    }
    Ok(())
}

pub(super) fn try_file(args: &TryArgs) -> Outcome {
    let (server, definitions) = (Server::new(&args.server)?, file(&args.file)?);
    let mut all = Sum::default();
    let mut cursor = Value::Null;
    loop {
        let left = usize::try_from(args.size)
            .unwrap_or(0)
            .saturating_sub(all.changes.len());
        let mut body = json!({ "definitions": definitions, "size": left });
        if !cursor.is_null() {
            body["cursor"] = cursor;
        }
        let mut part = parse(&server.post_json(&format!("{PATH}/try"), &body)?)?;
        cursor = part["nextCursor"].take();
        all.add(part, left);
        if cursor.is_null() {
            break;
        }
    }
    if args.format.json {
        return output::json(&all.json());
    }
    all.print()
}

/// Parts of a trial, added up.
#[derive(Default)]
struct Sum {
    hash: Value,
    types: Value,
    shorter: Value,
    sagas: u64,
    changing: u64,
    /// By type and status, how many there are and how many there would be.
    counts: BTreeMap<(String, String), [u64; 2]>,
    changes: Vec<Value>,
}

impl Sum {
    fn add(&mut self, mut part: Value, left: usize) {
        self.hash = part["hash"].take();
        self.types = part["types"].take();
        self.shorter = part["shorterRetention"].take();
        self.sagas += part["sagas"].as_u64().unwrap_or(0);
        self.changing += part["changing"].as_u64().unwrap_or(0);
        for (index, name) in ["before", "after"].into_iter().enumerate() {
            for (saga_type, statuses) in part[name].as_object().into_iter().flatten() {
                for (status, sagas) in statuses.as_object().into_iter().flatten() {
                    let counts = self
                        .counts
                        .entry((saga_type.clone(), status.clone()))
                        .or_default();
                    counts[index] += sagas.as_u64().unwrap_or(0);
                }
            }
        }
        if let Value::Array(changes) = part["changes"].take() {
            self.changes.extend(changes.into_iter().take(left));
        }
    }

    fn json(self) -> Value {
        let side = |index: usize| {
            let mut types: Map<String, Value> = Map::new();
            for ((saga_type, status), counts) in self.counts.iter().filter(|(_, counts)| counts[index] > 0) {
                let of_type = types.entry(saga_type.clone()).or_insert_with(|| json!({}));
                of_type[status.as_str()] = json!(counts[index]);
            }
            types
        };
        json!({
            "hash": self.hash,
            "types": self.types,
            "shorterRetention": self.shorter,
            "sagas": self.sagas,
            "changing": self.changing,
            "before": side(0),
            "after": side(1),
            "changes": self.changes,
        })
    }

    fn print(&self) -> Outcome {
        let types = self.types.as_object().into_iter().flatten();
        for (name, keys) in types {
            let keys: BTreeSet<&str> = keys
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
            output::line(&output::printable(&format!("{name}: {keys} would be other")))?;
        }
        tell_shorter(&self.shorter, "would be")?;
        let counts = self.counts.iter().map(|((saga_type, status), counts)| {
            let [before, after] = counts.map(|sagas| sagas.to_string());
            [saga_type.clone(), status.clone(), before, after]
        });
        output::print(&output::table(["TYPE", "STATUS", "NOW", "THEN"], counts))?;
        let changes = self.changes.iter().map(|change| {
            [
                text(&change["sagaId"]),
                text(&change["before"]["status"]),
                text(&change["after"]["status"]),
                text(&change["reason"]),
            ]
        });
        if !self.changes.is_empty() {
            output::print(&output::table(["SAGA", "NOW", "THEN", "WHY"], changes))?;
        }
        output::line(&format!(
            "{} of {} sagas would change, purged ones not counted; nothing was changed",
            self.changing, self.sagas
        ))
    }
}
