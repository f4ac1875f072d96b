//! `watch`: how things stand, second by second, in a terminal; or the frames of the live stream as they come.

use super::asked::given;
use super::client::{Server, ServerArgs, parse};
use super::exit::{Exit, Failure, Outcome};
use super::lasting::{Again, end_well};
use super::output::{self, printable};
use super::show::{list, text};
use clap::Args;
use serde_json::Value;
use std::io::{IsTerminal as _, stdout};

/// What to watch, and in which form.
#[derive(Clone, Debug, Args)]
pub(super) struct WatchArgs {
    /// Only sagas of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// Stop after this many frames; by default it runs until interrupted
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
    /// Print one frame a line, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn watch(args: &WatchArgs) -> Outcome {
    end_well();
    let server = Server::new(&args.server)?;
    let query = given([("sagaType", &args.saga_type)]);
    let mut screen = Screen {
        json: args.json,
        moving: stdout().is_terminal(),
        lines: 0,
        left: args.frames,
    };
    let mut again = Again::default();
    loop {
        let mut events = Events::default();
        let ended = server.each_part("/api/v1/live", &query, |part| {
            for event in events.take(part) {
                again.goes_well();
                if event.name == "frame" {
                    screen.show(&event.data)?;
                }
            }
            Ok(())
        });
        // What ends without an error ends with the server, which comes back.
        let why = match ended {
            Err(failure) if failure.exit == Exit::Ok => return Ok(()),
            Err(failure) => failure,
            Ok(()) => Failure::new(Exit::Server, "the server ended the stream"),
        };
        again.wait_for(why)?;
    }
}

/// Where frames are shown.
struct Screen {
    json: bool,
    /// Whether a frame takes the place of the one before.
    moving: bool,
    /// Lines of the last frame.
    lines: usize,
    left: Option<u64>,
}

impl Screen {
    fn show(&mut self, frame: &str) -> Outcome {
        if self.json {
            output::json_line(frame)?;
        } else {
            let frame = parse(frame)?;
            let shown = if self.moving {
                picture(&frame)
            } else {
                format!("{}\n", line(&frame))
            };
            let back = match self.lines {
                0 => String::new(),
                lines => format!("\u{1b}[{lines}F\u{1b}[J"),
            };
            output::print(&format!("{back}{shown}"))?;
            if self.moving {
                self.lines = shown.lines().count();
            }
        }
        self.left = self.left.map(|left| left - 1);
        match self.left {
            Some(0) => Err(Failure::new(Exit::Ok, "")),
            _ => Ok(()),
        }
    }
}

const STATUSES: [&str; 5] = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"];
/// Edges that are shown, those with the most first.
const EDGES: usize = 12;

/// A number, or that nobody knows it.
fn known(value: &Value) -> String {
    if value.is_null() {
        "?".to_owned()
    } else {
        printable(&text(value))
    }
}

/// All of a frame in one line.
fn line(frame: &Value) -> String {
    let statuses = STATUSES.map(|status| format!("{status} {}", known(&frame["byStatus"][status])));
    format!(
        "{} {} failed/h {} stuck {} dead letters {} unexplained {} lag {}",
        known(&frame["at"]),
        statuses.join(" "),
        known(&frame["failedPerHour"]),
        known(&frame["stuck"]),
        known(&frame["deadLettersOpen"]),
        known(&frame["unexplained"]),
        known(&frame["lag"]),
    )
}

/// A frame as a few lines.
fn picture(frame: &Value) -> String {
    let number = |name: &str| known(&frame[name]);
    let seal = match frame["unexplained"].as_u64() {
        Some(0) => "COMPLETE ",
        Some(_) => "INCOMPLETE ",
        None => "",
    };
    let statuses = STATUSES.map(|status| format!("{status} {}", known(&frame["byStatus"][status])));
    let mut edges: Vec<&Value> = list(&frame["edges"]).iter().collect();
    let rate = |edge: &Value| edge["perSecond"].as_f64().unwrap_or(0.0);
    edges.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
    let edges = edges.into_iter().take(EDGES).map(|edge| {
        let ends = [&edge["from"], &edge["to"]].map(|end| printable(&text(end)));
        format!("  {} -> {}  {:.2}/s\n", ends[0], ends[1], rate(edge))
    });
    format!(
        "{at}  lag {lag}\n{seal}{accounted} of {offsets} offsets, {unexplained} unexplained\n{statuses}\nfailed in the \
         last hour {failed}   stuck {stuck}   dead letters {letters}   incidents {incidents}\n{edges}",
        at = number("at"),
        lag = number("lag"),
        accounted = number("accounted"),
        offsets = number("offsets"),
        unexplained = number("unexplained"),
        statuses = statuses.join("   "),
        failed = number("failedPerHour"),
        stuck = number("stuck"),
        letters = number("deadLettersOpen"),
        incidents = number("incidents"),
        edges = edges.collect::<String>(),
    )
}

/// Server-sent events out of the parts of an answer.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
    name: String,
    data: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
}

impl Events {
    /// The events that are whole with this part.
    fn take(&mut self, part: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(part);
        let mut whole = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                if !data.is_empty() {
                    whole.push(Event { name, data });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.name),
                "data" => self.data.push_str(value),
                _ => {}
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_put_together_out_of_parts_that_end_anywhere() {
        let stream = b"retry: 2000\n\nevent: frame\nid: 7\ndata: {\"a\":1}\n\n: still there\n\nevent: end\ndata: {}\n\n";
        for cut in 0..stream.len() {
            let mut events = Events::default();
            let mut found = events.take(&stream[..cut]);
            found.extend(events.take(&stream[cut..]));
            let told: Vec<_> = found
                .iter()
                .map(|event| (event.name.as_str(), event.data.as_str()))
                .collect();
            assert_eq!(told, [("frame", "{\"a\":1}"), ("end", "{}")]);
        }
    }

    #[test]
    fn a_frame_says_what_is_known_and_what_is_not() {
        let frame = json!({
            "at": "2026-01-31T09:30:00Z", "lag": null, "offsets": 7, "accounted": 7, "unexplained": 0,
            "byStatus": {"STARTED": 1, "IN_PROGRESS": 2, "COMPLETED": 3, "FAILED": 4, "COMPENSATED": 5},
            "failedPerHour": 19, "stuck": 37, "deadLettersOpen": 12, "incidents": 0,
            "edges": [
                {"from": "A", "to": "B\u{1b}[2J", "perSecond": 0.5},
                {"from": "B", "to": "C", "perSecond": 12.25},
            ],
        });
        insta::assert_snapshot!(picture(&frame), @r"
        2026-01-31T09:30:00Z  lag ?
        COMPLETE 7 of 7 offsets, 0 unexplained
        STARTED 1   IN_PROGRESS 2   COMPLETED 3   FAILED 4   COMPENSATED 5
        failed in the last hour 19   stuck 37   dead letters 12   incidents 0
          B -> C  12.25/s
          A -> B\u{1b}[2J  0.50/s
        ");
        assert_eq!(
            line(&frame),
            "2026-01-31T09:30:00Z STARTED 1 IN_PROGRESS 2 COMPLETED 3 FAILED 4 COMPENSATED 5 failed/h 19 stuck 37 \
             dead letters 12 unexplained 0 lag ?"
        );
        let hostile = json!({"at": "now\u{9b}2J", "byStatus": {"FAILED": "\u{202e}"}, "lag": "\u{1b}[2J"});
        let drives = |text: &str| text.contains(['\u{9b}', '\u{202e}', '\u{1b}']);
        assert!(!drives(&line(&hostile)) && !drives(&picture(&hostile)));
    }
}
