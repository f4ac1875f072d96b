//! `doctor`: looks at everything the tracker depends on, changes nothing, and says what to do.

mod broker;
mod definitions;
mod group;
mod machine;
mod objects;
mod registry;
mod topic;

use super::args::ConfigArgs;
use super::exit::{Failure, Outcome};
use super::output;
use clap::Args;
use serde::Serialize;
use std::time::Duration;

/// How patiently to look, and how to tell.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Seconds that one check may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    #[command(flatten)]
    config: ConfigArgs,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verdict {
    /// As it should be.
    Ok,
    /// The tracker works, with a drawback.
    Warn,
    /// The tracker cannot do its job.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            found: found.into(),
            advice: None,
        }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Warn,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Fail,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

pub(super) fn doctor(args: &DoctorArgs) -> Outcome {
    let config = args.config.load()?.config;
    let timeout = Duration::from_secs(args.timeout);
    let mut checks = machine::check(&config);
    checks.extend(definitions::check(&config));
    checks.extend(registry::check(&config, timeout));
    checks.extend(broker::check(&config.kafka, timeout));
    checks.extend(objects::check(&config, timeout));
    if args.json {
        output::json(&serde_json::json!(checks))?;
    } else {
        output::print(&table(&checks))?;
    }
    if checks.iter().any(|check| check.verdict == Verdict::Fail) {
        Err(Failure::negative())
    } else {
        Ok(())
    }
}

fn table(checks: &[Check]) -> String {
    let rows = checks.iter().map(|check| {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        [
            verdict.to_owned(),
            check.check.to_owned(),
            check.found.clone(),
            check.advice.clone().unwrap_or_default(),
        ]
    });
    output::table(["", "CHECK", "FOUND", "WHAT TO DO"], rows)
}
