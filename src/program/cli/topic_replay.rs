//! `replay`: have a running server read the topic again.

use super::client::{Server, ServerArgs, parse};
use super::exit::{Exit, Failure, Outcome};
use super::follow::{Work, bar, is_running, number};
use super::output;
use super::query::Format;
use clap::Args;
use indicatif::HumanCount;
use serde_json::{Map, Value, json};

const PATH: &str = "/internal/v1/replay";

/// From where to read again.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// From this offset of each partition; without it, from what the broker still has
    #[arg(long, value_name = "OFFSET", conflicts_with = "from_time")]
    from_offset: Option<u64>,
    /// From the first record that arrived at or after this date or instant
    #[arg(long, value_name = "DATE")]
    from_time: Option<String>,
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    partition: Option<u32>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn replay(args: &ReplayArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let mut body = Map::new();
    if let Some(offset) = args.from_offset {
        body.insert("fromOffset".to_owned(), json!(offset));
    }
    if let Some(time) = &args.from_time {
        body.insert("fromTime".to_owned(), json!(time));
    }
    if let Some(partition) = args.partition {
        body.insert("partition".to_owned(), json!(partition));
    }
    let replay = Work {
        path: PATH,
        runs: &is_running,
        progress: &|status| (number(status, "read"), number(status, "total")),
    };
    let begun = parse(&server.post_json(PATH, &Value::Object(body))?)?;
    let bar = bar("replaying", "{human_pos}/{human_len} records");
    let status = replay.follow(&server, begun, &bar)?;
    if let Some(why) = status["error"].as_str() {
        return Err(Failure::new(
            Exit::Server,
            format!("the replay ended early: {why}"),
        ));
    }
    if args.format.json {
        return output::json(&status);
    }
    let count = |name: &str| HumanCount(number(&status, name));
    output::line(&format!(
        "read {} records again: {} were there, {} were missing and are filled in, {} lie before the start of the store",
        count("read"),
        count("known"),
        count("filled"),
        count("beforeStart")
    ))
}
