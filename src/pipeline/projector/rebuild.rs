//! Makes projections anew: the same fold over the whole log, into the generation that does not
//! serve. The old one serves until the switch.
//!
//! Two passes. The first reads the log saga by saga, in parallel, and makes all projections that can be made
//! so. The second makes those that are made of rows of others.

use super::first_pass::FirstPass;
use super::large;
use super::parallel::{each_row, in_parallel};
pub use super::progress::{Done, Progress, RebuildError};
use super::projections::{self, AddRow, Changes, Counters, PROJECTIONS, Rebuilt, Scope, Target};
use super::visible::Visible;
use super::{Projector, ProjectorHandle, ProjectorSettings, carry, catch_up, unfinished};
use crate::domain::{Cut, SagaDefinitions, SagaId};
use crate::store::codec::Record;
use crate::store::records::PurgedRecord;
use crate::store::{
    Batch, Durability, Generation, KeptTables, ProjectionTable, SharedStore, StoreError, Table, purged, reads,
};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// Count cells gathered before they are added to the stored ones.
const CELLS_PER_WRITE: usize = 65_536;

/// A rebuild: where from, where to, under which definitions.
pub struct Rebuild {
    /// The store.
    pub store: SharedStore,
    /// The tracker topic, whose stored offsets bound the log.
    pub topic: String,
    /// The definitions to fold under.
    pub definitions: Arc<SagaDefinitions>,
    /// How the projector works, and which projections are switched on.
    pub settings: ProjectorSettings,
    /// Where to tell how far it has come.
    pub progress: Arc<Progress>,
}

impl Rebuild {
    /// Rebuilds beside a running projector, then has it switch. Returns when the new generation serves.
    ///
    /// # Errors
    /// [`RebuildError`]; the old generation goes on serving.
    pub fn online(&self, projector: &ProjectorHandle) -> Result<Done, RebuildError> {
        let _complete = projector.no_purges();
        let old = reads::active_generation(&*self.store)?;
        let fresh = old.other();
        let cut = reads::log_cut(&*self.store, &self.topic)?;
        if let Err(error) = self.fill(fresh, &cut) {
            // Its room is given back: a full disk may be why.
            let cleared = self.drop_generation(fresh);
            cleared
                .unwrap_or_else(|error| tracing::warn!(%error, "what a failed rebuild left is still there"));
            return Err(error);
        }
        // What arrived meanwhile; the switch itself then has little left to fold.
        let mut behind = Projector::open(
            self.store.clone(),
            fresh,
            self.definitions.clone(),
            &self.settings,
        )?;
        let end = projector.status().cursor;
        catch_up::to(&mut behind, &self.store, &end, &self.settings, |_| {})?;
        drop(behind);
        projector.switch(fresh)?;
        self.drop_generation(old)?;
        Ok(self.progress.done())
    }

    /// Rebuilds while nothing else has the store open.
    ///
    /// # Errors
    /// [`RebuildError`]; the old generation stays.
    pub fn offline(&self) -> Result<Done, RebuildError> {
        let old = reads::active_generation(&*self.store)?;
        self.fill(old.other(), &reads::log_cut(&*self.store, &self.topic)?)?;
        carry::activate(&self.store, old.other())?;
        self.drop_generation(old)?;
        Ok(self.progress.done())
    }

    /// Empties a generation and fills it with the fold of the log inside the cut.
    ///
    /// # Errors
    /// [`RebuildError`]; the generation is then incomplete and has no cursor.
    pub fn fill(&self, generation: Generation, cut: &Cut) -> Result<(), RebuildError> {
        self.fill_tables(generation, projections::kept(&self.settings), cut)
    }

    /// The same, of these tables whatever is switched on.
    ///
    /// # Errors
    /// [`RebuildError`]; the generation is then incomplete and has no cursor.
    pub fn fill_tables(
        &self,
        generation: Generation,
        kept: KeptTables,
        cut: &Cut,
    ) -> Result<(), RebuildError> {
        let target = Target { generation, kept };
        unfinished::finish(&self.store)?;
        self.drop_generation(generation)?;
        // What clearing left is merged away: what is loaded then goes to the last level at once.
        self.each_table(generation, |table| self.store.reclaim(table))?;
        self.first_pass(target, cut)?;
        self.second_pass(target)?;
        self.add_remains(target)?;
        self.store.flush()?;
        let mut batch = Batch::new();
        reads::put_cursor(&mut batch, generation, cut);
        reads::put_fold_rules(&mut batch, generation, &self.definitions.fold_rules());
        kept.put(&mut batch, generation);
        Ok(self.store.write(&batch, Durability::Power)?)
    }

    /// Empties a generation.
    ///
    /// # Errors
    /// [`StoreError`] when the engine refuses.
    pub fn drop_generation(&self, generation: Generation) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        reads::delete_fold_rules(&mut batch, generation);
        self.store.write(&batch, Durability::Process)?;
        self.each_table(generation, |table| self.store.clear(table))
    }

    /// Does something to all tables of a generation, at once: mostly it is waiting for the disk.
    fn each_table(
        &self,
        generation: Generation,
        work: impl Fn(Table) -> Result<(), StoreError> + Sync,
    ) -> Result<(), StoreError> {
        std::thread::scope(|scope| {
            let work = &work;
            let running = ProjectionTable::ALL
                .map(|table| scope.spawn(move || work(Table::Projection(generation, table))));
            running.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    }

    fn first_pass(&self, target: Target, cut: &Cut) -> Result<(), RebuildError> {
        let any_purged = purged::any(&*self.store)?;
        let parts = in_parallel(&self.store, Table::Log, |snapshot, shares| {
            let visible = Visible {
                store: snapshot,
                generation: target.generation,
                definitions: &self.definitions,
                within: cut,
            };
            let mut part = FirstPass::begin(&*self.store, &self.progress, visible, target, any_purged);
            for share in shares {
                part.scan(share)?;
            }
            part.finish()
        })?;
        let mut all = Changes::new(target, Scope::WithSagas);
        for (changes, sagas) in parts {
            all.absorb(changes);
            for saga in sagas {
                self.fold_large(&saga, cut, &mut all)?;
            }
        }
        self.add_sums(&mut Counters::new(target), &mut all)
    }

    /// Folds a saga that is too large to be loaded, part by part.
    fn fold_large(&self, saga: &SagaId, cut: &Cut, all: &mut Changes) -> Result<(), RebuildError> {
        let visible = Visible {
            store: &*self.store,
            generation: all.generation(),
            definitions: &self.definitions,
            within: cut,
        };
        let events = large::fold(visible, saga, all, |rows| {
            self.progress.check()?;
            self.store.write(rows, Durability::None)?;
            rows.clear();
            Ok::<_, RebuildError>(())
        })?;
        self.progress.add_folded(1, events);
        Ok(())
    }

    /// What purged sagas added to the sums that never shrink.
    fn add_remains(&self, target: Target) -> Result<(), RebuildError> {
        let mut changes = Changes::new(target, Scope::WithSagas);
        reads::try_scan_table(&*self.store.snapshot(), Table::Purged, |_, _, value| {
            let saga = PurgedRecord::read(value)?.purged()?;
            if saga.is_gone() {
                changes.purged(&saga, 1);
                changes.removed_offsets(&saga);
            }
            Ok(())
        })?;
        self.add_sums(&mut Counters::new(target), &mut changes)
    }

    fn second_pass(&self, target: Target) -> Result<(), RebuildError> {
        PROJECTIONS
            .iter()
            .filter(|projection| projection.is_kept(target.kept))
            .try_for_each(|projection| match projection.rebuilt {
                Rebuilt::WithSagas => Ok(()),
                Rebuilt::FromRows(tables) => tables.iter().try_for_each(|(table, add_row)| {
                    self.add_rows(Table::Projection(target.generation, *table), target, *add_row)
                }),
            })
    }

    fn add_rows(&self, table: Table, target: Target, add_row: AddRow) -> Result<(), RebuildError> {
        let counters = Mutex::new(Counters::new(target));
        let add = |changes: &mut Changes| {
            let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
            self.add_sums(&mut counters, changes)
        };
        in_parallel(&self.store, table, |snapshot, shares| {
            let mut changes = Changes::new(target, Scope::All);
            for share in shares {
                each_row(snapshot, share, |partition, sort, value| {
                    add_row(&mut changes, partition, sort, value)?;
                    self.progress.add_counted();
                    if changes.cells() >= CELLS_PER_WRITE {
                        add(&mut changes)?;
                    }
                    Ok(())
                })?;
            }
            add(&mut changes)
        })?;
        Ok(())
    }

    fn add_sums(&self, counters: &mut Counters, changes: &mut Changes) -> Result<(), RebuildError> {
        let mut batch = std::mem::take(&mut changes.rows);
        counters.apply(&*self.store, changes, &mut batch)?;
        batch.sort();
        self.progress.check()?;
        Ok(self.store.write(&batch, Durability::None)?)
    }
}

/// Bytes of a cleared table that are worth clearing again. What clearing itself leaves is far less.
const LEFTOVER_BYTES: u64 = 1 << 20;

/// Empties the generation that does not serve: a crash may have left a part of a rebuild there, or those
/// who read it for long the room of what was rebuilt.
///
/// # Errors
/// [`StoreError`] when the engine refuses.
pub fn clear_leftovers(store: &SharedStore) -> Result<(), StoreError> {
    let idle = reads::active_generation(&**store)?.other();
    for table in ProjectionTable::ALL.map(|table| Table::Projection(idle, table)) {
        let mut found = store.table_bytes(table)? > LEFTOVER_BYTES;
        store.scan_table(table, &mut |_, _, _| {
            found = true;
            ControlFlow::Break(())
        })?;
        if found {
            store.clear(table)?;
        }
    }
    Ok(())
}

/// Whether the serving projections are made under other fold rules than these, or others are switched on.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn is_due(
    store: &SharedStore,
    definitions: &SagaDefinitions,
    settings: &ProjectorSettings,
) -> Result<bool, StoreError> {
    let snapshot = store.snapshot();
    let serving = reads::active_generation(&*snapshot)?;
    let made = reads::cursor(&*snapshot, serving)? != Cut::default();
    if made && KeptTables::of(&*snapshot, serving)? != projections::kept(settings) {
        return Ok(true);
    }
    match reads::fold_rules(&*snapshot, serving)? {
        Some(rules) => Ok(rules != definitions.fold_rules()),
        // With something in it, it was made under rules that nobody knows.
        None => Ok(made),
    }
}
