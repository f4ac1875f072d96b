//! `dead-letters`: finding records that could not be applied, looking at them, and settling them.

mod act;

use super::asked::{Parameters, given};
use super::client::{Server, ServerArgs, parse, segment};
use super::exit::{Exit, Failure, Outcome};
use super::output::{self, fields, table};
use super::private;
use super::query::Format;
use crate::domain::text;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

const PATH: &str = "/api/v1/dead-letters";
/// Dead letters that are asked for at once.
const PAGE: usize = 500;

/// Records that could not be applied.
#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters, newest first
    List(ListArgs),
    /// Count dead letters by reason and state, or group them
    Count(CountArgs),
    /// Show one dead letter: what could be decoded, its bytes, headers and history
    Show(ShowArgs),
    /// Publish dead letters to the tracker topic again, or tell what that would do
    Redrive(act::RedriveArgs),
    /// List redrives, or what became of the dead letters of one
    Redrives(act::RedrivesArgs),
    /// Cancel a redrive: dead letters whose turn has not come stay as they are
    Cancel(act::CancelArgs),
    /// Discard dead letters, with a reason that stays
    Discard(act::DiscardArgs),
    /// Write dead letters with all that is known of them, one JSON object per line
    Export(ExportArgs),
}

/// Which dead letters; all that is given must hold.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct FilterArgs {
    /// Of this reason, e.g. unknown_status
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// From this topic
    #[arg(long)]
    pub(super) from_topic: Option<String>,
    /// Of this step, as far as it could be decoded
    #[arg(long)]
    pub(super) step: Option<String>,
    /// Of this saga, as far as it could be decoded
    #[arg(long, value_name = "SAGA_ID")]
    pub(super) saga: Option<String>,
    /// With this event, as far as it could be decoded
    #[arg(long, value_name = "EVENT_ID")]
    pub(super) event: Option<String>,
    /// In this state: open, redriven or discarded
    #[arg(long, value_parser = ["open", "redriven", "discarded"], hide_possible_values = true)]
    pub(super) state: Option<String>,
    /// Arrived at or after this date or instant
    #[arg(long, value_name = "DATE")]
    pub(super) from: Option<String>,
    /// Arrived at or before this date or instant
    #[arg(long, value_name = "DATE")]
    pub(super) to: Option<String>,
}

impl FilterArgs {
    /// The filter as parameters of the API.
    pub(super) fn parameters(&self) -> Parameters {
        given([
            ("reason", &self.reason),
            ("topic", &self.from_topic),
            ("step", &self.step),
            ("sagaId", &self.saga),
            ("eventId", &self.event),
            ("state", &self.state),
            ("fromDate", &self.from),
            ("toDate", &self.to),
        ])
    }
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Dead letters to list, at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// All of them; with --json one dead letter per line
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct CountArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Group by reason, topic or step
    #[arg(long, value_parser = ["reason", "topic", "step"], hide_possible_values = true)]
    by: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The dead letter's id, e.g. 0-17
    id: String,
    /// Write the value's bytes to this file, or to standard output for -
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    raw: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// File to write, which must not exist; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn letters(args: &DeadLettersArgs) -> Outcome {
    match &args.command {
        Command::List(args) => list(args),
        Command::Count(args) => count(args),
        Command::Show(args) => show(args),
        Command::Redrive(args) => act::redrive(args),
        Command::Redrives(args) => act::redrives(args),
        Command::Cancel(args) => act::cancel(args),
        Command::Discard(args) => act::discard(args),
        Command::Export(args) => export(args),
    }
}

fn list(args: &ListArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let limit = if args.all { usize::MAX } else { args.limit };
    let mut rows = Vec::new();
    let by_line = args.all && args.format.json;
    server.each_entry(PATH, args.filter.parameters(), (PAGE, limit), |letter| {
        if by_line {
            return output::line(&letter.to_string());
        }
        rows.push(letter.clone());
        Ok(())
    })?;
    if by_line {
        Ok(())
    } else if args.format.json {
        output::json(&Value::Array(rows))
    } else {
        output::print(&letters_table(&rows))
    }
}

fn letters_table(rows: &[Value]) -> String {
    let names = [
        "id",
        "arrivedAt",
        "state",
        "reason",
        "step",
        "sagaId",
        "status",
        "detail",
    ];
    let rows = rows.iter().map(|letter| names.map(|name| text(&letter[name])));
    table(
        [
            "ID",
            "ARRIVED AT",
            "STATE",
            "REASON",
            "STEP",
            "SAGA",
            "STATUS",
            "DETAIL",
        ],
        rows,
    )
}

fn count(args: &CountArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let mut query = args.filter.parameters();
    let Some(by) = &args.by else {
        let answer = parse(&server.get(&format!("{PATH}/count"), &query)?)?;
        if args.format.json {
            return output::json(&answer);
        }
        let mut rows: Vec<[String; 5]> = answer["byReason"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(reason, counts)| counts_row(reason.clone(), counts))
            .collect();
        rows.push(counts_row("all".to_owned(), &answer));
        return output::print(&table(COUNTS_HEAD, rows));
    };
    query.push(("by", by.clone()));
    let answer = parse(&server.get(&format!("{PATH}/groups"), &query)?)?;
    if args.format.json {
        return output::json(&answer);
    }
    let rows = answer["groups"].as_array().into_iter().flatten();
    let rows = rows.map(|group| {
        let [name, total, open, redriven, discarded] = counts_row(text(&group["name"]), group);
        let newest = text(&group["newest"]);
        [
            name,
            total,
            open,
            redriven,
            discarded,
            newest,
            text(&group["example"]),
        ]
    });
    output::print(&table(
        [
            "NAME",
            "ALL",
            "OPEN",
            "REDRIVEN",
            "DISCARDED",
            "NEWEST",
            "EXAMPLE",
        ],
        rows,
    ))
}

const COUNTS_HEAD: [&str; 5] = ["REASON", "ALL", "OPEN", "REDRIVEN", "DISCARDED"];

fn counts_row(name: String, counts: &Value) -> [String; 5] {
    let [total, open, redriven, discarded] =
        ["total", "open", "redriven", "discarded"].map(|state| text(&counts[state]));
    [name, total, open, redriven, discarded]
}

fn show(args: &ShowArgs) -> Outcome {
    let answer = Server::new(&args.server)?.get(&format!("{PATH}/{}", segment(&args.id)?), &[])?;
    let letter = parse(&answer)?;
    if let Some(path) = &args.raw {
        return write_raw(path, &letter);
    }
    if args.format.json {
        return output::line(answer.trim_end());
    }
    output::print(&letter_text(&letter))
}

fn write_raw(path: &std::path::Path, letter: &Value) -> Outcome {
    use base64::Engine as _;
    let local = |why: String| Failure::new(Exit::Local, why);
    let Some(encoded) = letter["value"]["base64"].as_str() else {
        let told = "the dead letter has no value; it is a tombstone";
        return Err(Failure::new(Exit::Negative, told));
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|error| local(format!("the server's answer is not base64: {error}")))?;
    let written = if path.as_os_str() == "-" {
        std::io::stdout().lock().write_all(&bytes)
    } else {
        private::create(path).and_then(|mut file| file.write_all(&bytes))
    };
    written.map_err(|error| local(format!("{}: {error}", path.display())))
}

fn letter_text(letter: &Value) -> String {
    let names = ["id", "topic", "state", "reason", "detail", "arrivedAt", "bytes"];
    let head = fields(names.map(|name| (name, text(&letter[name]))));
    let decoded = &letter["decoded"];
    let is_event = decoded["isEvent"] == true;
    let verdict = if is_event {
        "an event now; redriven as it is, it would be applied".to_owned()
    } else {
        format!("no event: {}", text(&decoded["defect"]["detail"]))
    };
    let names = [
        "schemaId",
        "eventId",
        "eventTimestamp",
        "sagaId",
        "sagaType",
        "step",
        "status",
        "orderId",
        "metadata",
        "recordedAt",
    ];
    let rows = std::iter::once(("decoded", verdict)).chain(names.map(|name| (name, text(&decoded[name]))));
    let decoded = fields(rows);
    let bytes = fields([
        ("key", bytes_text(&letter["key"])),
        ("value", bytes_text(&letter["value"])),
    ]);
    let headers = letter["headers"].as_array().into_iter().flatten();
    let headers = headers.map(|header| [text(&header["name"]), bytes_text(&header["value"])]);
    let headers = table(["HEADER", "VALUE"], headers);
    let history = letter["history"].as_array().into_iter().flatten();
    let history = history.map(|entry| [text(&entry["at"]), entry_words(entry)]);
    let history = table(["WHEN", "WHAT"], history);
    format!("{head}\n{decoded}\n{bytes}\n{headers}\n{history}")
}

/// Text where the bytes are text, hexadecimal otherwise; the first of them.
fn bytes_text(bytes: &Value) -> String {
    use base64::Engine as _;
    const MAX_SHOWN_BYTES: usize = 512;
    if bytes.is_null() {
        return "-".to_owned();
    }
    if let Some(text) = bytes["text"].as_str() {
        let shown = text::first(text, MAX_SHOWN_BYTES);
        return if shown.len() < text.len() {
            format!("{shown}… ({} bytes; --raw writes all)", text.len())
        } else {
            text.to_owned()
        };
    }
    let encoded = bytes["base64"].as_str().unwrap_or_default();
    let raw = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .unwrap_or_default();
    let hex = text::hex(&raw[..raw.len().min(MAX_SHOWN_BYTES)]);
    if raw.len() > MAX_SHOWN_BYTES {
        format!("0x{hex}… ({} bytes; --raw writes all)", raw.len())
    } else {
        format!("0x{hex}")
    }
}

fn entry_words(entry: &Value) -> String {
    match entry["what"].as_str() {
        Some("returned") => {
            let became = &entry["became"];
            let more = [&became["sagaId"], &became["letterId"], &became["reason"]];
            let more: Vec<String> = more
                .iter()
                .filter(|value| !value.is_null())
                .map(|value| text(value))
                .collect();
            format!(
                "came back at {}: {} {}",
                text(&entry["position"]),
                text(&became["outcome"]),
                more.join(", ")
            )
        }
        Some("discarded") => format!("discarded by {}: {}", text(&entry["by"]), text(&entry["reason"])),
        _ => "arrived".to_owned(),
    }
}

fn export(args: &ExportArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let local = |error: std::io::Error| Failure::new(Exit::Local, format!("writing the export: {error}"));
    let mut file = match &args.out {
        None => None,
        Some(path) => {
            let made = std::fs::File::create_new(path);
            let made =
                made.map_err(|error| Failure::new(Exit::Local, format!("{}: {error}", path.display())))?;
            Some(std::io::BufWriter::new(made))
        }
    };
    let mut ids = Vec::new();
    server.each_entry(PATH, args.filter.parameters(), (PAGE, usize::MAX), |letter| {
        ids.push(text(&letter["id"]));
        Ok(())
    })?;
    for id in &ids {
        let letter = server.get(&format!("{PATH}/{}", segment(id)?), &[])?;
        let letter = parse(&letter)?.to_string();
        match &mut file {
            Some(file) => writeln!(file, "{letter}").map_err(local)?,
            None => output::line(&letter)?,
        }
    }
    if let Some(mut file) = file {
        file.flush().map_err(local)?;
        file.get_ref().sync_all().map_err(local)?;
        output::line(&format!("exported {} dead letters", ids.len()))?;
    }
    Ok(())
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
