//! What snapshots are doing, for metrics, progress and health. Written by the service, read by all.

use super::{Manifest, SnapshotId};
use crate::domain::Millis;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What had a snapshot made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The settings say that it is time.
    Schedule,
    /// Somebody asked for it.
    Request,
}

impl Trigger {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Schedule, Self::Request];

    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Request => "request",
        }
    }
}

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

/// A snapshot under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name.
    pub id: SnapshotId,
    /// What has it made.
    pub trigger: Trigger,
    /// How far it is.
    pub progress: Arc<Progress>,
}

/// A snapshot that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its name.
    pub id: SnapshotId,
    /// What had it made; not known of one that was made before the process began.
    pub trigger: Option<Trigger>,
    /// When it was complete, as far as known: else when it was begun.
    pub at: Millis,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes sent for it.
    pub sent_bytes: u64,
}

/// A try that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// When.
    pub at: Millis,
    /// Why.
    pub why: String,
    /// What had it tried.
    pub trigger: Trigger,
}

/// How many ended how since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Made.
    pub successes: u64,
    /// Failed.
    pub failures: u64,
}

/// What is known of snapshots.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The one under way.
    pub running: Option<Running>,
    /// The last that was made.
    pub last: Option<Last>,
    /// The last try that failed, if none succeeded since.
    pub failure: Option<LastFailure>,
    /// Of the schedule's.
    scheduled: Tally,
    /// Of those that were asked for.
    requested: Tally,
}

impl Known {
    /// How many of a trigger's ended how since the process began.
    pub fn tally(&self, trigger: Trigger) -> Tally {
        match trigger {
            Trigger::Schedule => self.scheduled,
            Trigger::Request => self.requested,
        }
    }

    fn tally_mut(&mut self, trigger: Trigger) -> &mut Tally {
        match trigger {
            Trigger::Schedule => &mut self.scheduled,
            Trigger::Request => &mut self.requested,
        }
    }
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
    pub(super) fn began(&self, id: &SnapshotId, trigger: Trigger) -> Arc<Progress> {
        let mut known = self.lock();
        match &known.running {
            Some(running) if running.id == *id => running.progress.clone(),
            _ => {
                let progress = Arc::new(Progress::default());
                known.running = Some(Running {
                    id: id.clone(),
                    trigger,
                    progress: progress.clone(),
                });
                progress
            }
        }
    }

    /// What was found in the object store when the process began.
    pub(super) fn found(&self, manifest: &Manifest) {
        let last = last(manifest, manifest.id.at(), None);
        self.lock().last.get_or_insert(last);
    }

    pub(super) fn succeeded(&self, manifest: &Manifest, at: Millis, trigger: Trigger) {
        let mut known = self.lock();
        known.last = Some(last(manifest, at, Some(trigger)));
        known.failure = None;
        known.tally_mut(trigger).successes += 1;
    }

    pub(super) fn failed(&self, at: Millis, why: String, trigger: Trigger) {
        let mut known = self.lock();
        known.failure = Some(LastFailure { at, why, trigger });
        known.tally_mut(trigger).failures += 1;
    }

    pub(super) fn ended(&self) {
        self.lock().running = None;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Plain values: a panic elsewhere cannot leave them half-changed in a harmful way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last(manifest: &Manifest, at: Millis, trigger: Option<Trigger>) -> Last {
    Last {
        id: manifest.id.clone(),
        trigger,
        at,
        took_ms: manifest.took_ms,
        bytes: manifest.bytes,
        sent_bytes: manifest.sent_bytes,
    }
}
