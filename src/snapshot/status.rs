//! What snapshots are doing, for metrics, progress and health. Written by the service, read by all.

use super::{Manifest, SnapshotId};
use crate::domain::Millis;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a snapshot under way is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Phase {
    /// The store makes a consistent copy of itself.
    #[default]
    Copying = 0,
    /// Files are looked at, and those that are new sent.
    Sending = 1,
    /// All files are there; the manifest is written.
    Finishing = 2,
    /// Old snapshots are let go of.
    Pruning = 3,
}

impl Phase {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Sending => "sending",
            Self::Finishing => "finishing",
            Self::Pruning => "pruning",
        }
    }

    fn of(tag: u8) -> Self {
        match tag {
            1 => Self::Sending,
            2 => Self::Finishing,
            3 => Self::Pruning,
            _ => Self::Copying,
        }
    }
}

/// How far a piece of work has come. Read by anyone while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    /// Files dealt with, of so many.
    pub(super) files: Count,
    /// Their bytes, of so many.
    pub(super) bytes: Count,
    /// Bytes that went over the wire.
    pub(super) sent: AtomicU64,
}

/// So many of so many.
#[derive(Debug, Default)]
pub(super) struct Count {
    done: AtomicU64,
    total: AtomicU64,
}

impl Count {
    pub(super) fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn add(&self, done: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        (
            self.done.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }
}

impl Progress {
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// What it is at.
    pub fn phase(&self) -> Phase {
        Phase::of(self.phase.load(Ordering::Relaxed))
    }

    /// Files dealt with, and all.
    pub fn files(&self) -> (u64, u64) {
        self.files.read()
    }

    /// Bytes dealt with, and all.
    pub fn bytes(&self) -> (u64, u64) {
        self.bytes.read()
    }

    /// Bytes sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A snapshot that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its name.
    pub id: SnapshotId,
    /// When it was complete, as far as known: else when it was begun.
    pub at: Millis,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes sent for it.
    pub sent_bytes: u64,
}

/// What is known of snapshots.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The one under way.
    pub running: Option<(SnapshotId, Arc<Progress>)>,
    /// The last that was made.
    pub last: Option<Last>,
    /// When and why the last try failed, if none succeeded since.
    pub failure: Option<(Millis, String)>,
    /// Made since the process began.
    pub successes: u64,
    /// Failed since the process began.
    pub failures: u64,
}

/// A handle that the service writes and others read.
#[derive(Debug, Default)]
pub struct SnapshotStatus {
    known: Mutex<Known>,
}

impl SnapshotStatus {
    /// What is known now.
    pub fn known(&self) -> Known {
        self.lock().clone()
    }

    /// Begins to tell of a snapshot, unless that was done already.
    pub(super) fn began(&self, id: &SnapshotId) -> Arc<Progress> {
        let mut known = self.lock();
        match &known.running {
            Some((running, progress)) if running == id => progress.clone(),
            _ => {
                let progress = Arc::new(Progress::default());
                known.running = Some((id.clone(), progress.clone()));
                progress
            }
        }
    }

    /// What was found in the object store when the process began.
    pub(super) fn found(&self, manifest: &Manifest) {
        let last = Last {
            at: manifest.id.at(),
            ..last(manifest)
        };
        self.lock().last.get_or_insert(last);
    }

    pub(super) fn succeeded(&self, manifest: &Manifest, at: Millis) {
        let mut known = self.lock();
        known.last = Some(Last { at, ..last(manifest) });
        known.failure = None;
        known.successes += 1;
    }

    pub(super) fn failed(&self, at: Millis, why: String) {
        let mut known = self.lock();
        known.failure = Some((at, why));
        known.failures += 1;
    }

    pub(super) fn ended(&self) {
        self.lock().running = None;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Plain values: a panic elsewhere cannot leave them half-changed in a harmful way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last(manifest: &Manifest) -> Last {
    Last {
        id: manifest.id.clone(),
        at: Millis::default(),
        took_ms: manifest.took_ms,
        bytes: manifest.bytes,
        sent_bytes: manifest.sent_bytes,
    }
}
