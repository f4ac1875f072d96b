//! `set-status` and `audit`: what an operator changes, and who changed what.

use super::asked::statuses;
use super::client::{Server, ServerArgs, parse, segment};
use super::exit::{Failure, Outcome};
use super::maintenance::WhereArgs;
use super::output;
use super::query::Format;
use crate::operations::audit::{self, Filter};
use crate::program::wiring::offline;
use clap::{Args, ValueHint};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/audit";

/// A saga, and the status that it should have.
#[derive(Debug, Args)]
pub(super) struct SetStatusArgs {
    /// The saga's id
    #[arg(value_hint = ValueHint::Other, allow_hyphen_values = true)]
    id: String,
    /// Its new status: STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED
    #[arg(ignore_case = true, value_parser = statuses(), hide_possible_values = true)]
    status: String,
    /// Why; it stands in the saga's timeline and in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The status that the decision is made on: refused when the saga has another when it is applied
    #[arg(long, value_name = "STATUS", ignore_case = true, value_parser = statuses(), hide_possible_values = true)]
    expected: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which entries of the audit log.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Walk the whole chain instead: is every entry as it was written? Exit code 1 if not
    #[arg(long, conflicts_with_all = ["who", "action", "target", "result", "size", "cursor"])]
    verify: bool,
    /// Entries of this name
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Entries of this action, e.g. set-status
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Entries about this target, e.g. a saga's id
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// Entries with this result: BEGUN, DONE, REFUSED or FAILED
    #[arg(long, ignore_case = true, value_parser = ["BEGUN", "DONE", "REFUSED", "FAILED"], hide_possible_values = true)]
    result: Option<String>,
    /// Entries to show, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100))]
    size: u64,
    /// Go on to older entries, from the cursor of an earlier answer
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    cursor: Option<u64>,
    #[command(flatten)]
    place: WhereArgs,
}

pub(super) fn set_status(args: &SetStatusArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let path = format!("/internal/v1/sagas/{}/status", segment(&args.id)?);
    let mut body = json!({ "status": args.status.to_uppercase(), "reason": args.reason });
    if let Some(expected) = &args.expected {
        body["expectedStatus"] = Value::from(expected.to_uppercase());
    }
    let answer = parse(&server.patch(&path, &body)?)?;
    if args.format.json {
        return output::json(&answer);
    }
    let text = |name: &str| answer[name].as_str().unwrap_or("-").to_owned();
    output::line(&output::printable(&format!(
        "saga {} went from {} to {} at {}, event {}",
        args.id,
        text("previousStatus"),
        text("currentStatus"),
        text("updatedAt"),
        text("eventId")
    )))
}

pub(super) fn audit(args: &AuditArgs) -> Outcome {
    if args.verify {
        return verify(args);
    }
    let answer = match args.place.server()? {
        Some(server) => parse(&server.get(PATH, &args.query())?)?,
        None => {
            let config = args.place.config()?;
            let size = usize::try_from(args.size).unwrap_or(usize::MAX);
            let page = offline::audit_page(&config, &args.filter(), args.cursor, size)
                .map_err(|error| Failure::local(&error))?;
            json!({ "content": page.entries, "nextCursor": page.next })
        }
    };
    if args.place.format().json {
        return output::json(&answer);
    }
    output::print(&entries(&answer))?;
    match answer["nextCursor"].as_u64() {
        Some(cursor) => output::line(&format!("older entries: --cursor {cursor}")),
        None => Ok(()),
    }
}

fn verify(args: &AuditArgs) -> Outcome {
    let answer = match args.place.server()? {
        Some(server) => parse(&server.get(&format!("{PATH}/verification"), &[])?)?,
        None => {
            let config = args.place.config()?;
            let found = offline::verify_audit(&config).map_err(|error| Failure::local(&error))?;
            json!(found)
        }
    };
    let faulty = answer["faulty"].as_u64().unwrap_or(0);
    if args.place.format().json {
        output::json(&answer)?;
    } else {
        let faults = answer["faults"].as_array().map_or(&[][..], Vec::as_slice);
        for fault in faults.iter().filter_map(Value::as_str) {
            output::line(&output::printable(fault))?;
        }
        let (count, head) = (&answer["entries"], answer["head"].as_str().unwrap_or("-"));
        output::line(&match faulty {
            0 => format!("{count} entries, each as it was written; the last one has the hash {head}"),
            1.. => format!("{faulty} faults in {count} entries: the audit log was changed or is damaged"),
        })?;
    }
    if faulty == 0 {
        Ok(())
    } else {
        Err(Failure::negative())
    }
}

impl AuditArgs {
    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("who", self.who.clone()),
            ("action", self.action.clone()),
            ("target", self.target.clone()),
            ("result", self.result.as_ref().map(|text| text.to_uppercase())),
            ("size", Some(self.size.to_string())),
            ("cursor", self.cursor.map(|cursor| cursor.to_string())),
        ];
        given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    fn filter(&self) -> Filter {
        let result = self.result.as_ref().map(|text| text.to_uppercase());
        let mut outcomes = audit::Outcome::ALL.into_iter();
        Filter {
            who: self.who.clone(),
            action: self.action.clone(),
            target: self.target.clone(),
            result: result.and_then(|text| outcomes.find(|outcome| outcome.as_str() == text)),
            ..Filter::default()
        }
    }
}

/// Entries below each other, newest first.
fn entries(answer: &Value) -> String {
    let list = answer["content"].as_array().map_or(&[][..], Vec::as_slice);
    let names = [
        "number", "at", "who", "from", "action", "target", "result", "why", "detail",
    ];
    let rows = list.iter().map(|entry| {
        names.map(|name| match &entry[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    });
    output::table(
        [
            "#", "AT", "WHO", "FROM", "ACTION", "TARGET", "RESULT", "WHY", "DETAIL",
        ],
        rows,
    )
}
