//! `config` and `completions`: what the program knows about itself.

use super::args::ConfigArgs;
use super::exit::Outcome;
use super::output;
use crate::program::config::reference;
use clap::Args;
use clap_complete::Shell;
use serde_json::{Value, json};

/// How to show the configuration.
#[derive(Debug, Args)]
pub(super) struct ShowConfigArgs {
    /// Print every option with its default and help, as a TOML file to start from
    #[arg(long, conflicts_with = "json")]
    reference: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn config(args: &ShowConfigArgs) -> Outcome {
    if args.reference {
        return output::print(&reference());
    }
    let effective = args.config.load()?.effective;
    if args.json {
        let list = effective.iter().map(
            |entry| json!({"option": entry.option, "value": entry.value, "origin": entry.origin.to_string()}),
        );
        return output::json(&Value::Array(list.collect()));
    }
    let rows = effective.iter().map(|entry| {
        let value = match &entry.value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        [entry.option.clone(), value, entry.origin.to_string()]
    });
    output::print(&output::table(["OPTION", "VALUE", "FROM"], rows))
}

/// Completions of these commands.
pub(super) fn completions(args: &CompletionsArgs, commands: &mut clap::Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, commands, "saga-tracker", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
