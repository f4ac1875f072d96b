//! `tail`: events as they come, asked of a running server.

use super::asked::given;
use super::client::{Server, ServerArgs, parse};
use super::exit::{Failure, Outcome};
use super::lasting::{Again, end_well};
use super::output::{self, printable};
use super::show::{list, text};
use clap::{Args, ValueHint};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The first place of the topic.
const START: &str = "0@0";
/// Seconds that the server waits for an event.
const WAIT: u64 = 20;
/// Between two questions when there was no more behind the first.
const SHORTEST: Duration = Duration::from_millis(250);

/// Which events, and in which form.
#[derive(Clone, Debug, Args)]
pub(super) struct TailArgs {
    /// Only sagas of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// Only this saga
    #[arg(long, value_name = "SAGA_ID", value_hint = ValueHint::Other, allow_hyphen_values = true)]
    saga: Option<String>,
    /// Only this step
    #[arg(long)]
    step: Option<String>,
    /// Only this status: STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED
    #[arg(long, ignore_case = true, value_parser = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"], hide_possible_values = true)]
    status: Option<String>,
    /// Only what this service reported
    #[arg(long)]
    service: Option<String>,
    /// Start at the first event instead of now
    #[arg(long, conflicts_with = "after")]
    from_start: bool,
    /// From this place in the topic on, e.g. 0@412,1@398
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// Print what there is now, then exit
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
        wait_within(args.server.timeout)
    };
    let mut again = Again::default();
    loop {
        let mut query = filter.clone();
        query.extend(after.clone().map(|place| ("after", place)));
        query.push(("size", "1000".to_owned()));
        if after.is_some() && wait > 0 {
            query.push(("wait", wait.to_string()));
        }
        let begun = Instant::now();
        match asked(&server, &query) {
            Ok(answer) => {
                again.goes_well();
                for event in list(&answer["events"]) {
                    if args.json {
                        output::json_line(&event.to_string())?;
                    } else {
                        output::line(&line(event))?;
                    }
                }
                after = answer["next"].as_str().map(str::to_owned);
                if answer["more"] != true {
                    if args.no_follow {
                        return Ok(());
                    }
                    std::thread::sleep(pause(begun.elapsed()));
                }
            }
            Err(failure) => again.wait_for(failure)?,
        }
    }
}

/// Maximum number of seconds that the server may wait, so that its answer comes within the timeout.
fn wait_within(timeout: u64) -> u64 {
    WAIT.min(timeout / 2)
}

/// How long to pause after an answer that took this long and had no more behind it: a server that did not wait is not
/// asked again at once.
fn pause(took: Duration) -> Duration {
    SHORTEST.saturating_sub(took)
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
    fn a_server_that_does_not_wait_is_not_asked_without_pause() {
        assert_eq!([1, 2, 30, 90].map(wait_within), [0, 1, 15, 20]);
        assert_eq!(pause(Duration::ZERO), SHORTEST);
        assert_eq!(pause(Duration::from_secs(1)), Duration::ZERO);
    }

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
