//! Who did what to this tracker, from where, why, and how it came out. Every call and command that
//! changes something leaves an entry, whether it succeeded or not.
//!
//! Entries are only ever added. Each carries the hash of the one before it, and the store keeps the
//! number and the hash of the last, so that a changed, removed or inserted entry shows; every entry
//! also goes to the log of the process, which is a witness outside the store. The log is this
//! replica's own: what changed state came over Kafka, and is everywhere.
//!
//! What an act does, and whether it may be done, is not decided here.

mod chain;
mod entry;
mod page;
mod refusals;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use entry::{Act, Entry, Outcome, count};
pub use page::{Filter, Page, page};
pub use verify::{Verified, verify};

use crate::domain::clock::SharedClock;
use crate::store::{SharedStore, StoreError};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use writer::{Job, Writer};

/// Records acts. Cheap to clone; all clones write one chain. One per store and process. Dropping the last
/// clone waits until all is written.
#[derive(Clone)]
pub struct Audit {
    writer: Arc<Writer>,
}

impl Audit {
    /// Records into this store.
    pub fn new(store: SharedStore, clock: SharedClock) -> Self {
        Self {
            writer: Arc::new(Writer::new(store, clock)),
        }
    }

    /// Adds an entry, which survives power loss when this returns. Of refusals without end most are only
    /// counted; then this is the number of the entry that will tell of them, or of a later one.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn record(&self, act: &Act, outcome: Outcome, detail: &str) -> Result<u64, StoreError> {
        let (done, ended) = sync_channel(1);
        self.writer.write(Job {
            act: act.clone(),
            outcome,
            detail: detail.to_owned(),
            done: Box::new(move |written| {
                // Whoever asked waits below.
                let _ = done.send(written);
            }),
        });
        ended.recv().unwrap_or_else(|_| {
            let lost = "the thread that writes the audit log has ended".to_owned();
            Err(StoreError::Disk(lost))
        })
    }

    /// The same for who cannot do anything about a store that refuses: it is logged.
    pub fn note(&self, act: &Act, outcome: Outcome, detail: &str) {
        if let Err(error) = self.record(act, outcome, detail) {
            log_unwritten(act, outcome, detail, &error);
        }
    }

    /// The same of what somebody did: done, with these words about it, or failed.
    pub fn note_result<T, E: Display>(
        &self,
        act: &Act,
        result: &Result<T, E>,
        detail: impl FnOnce(&T) -> String,
    ) {
        match result {
            Ok(done) => self.note(act, Outcome::Done, &detail(done)),
            Err(error) => self.note(act, Outcome::Failed, &error.to_string()),
        }
    }

    /// The same without waiting: calls back when it is done, from another thread.
    pub fn note_then(
        &self,
        act: Act,
        outcome: Outcome,
        detail: String,
        done: impl FnOnce() + Send + 'static,
    ) {
        let (said, words) = (act.clone(), detail.clone());
        self.writer.write(Job {
            act,
            outcome,
            detail,
            done: Box::new(move |written| {
                if let Err(error) = written {
                    log_unwritten(&said, outcome, &words, &error);
                }
                done();
            }),
        });
    }

    /// The store that it records into.
    pub fn store(&self) -> &SharedStore {
        self.writer.store()
    }
}

fn log_unwritten(act: &Act, outcome: Outcome, detail: &str, error: &StoreError) {
    tracing::error!(
        %error, who = act.who, from = act.origin, action = act.action, target_of = act.target,
        why = act.why, result = outcome.as_str(), detail,
        "the audit entry could not be stored; this line is all there is of it"
    );
}
