//! Work on a store that nobody serves: rebuild, verify, digest.

use super::operator;
use super::tracker::{definitions, open_store};
use crate::audit::{self, Audit, Outcome};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::failpoint;
use crate::projector::rebuild::{self, Progress, Rebuild};
use crate::retention;
use crate::store::SharedStore;
use crate::verify::{self, Verify};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildReport {
    /// Sagas folded.
    pub sagas: u64,
    /// Events folded.
    pub events: u64,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Sagas folded anew.
    pub sagas: u64,
    /// Events folded anew.
    pub events: u64,
    /// Whether the projections are made under other definitions than those configured.
    pub rebuild_due: bool,
    /// The first differences, in words.
    pub differences: Vec<String>,
    /// All differences.
    pub differing: u64,
    /// The decision to purge or restore that was half done, and is done now.
    pub finished: Option<u64>,
}

/// A digest over all state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestReport {
    /// By partition, the next offset.
    pub partitions: BTreeMap<u32, u64>,
    /// By topic and partition, the next offset to read.
    pub topics: BTreeMap<String, BTreeMap<u32, u64>>,
    /// The next decision whose purge or restore is not done.
    pub applied: u64,
    /// Open dead letters of unknown schemas: they become events where the registry knows their schemas.
    pub waiting_letters: u64,
    /// The rules of the fold that the projections are made under.
    pub rules: String,
    /// Whether other definitions are configured.
    pub rebuild_due: bool,
    /// The decision to purge or restore that was half done, and is done now.
    pub finished: Option<u64>,
    /// Over all tables, hexadecimal.
    pub total: String,
    /// By table, hexadecimal.
    pub tables: BTreeMap<String, String>,
}

/// Makes the projections anew, under the definitions that are configured. `told` hears how many events of how many are folded.
///
/// # Errors
/// When the store cannot be opened, read or written.
pub fn rebuild(config: &Config, told: &mut dyn FnMut(u64, u64)) -> anyhow::Result<RebuildReport> {
    let _armed = failpoint::Armed::from_environment();
    let store = open_store(config)?;
    let job = Rebuild {
        store: store.clone(),
        topic: config.kafka.topic.clone(),
        definitions: definitions(config)?,
        settings: config.projector.clone(),
        progress: Arc::default(),
    };
    let progress = job.progress.clone();
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let act = operator::act("rebuild", "projections", "");
    audit.record(&act, Outcome::Begun, "")?;
    let result = with_progress(&store, &progress, told, || job.offline());
    match &result {
        Ok(done) => {
            let detail = format!("{} sagas from {} events", done.sagas, done.events);
            audit.note(&act, Outcome::Done, &detail);
        }
        Err(error) => audit.note(&act, Outcome::Failed, &error.to_string()),
    }
    let done = result?;
    Ok(RebuildReport {
        sagas: done.sagas,
        events: done.events,
    })
}

/// A part of the store's audit log, newest first.
///
/// # Errors
/// When the store cannot be opened or read.
pub fn audit_page(
    config: &Config,
    filter: &audit::Filter,
    before: Option<u64>,
    size: usize,
) -> anyhow::Result<audit::Page> {
    let store = open_store(config)?;
    Ok(audit::page(&*store, filter, before, size)?)
}

/// Whether the store's audit log is as it was written.
///
/// # Errors
/// When the store cannot be opened or read.
pub fn verify_audit(config: &Config) -> anyhow::Result<audit::Verified> {
    Ok(audit::verify(&open_store(config)?)?)
}

/// Compares every projection with the fold of the log, under the rules that it is made under. A decision
/// that was half done is done before, as a start of the tracker would.
///
/// # Errors
/// When the store cannot be opened or read; differences are no error.
pub fn verify(config: &Config, told: &mut dyn FnMut(u64, u64)) -> anyhow::Result<VerifyReport> {
    let store = open_store(config)?;
    let finished = finish_begun(config, &store)?;
    let job = Verify {
        store: store.clone(),
        topic: config.kafka.topic.clone(),
        definitions: definitions(config)?,
        settings: config.projector.clone(),
        progress: Arc::default(),
    };
    let progress = job.progress.clone();
    let report = with_progress(&store, &progress, told, || job.run())?;
    Ok(VerifyReport {
        sagas: report.sagas,
        events: report.events,
        rebuild_due: report.rebuild_due,
        differences: report.differences.told,
        differing: report.differences.count,
        finished,
    })
}

/// A digest over all state, after folding what a crash left unfolded, under the rules that the rest is
/// made under, and after doing the rest of a decision that was half done: a digest is never of the middle of one.
///
/// # Errors
/// When the store cannot be opened, read or written.
pub fn digest(config: &Config) -> anyhow::Result<DigestReport> {
    let store = open_store(config)?;
    let topic = &config.kafka.topic;
    let definitions = definitions(config)?;
    let finished = finish_begun(config, &store)?;
    crate::projector::catch_up_offline(&store, topic, &definitions, &config.projector)?;
    let digest = verify::digest(&store, topic)?;
    Ok(DigestReport {
        partitions: digest.at.iter().collect(),
        topics: digest.topics,
        applied: digest.applied,
        waiting_letters: digest.waiting_letters,
        rules: digest.rules,
        rebuild_due: rebuild::is_due(&store, &definitions)?,
        finished,
        total: digest.total,
        tables: digest.tables,
    })
}

/// Does the rest of a decision that a process left half done, if there is one. Which it was.
fn finish_begun(config: &Config, store: &SharedStore) -> anyhow::Result<Option<u64>> {
    let (topic, definitions) = (&config.kafka.topic, definitions(config)?);
    retention::finish_begun(store, topic, &definitions, &config.projector)
        .context("doing the rest of a purge or restore that was half done")
}

/// Runs a job on a thread and tells how far it is, five times a second.
fn with_progress<T: Send, E: Send>(
    store: &SharedStore,
    progress: &Progress,
    told: &mut dyn FnMut(u64, u64),
    job: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    let total = store.usage().log_rows;
    let mut tell = || {
        let events = progress.done().events;
        told(events, total.max(events));
    };
    std::thread::scope(|scope| {
        let (done, ended) = channel();
        let running = scope.spawn(move || {
            let result = job();
            drop(done);
            result
        });
        while ended.recv_timeout(Duration::from_millis(200)) == Err::<(), _>(RecvTimeoutError::Timeout) {
            tell();
        }
        tell();
        running
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
