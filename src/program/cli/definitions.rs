//! `definitions`: what a running server knows of saga types, and whether a file is fit to say it.

use super::client::{Server, ServerArgs, parse};
use super::exit::{Exit, Failure, Outcome};
use super::output;
use super::query::Format;
use crate::domain::SagaDefinitions;
use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Saga definitions.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum DefinitionsCommand {
    /// Show the definitions in force, and the steps in use that they do not name
    Show(ShowArgs),
    /// Look through a definitions file and name its faults; exit code 1 if it has any
    Check(CheckArgs),
}

/// Whom to ask.
#[derive(Clone, Debug, Args)]
pub(super) struct ShowArgs {
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
    }
}

fn show(args: &ShowArgs) -> Outcome {
    let answer = parse(&Server::new(&args.server)?.get("/api/v1/definitions", &[])?)?;
    if args.format.json {
        return output::json(&answer);
    }
    output::print(&types(&answer))?;
    output::line(&format!("hash {}", text(&answer["hash"])))?;
    if answer["rebuildDue"] == true {
        output::line("others are configured; they come into force once the projections are made anew")?;
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

fn check(args: &CheckArgs) -> Outcome {
    let path = args.file.display();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::new(Exit::Local, format!("{path} cannot be read: {error}")))?;
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
