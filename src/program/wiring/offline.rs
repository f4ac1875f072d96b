//! Work on a store that nobody serves: rebuild, verify, digest.

use super::open::{configured, definitions, open_store};
use super::operator;
use crate::domain::clock::SystemClock;
use crate::failpoint;
use crate::operations::audit::{self, Audit, Outcome};
use crate::operations::retention;
use crate::pipeline::projector::rebuild::{self, Done, Progress, Rebuild};
use crate::pipeline::verify::{self, Digest, Verify, VerifyReport};
use crate::program::config::Config;
use crate::store::SharedStore;
use anyhow::Context as _;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A digest over all state, and what was found on the way to it.
pub struct DigestReport {
    /// The digest.
    pub digest: Digest,
    /// Whether other definitions are in force than those that the projections are made under.
    pub rebuild_due: bool,
    /// The decision to purge or restore that was half done, and is done now.
    pub finished: Option<u64>,
}

/// Makes the projections anew, under the definitions in force. `told` hears how many events of how many are folded.
///
/// # Errors
/// When the store cannot be opened, read or written.
pub fn rebuild(config: &Config, told: &mut dyn FnMut(u64, u64)) -> anyhow::Result<Done> {
    let _armed = failpoint::Armed::from_environment();
    let store = open_store(config)?;
    let job = Rebuild {
        store: store.clone(),
        topic: config.kafka.topic.clone(),
        definitions: definitions(config, &store)?,
        settings: config.projector.clone(),
        progress: Arc::default(),
    };
    let progress = job.progress.clone();
    let audit = Audit::new(store.clone(), Arc::new(SystemClock));
    let act = operator::act("rebuild", "projections", "");
    audit.record(&act, Outcome::Begun, "")?;
    let result = with_progress(&store, &progress, told, || job.offline());
    audit.note_result(&act, &result, ToString::to_string);
    Ok(result?)
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
/// that was half done is done before, as a start of the tracker would: which, stands beside what was found.
///
/// # Errors
/// When the store cannot be opened or read; differences are no error.
pub fn verify(
    config: &Config,
    told: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<(VerifyReport, Option<u64>)> {
    let store = open_store(config)?;
    let finished = finish_begun(config, &store)?;
    let job = Verify {
        store: store.clone(),
        topic: config.kafka.topic.clone(),
        definitions: definitions(config, &store)?,
        settings: config.projector.clone(),
        progress: Arc::default(),
    };
    let progress = job.progress.clone();
    let report = with_progress(&store, &progress, told, || job.run())?;
    Ok((report, finished))
}

/// A digest over all state, after folding what a crash left unfolded, under the rules that the rest is
/// made under, and after doing the rest of a decision that was half done: a digest is never of the middle of one.
///
/// # Errors
/// When the store cannot be opened, read or written.
pub fn digest(config: &Config) -> anyhow::Result<DigestReport> {
    let store = open_store(config)?;
    let topic = &config.kafka.topic;
    let definitions = definitions(config, &store)?;
    let finished = finish_begun(config, &store)?;
    crate::pipeline::projector::catch_up_offline(&store, topic, &definitions, &config.projector)?;
    Ok(DigestReport {
        digest: verify::digest(&store, topic)?,
        rebuild_due: rebuild::is_due(&store, &definitions, &config.projector)?,
        finished,
    })
}

/// Does the rest of a decision that a process left half done, if there is one. Which it was.
fn finish_begun(config: &Config, store: &SharedStore) -> anyhow::Result<Option<u64>> {
    let (topic, configured) = (&config.kafka.topic, configured(config)?);
    retention::finish_begun(store, topic, &configured.definitions, &config.projector)
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
