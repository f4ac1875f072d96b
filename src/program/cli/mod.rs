//! The command line: what it accepts, which room does the work, how it ends.
//!
//! Commands that ask a running server do so over HTTP like any other client; those that work on a
//! store of their own call `wiring`. No command knows how either is done.

mod args;
mod asked;
mod census;
mod client;
mod conformance;
mod dead_letters;
mod definitions;
mod doctor;
mod exit;
mod export;
mod flow;
mod follow;
mod inspect;
mod lasting;
mod ledger;
mod log_text;
mod log_writer;
mod logging;
mod maintenance;
mod monitoring;
mod operate;
mod output;
mod private;
mod query;
mod retention;
mod show;
mod show_past;
mod snapshots;
mod stuck;
mod tail;
mod times;
mod topic_replay;
mod watch;

use crate::program::config::Origin;
use crate::program::demo::DemoSettings;
use crate::program::wiring::{self, DemoOptions};
use args::ConfigArgs;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use exit::{Exit, Failure, Outcome};
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::ExitCode;

/// Records every step of every saga from Kafka, and answers for all of them.
#[derive(Debug, Parser)]
#[command(
    name = "saga-tracker",
    version,
    max_term_width = 110,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = exit::HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Consume the topic into the store and serve the API
    Serve(ServeArgs),
    /// Serve on an embedded broker with a live workload; nothing to install, nothing kept
    Demo(DemoArgs),
    /// Show one saga, now or at any moment
    Get(query::SagaArgs),
    /// Show a saga's steps, in order, now or at any moment
    Steps(query::SagaArgs),
    /// Show every state that a saga went through, why and for how long, and what was late or odd
    History(query::SagaArgs),
    /// Show how a saga at one moment differs from the same saga at another
    Diff(query::DiffArgs),
    /// Find sagas
    Search(query::SearchArgs),
    /// Count sagas by status and type, with rates and durations
    Stats(query::StatsArgs),
    /// Find stuck sagas: past their deadline, or failed and not compensated in time; now or at any moment
    Stuck(stuck::StuckArgs),
    /// Count and find sagas that break rules of their definitions, by when they last did
    Conformance(conformance::ConformanceArgs),
    /// Show which step follows which, how often and how fast; also as a graph (--dot, --mermaid)
    Flow(flow::FlowArgs),
    /// Count sagas by type and status as of any moment; what changed between two; hour by hour
    Census(census::CensusArgs),
    /// Show how things stand, second by second
    Watch(watch::WatchArgs),
    /// Follow events as they come, by type, saga, step, status or service
    Tail(tail::TailArgs),
    /// What every offset of the topic came to; exit code 1 if any is unexplained
    Ledger(ledger::LedgerArgs),
    /// Take results or event logs away, as CSV, NDJSON, Parquet, OCEL or XES on standard output
    Export(export::ExportArgs),
    /// Find, look at, redrive, discard and export dead letters
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Saga definitions: show those in force, check, try and apply a file
    #[command(subcommand)]
    Definitions(definitions::DefinitionsCommand),
    /// Set a saga's status by an event that every replica consumes; answers when it is applied
    SetStatus(operate::SetStatusArgs),
    /// Show who changed what, newest first; --verify proves that no entry was touched
    #[command(
        long_about = "Show who changed what, newest first; --verify proves that no entry was touched.\n\n\
        With --url, a running server is asked. Without, the data directory is opened here, which no other \
        process may have open."
    )]
    Audit(operate::AuditArgs),
    /// Have a running server read the topic again and fill in what its log lacks
    Replay(topic_replay::ReplayArgs),
    /// Make all projections anew from the event log
    #[command(long_about = "Make all projections anew from the event log.\n\n\
        With --url, a running server does it beside serving, and switches when done. Without, the data \
        directory is opened here, which no other process may have open.")]
    Rebuild(maintenance::WhereArgs),
    /// Compare every projection with the fold of the event log; exit code 1 if anything differs
    Verify(maintenance::OfflineArgs),
    /// Print a digest of all state; equal on every tracker that consumed the same offsets
    #[command(
        long_about = "Print a digest of all state; equal on every tracker that consumed the same offsets.\n\n\
        With --url, a running server is asked. Without, the data directory is opened here, which no other \
        process may have open."
    )]
    Digest(maintenance::WhereArgs),
    /// Copies of the store in object storage: list, create, verify, prune
    #[command(subcommand)]
    Snapshot(snapshots::SnapshotCommand),
    /// Make the data directory from a snapshot; it must be empty
    #[command(long_about = "Make the data directory from a snapshot.\n\n\
        The directory must be empty or not there. The broker is asked first whether the topic still holds what \
        comes after the snapshot. Everything is checked before it becomes a store; interrupted, the same command \
        goes on. `serve` then resumes from the offsets inside.")]
    Restore(snapshots::RestoreArgs),
    /// Show how far retention is, and what it would purge now
    #[command(
        long_about = "Show how far retention is, and with --dry-run what it would purge now, by rule. Nothing \
        is changed: a tracker with retention.enabled purges by itself."
    )]
    Retention(retention::PlanArgs),
    /// Keep sagas from being purged
    #[command(subcommand)]
    Hold(retention::HoldCommand),
    /// Find what was purged in the archive, and restore it
    #[command(subcommand)]
    Archive(retention::ArchiveCommand),
    /// Show the configuration in force and where each value came from, secrets masked
    Config(inspect::ShowConfigArgs),
    /// Write dashboards, alert rules and what goes with them, for Prometheus, Alertmanager and Grafana
    Monitoring(monitoring::MonitoringArgs),
    /// Check broker, topics, registry, disk and store, and say what to do; exit code 1 if a check fails
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    #[command(long_about = "Print a completion script for a shell, e.g.\n\n  \
        saga-tracker completions bash > /etc/bash_completion.d/saga-tracker")]
    Completions(inspect::CompletionsArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Records published per second
    #[arg(long, value_name = "NUMBER", default_value_t = DemoSettings::default().rate)]
    rate: f64,
    /// Number that the workload derives from; the same number tells the same stories
    #[arg(long, value_name = "NUMBER", default_value_t = DemoSettings::default().seed)]
    seed: u64,
    /// Sagas of the past two hours to begin with
    #[arg(long, value_name = "NUMBER", default_value_t = DemoSettings::default().history)]
    history: usize,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    // A wrong command line ends the process here, with exit code 2 and clap's explanation.
    let cli = Cli::parse();
    private::by_default();
    let outcome = match &cli.command {
        Command::Serve(args) => serve(args),
        Command::Demo(args) => demo(args),
        Command::Get(args) => query::get(args),
        Command::Steps(args) => query::steps(args),
        Command::History(args) => query::history(args),
        Command::Diff(args) => query::diff(args),
        Command::Search(args) => query::search(args),
        Command::Stats(args) => query::stats(args),
        Command::Stuck(args) => stuck::stuck(args),
        Command::Conformance(args) => conformance::conformance(args),
        Command::Flow(args) => flow::flow(args),
        Command::Census(args) => census::census(args),
        Command::Watch(args) => watch::watch(args),
        Command::Tail(args) => tail::tail(args),
        Command::Ledger(args) => ledger::ledger(args),
        Command::Export(args) => export::export(args),
        Command::DeadLetters(args) => dead_letters::letters(args),
        Command::Definitions(command) => definitions::definitions(command),
        Command::SetStatus(args) => operate::set_status(args),
        Command::Audit(args) => operate::audit(args),
        Command::Replay(args) => topic_replay::replay(args),
        Command::Rebuild(args) => maintenance::rebuild(args),
        Command::Verify(args) => maintenance::verify(args),
        Command::Digest(args) => maintenance::digest(args),
        Command::Snapshot(command) => snapshots::snapshot(command),
        Command::Restore(args) => snapshots::restore(args),
        Command::Retention(args) => retention::plan(args),
        Command::Hold(command) => retention::hold(command),
        Command::Archive(command) => retention::archive(command),
        Command::Config(args) => inspect::config(args),
        Command::Monitoring(args) => monitoring::monitoring(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Completions(args) => inspect::completions(args, &mut Cli::command()),
    };
    logging::finish();
    finish(outcome)
}

fn finish(outcome: Outcome) -> ExitCode {
    let Err(failure) = outcome else {
        return ExitCode::from(Exit::Ok as u8);
    };
    let mut out = std::io::stderr().lock();
    for line in failure.message.lines() {
        // Nowhere is left to report that standard error is gone.
        let _gone = writeln!(out, "saga-tracker: {}", output::printable(line));
    }
    ExitCode::from(failure.exit as u8)
}

fn serve(args: &ServeArgs) -> Outcome {
    let loaded = args.config.load()?;
    logging::init(&loaded.config.log)?;
    wiring::serve(&loaded).map_err(|error| Failure::local(&error))
}

fn demo(args: &DemoArgs) -> Outcome {
    let mut loaded = args.config.load()?;
    logging::init(&loaded.config.log)?;
    let named = |option: &str| {
        let mut entries = loaded.effective.iter();
        entries.any(|entry| entry.option == option && entry.origin != Origin::Default)
    };
    // Nor does it fill a real store by accident.
    let data_dir = named("store.data_dir").then(|| loaded.config.store.data_dir.clone());
    // A demo is for whoever starts it, unless they say otherwise.
    if !named("server.bind") {
        loaded.config.server.bind = Ipv4Addr::LOCALHOST.into();
    }
    let options = DemoOptions {
        settings: DemoSettings {
            rate: args.rate,
            seed: args.seed,
            history: args.history,
        },
        data_dir,
    };
    wiring::demo(&loaded, options).map_err(|error| Failure::local(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_of_its_own() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
