//! `tail`: events as they come, asked of a running server.

use super::asked::given;
use super::client::{Server, ServerArgs, parse};
use super::exit::{Failure, Outcome};
use super::lasting::{Again, end_well};
use super::output::{self, printable};
use super::show::{list, text};
use clap::{Args, ValueHint};
use serde_json::Value;

/// The first place of the topic.
const START: &str = "0@0";
/// Seconds that the server waits for an event.
const WAIT: u64 = 20;

/// Which events, and in which form.
#[derive(Clone, Debug, Args)]
pub(super) struct TailArgs {
    /// Of sagas of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// Of this saga
    #[arg(long, value_name = "SAGA_ID", value_hint = ValueHint::Other, allow_hyphen_values = true)]
    saga: Option<String>,
    /// Of this step
    #[arg(long)]
    step: Option<String>,
    /// With this status: STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED
    #[arg(long, ignore_case = true, value_parser = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"], hide_possible_values = true)]
    status: Option<String>,
    /// Reported by this service
    #[arg(long)]
    service: Option<String>,
    /// From the first event on, not from now on
    #[arg(long, conflicts_with = "after")]
    from_start: bool,
    /// From this place in the topic on, e.g. 0@412,1@398
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// End when there are no more now
    #[arg(long)]
    no_follow: bool,
    /// Print one event a line, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn tail(args: &TailArgs) -> Outcome {
    end_well();
    let server = Server::new(&args.server)?;
    let filter = given([
        ("sagaType", &args.saga_type),
        ("sagaId", &args.saga),
        ("step", &args.step),
        (
            "status",
            &args.status.as_ref().map(|status| status.to_uppercase()),
        ),
        ("producerService", &args.service),
    ]);
    let mut after = if args.from_start {
        Some(START.to_owned())
    } else {
        args.after.clone()
    };
    let wait = if args.no_follow {
        0
    } else {
        WAIT.min(args.server.timeout / 2)
    };
    let mut again = Again::default();
    loop {
        let mut query = filter.clone();
        query.extend(after.clone().map(|place| ("after", place)));
        query.push(("size", "1000".to_owned()));
        if after.is_some() && wait > 0 {
            query.push(("wait", wait.to_string()));
        }
        match asked(&server, &query) {
            Ok(answer) => {
                again.goes_well();
                for event in list(&answer["events"]) {
                    output::line(&if args.json { event.to_string() } else { line(event) })?;
                }
                after = answer["next"].as_str().map(str::to_owned);
                if args.no_follow && answer["more"] != true {
                    return Ok(());
                }
            }
            Err(failure) => again.wait_for(failure)?,
        }
    }
}

fn asked(server: &Server, query: &[(&str, String)]) -> Result<Value, Failure> {
    parse(&server.get("/api/v1/events", query)?)
}

/// When it arrived, which saga, what happened.
fn line(event: &Value) -> String {
    let part = |name: &str| printable(&text(&event[name]));
    let (status, effective) = (part("status"), part("effectiveStatus"));
    let meant = if status == effective {
        status
    } else {
        format!("{status} ({effective})")
    };
    let service = match event["producerService"].as_str() {
        Some(name) => format!("  {}", printable(name)),
        None => String::new(),
    };
    let again = if event["duplicate"] == true {
        "  duplicate"
    } else {
        ""
    };
    format!(
        "{}  {}  {}  {meant}{service}  {}@{}{again}",
        part("arrivedAt"),
        part("sagaId"),
        part("step"),
        part("partition"),
        part("offset"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_a_line_that_cannot_drive_the_terminal() {
        let mut event = json!({
            "sagaId": "ORD-1\u{1b}[2J", "step": "STOCK_RESERVED", "status": "COMPLETED", "effectiveStatus": "IN_PROGRESS",
            "producerService": "product-service", "arrivedAt": "2026-01-31T09:30:00Z", "partition": 3, "offset": 7,
        });
        assert_eq!(
            line(&event),
            "2026-01-31T09:30:00Z  ORD-1\\u{1b}[2J  STOCK_RESERVED  COMPLETED (IN_PROGRESS)  product-service  3@7"
        );
        event["effectiveStatus"] = json!("COMPLETED");
        event["producerService"] = Value::Null;
        event["duplicate"] = json!(true);
        assert!(line(&event).ends_with("STOCK_RESERVED  COMPLETED  3@7  duplicate"));
    }
}
