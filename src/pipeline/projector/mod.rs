//! Folds the log into the projections, window by window.
//!
//! A window is a set of deliveries between two cuts of the topic. All of its changes, the sums and
//! the cursor are one atomic write, so at any moment the projections are exactly
//! `fold(log inside the cursor)`. What a projection answers is not decided here (`query`).

mod arrivals;
mod at_rest;
mod carry;
mod changes;
mod counters;
mod delays;
mod feed;
mod fill;
mod first_pass;
mod large;
mod live;
mod parallel;
mod preview;
mod projections;
mod purge;
pub mod rebuild;
mod refold;
mod remembered;
mod removal;
mod restore;
mod restoring;
mod shard;
mod subset;

pub use at_rest::AtRestError;
pub use delays::{DELAY_BUCKETS, Delay, Delays};
#[cfg(test)]
pub(crate) use live::Stepped;
pub use live::{Delivery, ProjectorGone, ProjectorHandle, ProjectorStatus, ProjectorWatch, spawn};
pub use preview::{Preview, Would};
pub use projections::{PROJECTIONS, Projection};
pub use purge::{Purge, PurgeOutcome, PurgeSaga};
pub use restore::{Restore, RestoreOutcome};

use crate::domain::{Cut, Event, SagaDefinitions};
use crate::failpoint;
use crate::settings::settings;
use crate::store::{Batch, Durability, Generation, KeptTables, SharedStore, Store, StoreError, reads};
use changes::{Changes, Scope, Target};
use counters::Counters;
use shard::{Shard, Span, shard_of};
use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;

settings! {
    /// How the projector works.
    #[derive(Debug)]
    pub struct ProjectorSettings of [projector] {
        /// Projector threads; each saga belongs to one of them. 0 for half of the processors.
        #[option(Integer(0, 256))]
        pub shards: usize = 0,
        /// Events that are folded into one write of the projections, at most.
        #[option(Integer(1, 1_000_000))]
        pub window_events: usize = 8_192,
        /// How long a write of the projections waits for more events, milliseconds. Bounds how stale answers are.
        #[option(Integer(1, 60_000))]
        pub window_ms: u64 = 20,
        /// Sagas whose state is kept in memory so that the next event need not read it, at most.
        #[option(Integer(1, 100_000_000))]
        pub remembered_sagas: usize = 16_384,
        /// Whether it is kept how all sagas stood at any instant: search, statistics and census with asOf and
        /// knownAt, stuck sagas. Another choice takes effect with the rebuild that the next start begins.
        #[option(Switch)]
        pub past: bool = true,
        /// Whether it is kept what became of every offset: the ledger, its health and its metrics. Another choice
        /// takes effect with the rebuild that the next start begins.
        #[option(Switch)]
        pub ledger: bool = true,
    }
}

impl ProjectorSettings {
    fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism()
                .map_or(1, |n| n.get().div_ceil(2))
                .min(16),
            given => given.min(256),
        }
    }
}

/// Folds what the log holds beyond the serving projections' cursor, while nothing else has the
/// store open.
///
/// # Errors
/// [`StoreError`].
pub fn catch_up_offline(
    store: &SharedStore,
    topic: &str,
    definitions: &Arc<SagaDefinitions>,
    settings: &ProjectorSettings,
) -> Result<(), StoreError> {
    removal::finish(store)?;
    let generation = reads::active_generation(&**store)?;
    let mut projector = Projector::open(store.clone(), generation, definitions.clone(), settings)?;
    live::catch_up(
        &mut projector,
        store,
        &reads::log_cut(&**store, topic)?,
        settings,
        |_| {},
    )
}

/// One generation of projections, and the means to move it along.
pub struct Projector {
    store: SharedStore,
    generation: Generation,
    /// The tables that the generation has, whatever is configured now.
    kept: KeptTables,
    /// What the generation is folded under, whatever is configured now.
    definitions: Arc<SagaDefinitions>,
    /// Whether the first write has to record that.
    unrecorded: bool,
    cursor: Cut,
    shards: Vec<Shard>,
    counters: Counters,
    any_purged: bool,
    /// What `remove_more` is at.
    removal: Option<removal::Removal>,
    /// The restore whose deliveries come.
    restoring: Option<restoring::Restoring>,
    /// What `remove_more` is at for a saga that is back.
    rest: Option<restoring::Rest>,
}

impl Projector {
    /// Goes on where the generation's stored cursor stands, under the rules that it is made under: all of
    /// a generation is the fold under one set of rules. A new one is begun under `definitions`.
    ///
    /// # Errors
    /// [`StoreError`] when cursor or rules cannot be read.
    pub fn open(
        store: SharedStore,
        generation: Generation,
        definitions: Arc<SagaDefinitions>,
        settings: &ProjectorSettings,
    ) -> Result<Self, StoreError> {
        let cursor = reads::cursor(&*store, generation)?;
        let recorded = reads::fold_rules(&*store, generation)?;
        let others = match reads::definitions_of(&*store, generation, &definitions)? {
            Cow::Owned(others) => Some(Arc::new(others)),
            Cow::Borrowed(_) => None,
        };
        let any_purged = purge::any_recorded(&*store)?;
        // What was folded before rules were recorded stays without, until it is rebuilt.
        let unrecorded = recorded.is_none() && cursor == Cut::default();
        let kept = if unrecorded {
            projections::kept(settings)
        } else {
            KeptTables::of(&*store, generation)?
        };
        let count = settings.shard_count();
        let remembered = NonZeroUsize::new(settings.remembered_sagas / count).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            store,
            generation,
            kept,
            definitions: others.unwrap_or(definitions),
            unrecorded,
            cursor,
            shards: (0..count).map(|_| Shard::new(remembered)).collect(),
            counters: Counters::new(Target { generation, kept }),
            any_purged,
            removal: None,
            restoring: None,
            rest: None,
        })
    }

    /// The cut that the projections are the fold of.
    pub fn cursor(&self) -> &Cut {
        &self.cursor
    }

    fn target(&self) -> Target {
        Target {
            generation: self.generation,
            kept: self.kept,
        }
    }

    /// The generation that this moves along.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Folds the events between the cursor and `after` and moves the cursor there, in one write.
    ///
    /// `events` are all that the log holds between the two cuts, in any order; events before the
    /// cursor are left out here.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed and the same call may be made again.
    pub fn advance(&mut self, events: &[Event], after: &Cut) -> Result<(), StoreError> {
        let result = self.write_window(events, after);
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// Forgets what was to be written, and was not.
    fn forget(&mut self) {
        self.shards.iter_mut().for_each(Shard::forget);
        self.counters.forget();
    }

    fn write_window(&mut self, events: &[Event], after: &Cut) -> Result<(), StoreError> {
        let mut changes = self.fold_shards(events, after)?;
        let mut rows = std::mem::take(&mut changes.rows);
        rows.sort();
        self.counters.apply(&*self.store, &mut changes, &mut rows)?;
        reads::put_cursor(&mut rows, self.generation, after);
        self.record_rules(&mut rows);
        failpoint::pass("projector.before_write");
        self.store.write(&rows, Durability::Process)?;
        failpoint::pass("projector.after_write");
        self.unrecorded = false;
        if let Some(shard) = self.shards.first_mut() {
            shard.reuse(rows);
        }
        self.cursor.clone_from(after);
        Ok(())
    }

    /// Adds the rules, and which tables there are, to the first write.
    fn record_rules(&self, rows: &mut Batch) {
        if self.unrecorded {
            reads::put_fold_rules(rows, self.generation, &self.definitions.fold_rules());
            self.kept.put(rows, self.generation);
        }
    }

    fn fold_shards(&mut self, events: &[Event], after: &Cut) -> Result<Changes, StoreError> {
        let span = Span {
            before: &self.cursor,
            after,
            any_purged: self.any_purged,
        };
        let count = self.shards.len();
        let mut shares: Vec<Vec<&Event>> = vec![Vec::new(); count];
        for event in events
            .iter()
            .filter(|event| !span.before.contains(event.position))
        {
            shares[shard_of(&event.saga_id, count)].push(event);
        }
        let (target, definitions) = (self.target(), &*self.definitions);
        let store: &dyn Store = &*self.store;
        if let [shard] = self.shards.as_mut_slice() {
            return shard.fold(store, target, definitions, span, &shares[0]);
        }
        let results: Vec<Result<Changes, StoreError>> = std::thread::scope(|scope| {
            let running: Vec<_> = self
                .shards
                .iter_mut()
                .zip(&shares)
                .map(|(shard, share)| {
                    scope.spawn(move || shard.fold(store, target, definitions, span, share))
                })
                .collect();
            running
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        let mut all = Changes::new(target, Scope::All);
        for changes in results {
            all.absorb(changes?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
