//! `snapshot` and `restore`: copies of the store in object storage, and the way back.

use super::args::ConfigArgs;
use super::client::{Server, ServerArgs, parse};
use super::exit::{Exit, Failure, Outcome};
use super::follow::{Work, advance, bar, number};
use super::output;
use super::query::Format;
use crate::domain::Millis;
use crate::operations::objects::ObjectsError;
use crate::operations::snapshot::coverage::Finding;
use crate::operations::snapshot::{Manifest, RestoreOptions, SnapshotError, SnapshotId, Which};
use crate::program::wiring::snapshots::{self, RestoreOutcome};
use clap::{Args, Subcommand};
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

/// How far work on files is, as a bar shows it.
const FILES: &str = "{bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// List the snapshots in the object store, newest last
    List(ListArgs),
    /// Make a snapshot now
    #[command(long_about = "Make a snapshot now.\n\n\
        With --url, a running server makes it beside serving, and this follows it to its end. Without, the \
        data directory is opened here, which no other process may have open.")]
    Create(CreateArgs),
    /// Read every file of a snapshot and compare it with the manifest; exit code 1 if anything differs
    Verify(VerifyArgs),
    /// Retire snapshots that the settings do not keep
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Ask the running server at this address instead of opening the data directory
    #[arg(long, env = "SAGA_TRACKER_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Snapshots to check; the latest, if none is named
    #[arg(value_name = "ID", value_parser = parse_id)]
    ids: Vec<SnapshotId>,
    /// Check all of them
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Have the running server at this address do it, which records it in its audit log
    #[arg(long, env = "SAGA_TRACKER_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What to restore, and under which conditions.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The snapshot; the latest, if neither this nor --at is given
    #[arg(long, value_name = "ID", value_parser = parse_id, conflicts_with = "at")]
    snapshot: Option<SnapshotId>,
    /// The newest snapshot made at or before this instant, e.g. 2026-11-20T22:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    at: Option<Millis>,
    /// Restore although the topic no longer holds what comes right after the snapshot
    #[arg(long)]
    accept_gap: bool,
    /// Do not ask the broker whether the topic goes on where the snapshot ends
    #[arg(long)]
    skip_broker: bool,
    /// Serve when done
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    config: ConfigArgs,
}

fn parse_id(text: &str) -> Result<SnapshotId, String> {
    text.parse()
}

fn parse_instant(text: &str) -> Result<Millis, String> {
    let instant: Result<jiff::Timestamp, _> = text.parse();
    instant
        .map(Millis::from)
        .map_err(|error| format!("{error}; accepted: an instant such as 2026-11-20T22:00:00Z"))
}

pub(super) fn snapshot(command: &SnapshotCommand) -> Outcome {
    match command {
        SnapshotCommand::List(args) => list(args),
        SnapshotCommand::Create(args) => create(args),
        SnapshotCommand::Verify(args) => verify(args),
        SnapshotCommand::Prune(args) => prune(args),
    }
}

/// The exit code says whose turn it is: whoever set it up, whoever runs the object store, or ours.
fn failure(error: &anyhow::Error) -> Failure {
    let exit = match error.downcast_ref::<SnapshotError>() {
        Some(SnapshotError::NoSuch { .. } | SnapshotError::Damaged { .. }) => Exit::Negative,
        Some(SnapshotError::NotEmpty { .. }) => Exit::Usage,
        Some(SnapshotError::Objects(error)) => match error {
            ObjectsError::NotConfigured | ObjectsError::Setting { .. } => Exit::Usage,
            ObjectsError::Unreachable { .. } => Exit::Unreachable,
            ObjectsError::Refused { .. }
            | ObjectsError::NoBucket { .. }
            | ObjectsError::Missing { .. }
            | ObjectsError::Failed { .. } => Exit::Server,
        },
        _ => Exit::Local,
    };
    Failure::new(exit, format!("{error:#}"))
}

fn list(args: &ListArgs) -> Outcome {
    let config = args.config.load()?.config;
    super::logging::init(&config.log)?;
    let listed = snapshots::list(&config).map_err(|error| failure(&error))?;
    if args.format.json {
        let all = listed.iter().map(|(id, manifest)| match manifest {
            Ok(manifest) => json!(manifest.summary()),
            Err(error) => json!({"id": id, "error": error.to_string()}),
        });
        return output::json(&Value::Array(all.collect()));
    }
    let head = ["SNAPSHOT", "MADE AT", "SAGAS", "OFFSETS", "FILES", "SIZE", "SENT"];
    let rows = listed.iter().map(|(id, manifest)| match manifest {
        Ok(manifest) => [
            id.to_string(),
            manifest.created_at.clone(),
            manifest.numbers.all_sagas().to_string(),
            manifest.numbers.offsets().to_string(),
            manifest.files.len().to_string(),
            HumanBytes(manifest.bytes).to_string(),
            HumanBytes(manifest.sent_bytes).to_string(),
        ],
        Err(error) => {
            let mut row = [const { String::new() }; 7];
            row[0] = id.to_string();
            row[1] = error.to_string();
            row
        }
    });
    output::print(&output::table(head, rows))
}

fn create(args: &CreateArgs) -> Outcome {
    if let Some(url) = args.url.as_ref().filter(|_| !args.config.gives("store.data_dir")) {
        let server = Server::new(&ServerArgs {
            url: url.clone(),
            timeout: 60,
        })?;
        return create_online(&server, args.format);
    }
    let config = args.config.load()?.config;
    super::logging::init(&config.log)?;
    let bar = bar("snapshot", FILES);
    let made = snapshots::create(&config, &mut |progress| advance(&bar, progress.bytes()));
    bar.finish_and_clear();
    let made = made.map_err(|error| failure(&error))?;
    if args.format.json {
        let mut told = json!(made.manifest.summary());
        told["new_bytes"] = made.manifest.new_bytes.into();
        told["sent_files"] = made.sent_files.into();
        told["manifest_bytes"] = made.manifest_bytes.into();
        return output::json(&told);
    }
    output::line(&format!(
        "snapshot {}: {} in {} files, {} sent in {} files",
        made.manifest.id,
        HumanBytes(made.manifest.bytes),
        HumanCount(made.manifest.files.len() as u64),
        HumanBytes(made.manifest.sent_bytes),
        HumanCount(made.sent_files as u64),
    ))
}

/// Starts a snapshot in the server and follows it.
fn create_online(server: &Server, format: Format) -> Outcome {
    const PATH: &str = "/internal/v1/snapshots/status";
    let begun = parse(&server.post("/internal/v1/snapshots")?)?;
    let id = begun["id"].as_str().unwrap_or_default().to_owned();
    let is = |of: &Value| of["id"].as_str() == Some(&id);
    let snapshot = Work {
        path: PATH,
        // Between this one and the next there may be a moment in which neither is told.
        runs: &|status| is(&status["running"]) || !(status["running"].is_null() || is(&status["last"])),
        progress: &|status| {
            let running = &status["running"];
            (number(running, "bytesDone"), number(running, "bytes"))
        },
    };
    let status = snapshot.follow(server, parse(&server.get(PATH, &[])?)?, &bar("snapshot", FILES))?;
    let last = &status["last"];
    if !is(last) {
        let why = status["failure"]["message"]
            .as_str()
            .unwrap_or("the server was stopped");
        return Err(Failure::new(
            Exit::Server,
            format!("snapshot {id} was not made: {why}"),
        ));
    }
    if format.json {
        return output::json(last);
    }
    let bytes = |name: &str| HumanBytes(number(last, name));
    output::line(&format!(
        "snapshot {id}: {}, {} sent",
        bytes("bytes"),
        bytes("sentBytes")
    ))
}

fn verify(args: &VerifyArgs) -> Outcome {
    let config = args.config.load()?.config;
    super::logging::init(&config.log)?;
    let which = match (args.all, args.ids.is_empty()) {
        (true, _) => Which::All,
        (false, true) => Which::Latest,
        (false, false) => Which::These(args.ids.clone()),
    };
    let bar = bar("verifying", FILES);
    let verified = snapshots::verify(&config, &which, &mut |progress| advance(&bar, progress.bytes()));
    bar.finish_and_clear();
    let (ids, found) = verified.map_err(|error| failure(&error))?;
    if args.format.json {
        output::json(&json!({
            "snapshots": ids, "files": found.files, "bytes": found.bytes, "damage": found.damage,
        }))?;
    } else {
        for damage in &found.damage {
            output::line(&output::printable(damage))?;
        }
        output::line(&format!(
            "verified {} files, {}, of {} snapshots: {}",
            HumanCount(found.files as u64),
            HumanBytes(found.bytes),
            ids.len(),
            match found.damage.len() {
                0 => "all as they were sent".to_owned(),
                damaged => format!("{damaged} damaged"),
            },
        ))?;
    }
    if found.damage.is_empty() {
        Ok(())
    } else {
        Err(Failure::negative())
    }
}

fn prune(args: &PruneArgs) -> Outcome {
    if let Some(url) = &args.url {
        let server = Server::new(&ServerArgs {
            url: url.clone(),
            timeout: 3_600,
        })?;
        let answer = parse(&server.post(&format!("/internal/v1/snapshots/prune?dryRun={}", args.dry_run))?)?;
        return output::json(&answer);
    }
    let config = args.config.load()?.config;
    super::logging::init(&config.log)?;
    let pruned = snapshots::prune(&config, args.dry_run).map_err(|error| failure(&error))?;
    if args.format.json {
        return output::json(&json!({
            "dry_run": args.dry_run,
            "kept": pruned.kept,
            "retired": pruned.retired,
            "deleted_files": pruned.deleted_files,
            "deleted_bytes": pruned.deleted_bytes,
            "waiting_files": pruned.waiting_files,
            "waiting_bytes": pruned.waiting_bytes,
        }));
    }
    let would = if args.dry_run { "would be " } else { "" };
    output::line(&format!(
        "{} snapshots {would}retired, {} kept; {} files ({}) {would}deleted; {} files ({}) wait until the grace is over",
        pruned.retired.len(),
        pruned.kept.len(),
        HumanCount(pruned.deleted_files as u64),
        HumanBytes(pruned.deleted_bytes),
        HumanCount(pruned.waiting_files as u64),
        HumanBytes(pruned.waiting_bytes),
    ))
}

pub(super) fn restore(args: &RestoreArgs) -> Outcome {
    let config = args.config.load()?.config;
    super::logging::init(&config.log)?;
    let options = RestoreOptions {
        snapshot: args.snapshot.clone(),
        at: args.at,
        accept_gap: args.accept_gap,
        skip_broker: args.skip_broker,
    };
    let bar = bar("restoring", FILES);
    let outcome = snapshots::restore(&config, &options, &mut |progress| advance(&bar, progress.bytes()));
    bar.finish_and_clear();
    match outcome.map_err(|error| failure(&error))? {
        RestoreOutcome::Refused(manifest, findings) => refused(&manifest, &findings, args.format),
        RestoreOutcome::Done(manifest, done, findings) => {
            if args.format.json {
                let mut told = json!(manifest.summary());
                told["fetched_files"] = done.fetched.into();
                told["kept_files"] = done.kept.into();
                told["restored"] = true.into();
                told["missing"] = words(&findings);
                output::json(&told)?;
            } else {
                for finding in &findings {
                    output::line(&finding.to_string())?;
                }
                output::line(&format!(
                    "restored snapshot {} of {}: {} sagas, {}; consumption resumes at {}",
                    manifest.id,
                    manifest.created_at,
                    HumanCount(manifest.numbers.all_sagas()),
                    HumanBytes(manifest.bytes),
                    resumes(&manifest),
                ))?;
            }
            if args.serve {
                return crate::program::wiring::serve(&config).map_err(|error| Failure::local(&error));
            }
            Ok(())
        }
    }
}

fn refused(manifest: &Manifest, findings: &[Finding], format: Format) -> Outcome {
    if format.json {
        let mut told = json!(manifest.summary());
        told["restored"] = false.into();
        told["missing"] = words(findings);
        output::json(&told)?;
    } else {
        for finding in findings {
            output::line(&finding.to_string())?;
        }
    }
    let way_out = if findings.iter().any(Finding::is_other_topic) {
        "check kafka.bootstrap_servers and kafka.topic; nothing was restored"
    } else {
        "a newer snapshot may have it (`saga-tracker snapshot list`); --accept-gap restores without it. Nothing was restored"
    };
    Err(Failure::new(
        Exit::Negative,
        format!(
            "the topic does not go on where snapshot {} ends; {way_out}",
            manifest.id
        ),
    ))
}

fn words(findings: &[Finding]) -> Value {
    findings.iter().map(ToString::to_string).collect()
}

fn resumes(manifest: &Manifest) -> String {
    let each = manifest
        .numbers
        .partitions
        .iter()
        .map(|p| format!("{}@{}", p.partition, p.next));
    each.collect::<Vec<_>>().join(" ")
}
