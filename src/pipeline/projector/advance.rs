//! One generation of projections, moved along window by window. What else changes it (purges, restores, dead
//! letters that became readable) stands in files of its own, as do the parts of the fold.

use super::projections::{self, Changes, Counters, Scope, Target};
use super::removal::Removal;
use super::restore::{Rest, Restoring};
use super::settings::ProjectorSettings;
use super::shard::{Shard, Span, shard_of};
use crate::domain::{Cut, Event, InForce, SagaDefinitions};
use crate::failpoint;
use crate::store::{
    Batch, Durability, Generation, KeptTables, SharedStore, Store, StoreError, purged, reads,
};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// One generation of projections, and the means to move it along.
pub struct Projector {
    pub(super) store: SharedStore,
    pub(super) generation: Generation,
    /// The tables that the generation has, whatever is configured now.
    pub(super) kept: KeptTables,
    /// What the generation is folded under, whatever is configured now.
    pub(super) definitions: Arc<SagaDefinitions>,
    /// Whether the first write has to record that.
    pub(super) unrecorded: bool,
    pub(super) cursor: Cut,
    pub(super) shards: Vec<Shard>,
    pub(super) counters: Counters,
    pub(super) any_purged: bool,
    /// What `remove_more` is at.
    pub(super) removal: Option<Removal>,
    /// The restore whose deliveries come.
    pub(super) restoring: Option<Restoring>,
    /// What `remove_more` is at for a saga that is back.
    pub(super) rest: Option<Rest>,
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
        let definitions = reads::definitions_of(&*store, generation, &InForce::from(definitions))?;
        let any_purged = purged::any(&*store)?;
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
            definitions,
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

    pub(super) fn target(&self) -> Target {
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
    pub(super) fn forget(&mut self) {
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
    pub(super) fn record_rules(&self, rows: &mut Batch) {
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
