//! Making the projections anew while the present ones serve. How that is done is not known here
//! (`pipeline::projector::rebuild`).
//!
//! Until the switch there are two generations. So a rebuild does not begin where the disk has no room for the second
//! one: it would fill the disk, and consumption would stop.

mod disk_space;

use crate::domain::{SagaDefinitions, SharedDefinitions};
use crate::operations::audit::Act;
use crate::operations::background::{Background, StartError, Work, WorkState};
use crate::pipeline::ingest::space::FreeSpace;
use crate::pipeline::projector::rebuild::{self, Progress, Rebuild};
use crate::pipeline::projector::{ProjectorHandle, ProjectorSettings};
use crate::store::{Generation, SharedStore, StoreError, reads};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use disk_space::NoDiskSpace;

/// What rebuilds need.
pub struct RebuildParts {
    /// The store.
    pub store: SharedStore,
    /// The tracker topic.
    pub topic: String,
    /// The definitions in force, to fold under.
    pub definitions: SharedDefinitions,
    /// How the projector works.
    pub settings: ProjectorSettings,
    /// Who switches to what was rebuilt.
    pub projector: ProjectorHandle,
    /// The room that there is for a second generation.
    pub space: Arc<dyn FreeSpace>,
}

/// Why a rebuild was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartRebuildError {
    /// It cannot run now.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The disk has no room for a second generation.
    #[error("{0}")]
    NoDiskSpace(NoDiskSpace),
    /// What it needs cannot be told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts rebuilds and tells how far they are. Cheap to clone.
#[derive(Clone)]
pub struct Rebuilds {
    parts: Arc<RebuildParts>,
    background: Background,
    last: Arc<Mutex<Last>>,
    waiting: Arc<Mutex<Option<NoDiskSpace>>>,
}

/// The rebuild that runs or ran last.
#[derive(Default)]
struct Last {
    progress: Arc<Progress>,
    total: u64,
}

/// What a rebuild does, or how the last one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildStatus {
    /// What it is at.
    pub phase: RebuildPhase,
    /// Events folded so far.
    pub done: u64,
    /// Events to fold, estimated.
    pub total: u64,
    /// The generation of projections that serves; none when the store does not say.
    pub generation: Option<Generation>,
    /// Why one that is due does not begin.
    pub waiting: Option<NoDiskSpace>,
}

/// What a rebuild is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebuildPhase {
    /// None ran yet.
    Idle,
    /// The log is folded.
    Folding,
    /// Sagas are counted.
    Counting,
    /// The rebuilt projections serve.
    Done,
    /// The old projections keep serving, and why.
    Failed(String),
}

impl Rebuilds {
    /// Rebuilds in this background.
    pub fn new(parts: RebuildParts, background: Background) -> Self {
        Self {
            parts: Arc::new(parts),
            background,
            last: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Whether what serves is made under other rules than these, or has other projections than are switched on.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn is_due(&self, definitions: &SagaDefinitions) -> Result<bool, StoreError> {
        rebuild::is_due(&self.parts.store, definitions, &self.parts.settings)
    }

    /// Starts one; the audit log is told how it ended.
    ///
    /// # Errors
    /// [`StartRebuildError`].
    pub fn start(&self, act: Act) -> Result<RebuildStatus, StartRebuildError> {
        let parts = &*self.parts;
        if let Some(no_space) = disk_space::shortage(&*parts.store, &*parts.space)? {
            return Err(StartRebuildError::NoDiskSpace(no_space));
        }
        let total = parts.store.usage().log_rows;
        let progress = Arc::new(Progress::default());
        let job = Rebuild {
            store: parts.store.clone(),
            topic: parts.topic.clone(),
            definitions: parts.definitions.get(),
            settings: parts.settings.clone(),
            progress: progress.clone(),
        };
        let (projector, cancelled) = (parts.projector.clone(), progress.clone());
        let run = move || {
            let done = job.online(&projector).map_err(|error| error.to_string())?;
            tracing::info!(
                events = done.events,
                sagas = done.sagas,
                "rebuilt projections serve"
            );
            Ok(done.to_string())
        };
        // Held until it runs: whoever asks meanwhile is told of this one.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stop = move || cancelled.cancel();
        self.background.start(Work::Rebuild, act, stop, run)?;
        *last = Last { progress, total };
        Ok(self.describe(&last))
    }

    /// What it does, or how the last one ended.
    pub fn status(&self) -> RebuildStatus {
        self.describe(&self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a rebuild that is due waits for, if it does.
    pub fn waiting(&self) -> Option<NoDiskSpace> {
        self.lock_waiting().clone()
    }

    /// Records that a due rebuild waits for disk space, or no longer does. Returns what was recorded before.
    pub(super) fn set_waiting(&self, no_space: Option<NoDiskSpace>) -> Option<NoDiskSpace> {
        std::mem::replace(&mut *self.lock_waiting(), no_space)
    }

    fn lock_waiting(&self) -> MutexGuard<'_, Option<NoDiskSpace>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, last: &Last) -> RebuildStatus {
        let done = last.progress.done();
        RebuildStatus {
            phase: match self.background.state(Work::Rebuild) {
                WorkState::Idle => RebuildPhase::Idle,
                WorkState::Running if done.counted > 0 => RebuildPhase::Counting,
                WorkState::Running => RebuildPhase::Folding,
                WorkState::Done => RebuildPhase::Done,
                WorkState::Failed(why) => RebuildPhase::Failed(why),
            },
            done: done.events,
            total: last.total.max(done.events),
            generation: reads::active_generation(&*self.parts.store).ok(),
            waiting: self.waiting(),
        }
    }
}
