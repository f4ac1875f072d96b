//! `dead-letters redrive` and `discard`: what is asked of the server, followed to its end, and told
//! one by one.

use super::super::client::{Server, ServerArgs, parse};
use super::super::exit::{Exit, Failure, Outcome};
use super::super::follow::{self, Work};
use super::super::output::{self, table};
use super::super::query::Format;
use super::{FilterArgs, PATH, text};
use base64::Engine as _;
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Which dead letters.
#[derive(Debug, Args)]
struct ChoiceArgs {
    /// Ids of dead letters, e.g. 0-17
    ids: Vec<String>,
    /// All open dead letters; narrowed by the filters
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

impl ChoiceArgs {
    /// The part of the body that says which dead letters.
    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let filter = self.filter.parameters();
        let mut body = Map::new();
        match (self.ids.is_empty(), filter.is_empty()) {
            (false, true) => {
                body.insert("ids".to_owned(), json!(self.ids));
            }
            (true, false) => {
                let filter: Map<String, Value> = filter
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), Value::String(value)))
                    .collect();
                body.insert("filter".to_owned(), Value::Object(filter));
            }
            (true, true) if self.all => {
                body.insert("filter".to_owned(), json!({}));
            }
            (true, true) => {
                let told = "name dead letters by id, or choose them by a filter such as --reason, or --all";
                return Err(Failure::new(Exit::Usage, told));
            }
            (false, false) => {
                let told = "either ids or a filter chooses dead letters, not both";
                return Err(Failure::new(Exit::Usage, told));
            }
        }
        Ok(body)
    }
}

/// What to publish again.
#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Only tell what it would do to each dead letter's saga
    #[arg(long)]
    dry_run: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Read the body with the schema of this id
    #[arg(long, value_name = "ID")]
    schema_id: Option<u32>,
    /// Publish the bytes of this file instead of the value; one dead letter only
    #[arg(long, value_name = "FILE", conflicts_with_all = ["set", "edit"])]
    value: Option<PathBuf>,
    /// Set a field of the event, e.g. --set status=FAILED; one dead letter only
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Set the fields that this JSON file holds; one dead letter only
    #[arg(long, value_name = "FILE")]
    edit: Option<PathBuf>,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

impl RedriveArgs {
    fn change(&self) -> Result<Map<String, Value>, Failure> {
        let usage = |told: String| Failure::new(Exit::Usage, told);
        let mut change = Map::new();
        if let Some(id) = self.schema_id {
            change.insert("schemaId".to_owned(), json!(id));
        }
        if let Some(path) = &self.value {
            let bytes = std::fs::read(path).map_err(|error| usage(format!("{}: {error}", path.display())))?;
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            change.insert("valueBase64".to_owned(), json!(encoded));
        }
        let mut event = match &self.edit {
            None => Map::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| usage(format!("{}: {error}", path.display())))?;
                serde_json::from_str(&text)
                    .map_err(|error| usage(format!("{}: not a JSON object: {error}", path.display())))?
            }
        };
        for setting in &self.set {
            let (field, value) = setting
                .split_once('=')
                .ok_or_else(|| usage(format!("--set takes FIELD=VALUE, found {setting:?}")))?;
            event.insert(field.to_owned(), json!(value));
        }
        if !event.is_empty() {
            change.insert("event".to_owned(), Value::Object(event));
        }
        Ok(change)
    }
}

pub(super) fn redrive(args: &RedriveArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let mut body = args.choice.body()?;
    body.insert("dryRun".to_owned(), json!(args.dry_run));
    if let Some(why) = &args.why {
        body.insert("reason".to_owned(), json!(why));
    }
    let change = args.change()?;
    if !change.is_empty() {
        body.insert("change".to_owned(), Value::Object(change));
    }
    let mut status = parse(&server.post_json(&format!("{PATH}/redrive"), &Value::Object(body))?)?;
    let number = text(&status["number"]);
    if !args.no_wait {
        let doing = if args.dry_run { "forecasting" } else { "redriving" };
        let redrive = Work {
            path: &format!("{PATH}/redrives/{number}"),
            runs: &follow::is_running,
            progress: &|status| {
                let letters = follow::number(status, "letters");
                (letters.saturating_sub(follow::number(status, "waiting")), letters)
            },
        };
        let bar = follow::bar(doing, "{human_pos}/{human_len} dead letters");
        status = redrive.follow(&server, status, &bar)?;
    }
    let letters = letters_of(&server, &number)?;
    if args.format.json {
        let mut answer = status;
        answer["results"] = Value::Array(letters);
        return output::json(&answer);
    }
    let rows = letters.iter().map(|letter| {
        let (result, detail) = result_words(letter);
        [text(&letter["id"]), result, detail]
    });
    output::print(&table(["ID", "RESULT", "DETAIL"], rows))?;
    let count = |name: &str| text(&status[name]);
    output::line(&if status["running"] == true {
        format!("redrive {number} runs; `saga-tracker dead-letters redrives {number}` follows it")
    } else if args.dry_run {
        format!(
            "dry run {number}: {} dead letters, nothing was published",
            count("letters")
        )
    } else {
        let cancelled = match status["cancelledBy"].as_str() {
            Some(by) => format!("; cancelled by {by}, {} left as they are", count("left")),
            None => String::new(),
        };
        format!(
            "redrive {number}: {} published, {} skipped, {} refused{cancelled}",
            count("published"),
            count("skipped"),
            count("refused")
        )
    })?;
    if status["refused"].as_u64().unwrap_or(0) > 0 {
        return Err(Failure::negative());
    }
    Ok(())
}

fn letters_of(server: &Server, number: &str) -> Result<Vec<Value>, Failure> {
    let mut letters = Vec::new();
    let path = format!("{PATH}/redrives/{number}/letters");
    server.each_entry(&path, Vec::new(), (1_000, usize::MAX), |letter| {
        letters.push(letter.clone());
        Ok(())
    })?;
    Ok(letters)
}

fn result_words(letter: &Value) -> (String, String) {
    let saga = |of: &Value| match of["sagaId"].as_str() {
        Some(saga) => format!("saga {saga}"),
        None => String::new(),
    };
    if !letter["forecast"].is_null() {
        let forecast = &letter["forecast"];
        let status = |of: &Value| of["status"].as_str().unwrap_or("nothing").to_owned();
        let mut detail = vec![saga(forecast)];
        if !forecast["after"].is_null() {
            detail.push(format!(
                "{} to {}",
                status(&forecast["before"]),
                status(&forecast["after"])
            ));
        }
        let anomalies = forecast["anomalies"].as_array().into_iter().flatten();
        detail.extend(anomalies.map(text));
        detail.extend(forecast["detail"].as_str().map(str::to_owned));
        detail.retain(|part| !part.is_empty());
        return (
            format!("would be {}", text(&forecast["outcome"])),
            detail.join(", "),
        );
    }
    if !letter["became"].is_null() {
        let became = &letter["became"];
        let detail = format!("{} at {}", saga(became), text(&letter["position"]));
        return (text(&became["outcome"]), detail);
    }
    let detail = letter["detail"].as_str().or(letter["position"].as_str());
    (text(&letter["result"]), detail.unwrap_or_default().to_owned())
}

/// Redrives that were asked for.
#[derive(Debug, Args)]
pub(super) struct RedrivesArgs {
    /// The number of one of them, to see what became of its dead letters
    number: Option<u64>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn redrives(args: &RedrivesArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    if let Some(number) = args.number {
        let mut status = parse(&server.get(&format!("{PATH}/redrives/{number}"), &[])?)?;
        let letters = letters_of(&server, &number.to_string())?;
        if args.format.json {
            status["results"] = Value::Array(letters);
            return output::json(&status);
        }
        let rows = letters.iter().map(|letter| {
            let (result, detail) = result_words(letter);
            [text(&letter["id"]), result, detail]
        });
        return output::print(&table(["ID", "RESULT", "DETAIL"], rows));
    }
    let answer = parse(&server.get(&format!("{PATH}/redrives"), &[])?)?;
    if args.format.json {
        return output::json(&answer);
    }
    let names = [
        "number",
        "askedAt",
        "by",
        "dryRun",
        "running",
        "letters",
        "published",
        "skipped",
        "refused",
        "left",
    ];
    let rows = answer["redrives"].as_array().into_iter().flatten();
    let rows = rows.map(|redrive| names.map(|name| text(&redrive[name])));
    output::print(&table(
        [
            "NUMBER",
            "ASKED AT",
            "BY",
            "DRY RUN",
            "RUNNING",
            "LETTERS",
            "PUBLISHED",
            "SKIPPED",
            "REFUSED",
            "LEFT",
        ],
        rows,
    ))
}

/// Which redrive to cancel.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The number of the redrive
    number: u64,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn cancel(args: &CancelArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let number = args.number;
    let mut body = Map::new();
    if let Some(why) = &args.why {
        body.insert("reason".to_owned(), json!(why));
    }
    let path = format!("{PATH}/redrives/{number}/cancel");
    let status = parse(&server.post_json(&path, &Value::Object(body))?)?;
    if args.format.json {
        return output::json(&status);
    }
    let published = text(&status["published"]);
    output::line(&if status["running"] == true {
        format!(
            "redrive {number} is cancelled; {published} published so far; `saga-tracker dead-letters redrives {number}` \
             tells of the last ones"
        )
    } else {
        format!(
            "redrive {number} is cancelled: {published} published, {} left as they are",
            text(&status["left"])
        )
    })
}

/// What to discard.
#[derive(Debug, Args)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Why; stays with the dead letters
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Only tell which dead letters would be discarded
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn discard(args: &DiscardArgs) -> Outcome {
    let server = Server::new(&args.server)?;
    let mut body = args.choice.body()?;
    body.insert("reason".to_owned(), json!(args.why));
    body.insert("dryRun".to_owned(), json!(args.dry_run));
    let answer = parse(&server.post_json(&format!("{PATH}/discard"), &Value::Object(body))?)?;
    if args.format.json {
        return output::json(&answer);
    }
    let rows = answer["results"].as_array().into_iter().flatten();
    let rows = rows.map(|one| {
        let detail = match one["decision"].as_u64() {
            Some(offset) => format!("decision {offset}"),
            None => one["detail"].as_str().unwrap_or_default().to_owned(),
        };
        [text(&one["id"]), text(&one["result"]), detail]
    });
    output::print(&table(["ID", "RESULT", "DETAIL"], rows))?;
    output::line(&format!(
        "{} discarded, {} skipped{}",
        text(&answer["discarded"]),
        text(&answer["skipped"]),
        if args.dry_run {
            " (dry run: nothing was decided)"
        } else {
            ""
        }
    ))
}
