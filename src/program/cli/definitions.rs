//! `definitions`: what a running server knows of saga types, whether a file is fit to say it, what it would change,
//! and having it come into force.

mod decide;

use super::client::{Server, ServerArgs, parse};
use super::exit::{Exit, Failure, Outcome};
use super::output;
use super::query::Format;
use crate::domain::SagaDefinitions;
use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Saga definitions.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum DefinitionsCommand {
    /// Show the definitions in force, and the steps in use that they do not name
    Show(ShowArgs),
    /// Look through a definitions file and name its faults; exit code 1 if it has any
    Check(CheckArgs),
    /// Fold the sagas under a definitions file beside what is in force, and show what would change
    Try(decide::TryArgs),
    /// Bring a definitions file into force, on every replica
    Apply(decide::ApplyArgs),
}

/// What to show, and whom to ask.
#[derive(Clone, Debug, Args)]
pub(super) struct ShowArgs {
    /// Print the file of this version instead, as it was applied
    #[arg(long = "file", value_name = "VERSION", conflicts_with = "versions", value_parser = clap::value_parser!(u64).range(1..))]
    file_of: Option<u64>,
    /// List the versions that were applied instead, newest first
    #[arg(long)]
    versions: bool,
    /// Versions to list, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 20, requires = "versions", value_parser = clap::value_parser!(u64).range(1..=100))]
    size: u64,
    /// Go on to older versions, from nextCursor of an earlier answer
    #[arg(long, value_name = "NUMBER", requires = "versions")]
    cursor: Option<u64>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which file.
#[derive(Clone, Debug, Args)]
pub(super) struct CheckArgs {
    /// The definitions file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    format: Format,
}

pub(super) fn definitions(command: &DefinitionsCommand) -> Outcome {
    match command {
        DefinitionsCommand::Show(args) => show(args),
        DefinitionsCommand::Check(args) => check(args),
        DefinitionsCommand::Try(args) => decide::try_file(args),
        DefinitionsCommand::Apply(args) => decide::apply(args),
    }
}

const PATH: &str = "/api/v1/definitions";

fn show(args: &ShowArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    match (args.file_of, args.versions) {
        (Some(number), _) => show_version(&server, number, args.format),
        (None, true) => show_versions(&server, args),
        (None, false) => show_in_force(&server, args.format),
    }
}

/// The file of a version, so that it can be kept, changed and applied again.
fn show_version(server: &Server, number: u64, format: Format) -> Outcome {
    let answer = parse(&server.get(&format!("{PATH}/versions/{number}"), &[])?)?;
    if format.json {
        return output::json(&answer);
    }
    let file = answer["definitions"].as_str().unwrap_or_default();
    output::print(file)?;
    if file.ends_with('\n') {
        Ok(())
    } else {
        output::line("")
    }
}

fn show_versions(server: &Server, args: &ShowArgs) -> Outcome {
    let mut query = vec![("size", args.size.to_string())];
    query.extend(args.cursor.map(|cursor| ("cursor", cursor.to_string())));
    let answer = parse(&server.get(&format!("{PATH}/versions"), &query)?)?;
    if args.format.json {
        return output::json(&answer);
    }
    let all = answer["content"].as_array().into_iter().flatten();
    let rows = all.map(|version| {
        ["version", "at", "by", "hash", "reason"].map(|name| match &version[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    });
    output::print(&output::table(["VERSION", "AT", "BY", "HASH", "REASON"], rows))?;
    match answer["nextCursor"].as_u64() {
        Some(cursor) => output::line(&format!("older versions: --cursor {cursor}")),
        None => Ok(()),
    }
}

fn show_in_force(server: &Server, format: Format) -> Outcome {
    let answer = parse(&server.get(PATH, &[])?)?;
    if format.json {
        return output::json(&answer);
    }
    output::print(&types(&answer))?;
    output::line(&format!("hash {}", text(&answer["hash"])))?;
    output::line(&output::printable(&came_from(&answer)))?;
    if let Some(why) = answer["unreadable"].as_str() {
        let told =
            format!("this tracker cannot read that version, and goes on by the last that it can: {why}");
        output::line(&output::printable(&told))?;
    }
    if answer["configured"]["differs"] == true {
        output::line("the file that is configured says something else; it is not used")?;
    }
    if answer["rebuildDue"] == true {
        output::line("others are in force; answers are given under them once the projections are made anew")?;
    }
    for step in answer["unknownSteps"].as_array().into_iter().flatten() {
        output::line(&output::printable(&format!(
            "no definition names the step {}, which {} events have",
            text(&step["step"]),
            step["events"]
        )))?;
    }
    Ok(())
}

/// How what is in force came to be.
fn came_from(answer: &Value) -> String {
    let decided = &answer["decided"];
    if decided.is_null() {
        return "no version was applied; what is configured is in force".to_owned();
    }
    format!(
        "version {}, applied by {} at {}: {}",
        answer["version"],
        text(&decided["by"]),
        text(&decided["at"]),
        text(&decided["reason"])
    )
}

fn types(answer: &Value) -> String {
    let all = answer["types"].as_object().into_iter().flatten();
    let rows = all.map(|(name, definition)| {
        [
            name.clone(),
            steps(&definition["completing_steps"]),
            compensations(&definition["compensates"]),
            format!("{} s", definition["deadline_seconds"]),
            format!("{} s", definition["compensation_seconds"]),
            text(&definition["owner"]),
        ]
    });
    let head = [
        "TYPE",
        "COMPLETED BY",
        "COMPENSATES",
        "DEADLINE",
        "COMPENSATION",
        "OWNER",
    ];
    output::table(head, rows)
}

fn compensations(value: &Value) -> String {
    let all = value.as_object().into_iter().flatten();
    let told: Vec<String> = all
        .map(|(undo, done)| match steps(done) {
            done if done.is_empty() => undo.clone(),
            done => format!("{undo} ({done})"),
        })
        .collect();
    told.join(", ")
}

fn steps(value: &Value) -> String {
    let all = value.as_array().into_iter().flatten();
    all.map(text).collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// The text of a definitions file.
fn file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Local, format!("{} cannot be read: {error}", path.display())))
}

fn check(args: &CheckArgs) -> Outcome {
    let (path, text) = (args.file.display(), file(&args.file)?);
    let faults: Vec<String> = SagaDefinitions::faults(&text)
        .iter()
        .map(|fault| fault.to_string().trim_end().to_owned())
        .collect();
    let read = SagaDefinitions::from_toml(&text).ok();
    if args.format.json {
        let types: Vec<&String> = read.iter().flat_map(|read| read.types.keys()).collect();
        let hash = read.as_ref().map(SagaDefinitions::hash);
        output::json(&json!({"faults": faults, "types": types, "hash": hash}))?;
    } else {
        for fault in &faults {
            let lines = fault.lines().map(output::printable);
            output::line(&lines.collect::<Vec<_>>().join("\n"))?;
        }
        if let Some(read) = &read {
            let number = read.types.len();
            output::line(&format!(
                "{path}: no fault; saga types: {number}, hash {}",
                read.hash()
            ))?;
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::negative())
    }
}
