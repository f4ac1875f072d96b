//! Makes projections anew: the same fold over the whole log, into the generation that does not
//! serve. The old one serves until the switch.
//!
//! Two passes. The first reads the log saga by saga, in parallel, and writes states and indexes. The
//! second reads the index by last event, where neighbours in time are neighbours on disk, and makes
//! the count trees, whose cells would otherwise be touched at random.

use super::changes::Changes;
use super::counters::Counters;
use super::{ProjectorHandle, ProjectorSettings, live, purge};
use crate::domain::{Cut, Event, SagaDefinitions, SagaId, SagaType, deduplicate, fold_deduplicated};
use crate::store::codec::Record;
use crate::store::purged;
use crate::store::records::{PurgedRecord, UpdatedRecord};
use crate::store::{
    Batch, Durability, Generation, ProjectionTable, Read, SharedStore, StoreError, Table, TableRange, keys,
    read,
};
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows gathered before a write.
const ROWS_PER_WRITE: usize = 32_768;
/// Count cells gathered before they are added to the stored ones.
const CELLS_PER_WRITE: usize = 65_536;

/// How far a rebuild has come. Read by anyone while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    events: AtomicU64,
    sagas: AtomicU64,
    counted: AtomicU64,
    cancelled: AtomicBool,
}

/// A reading of [`Progress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Events folded.
    pub events: u64,
    /// Sagas folded.
    pub sagas: u64,
    /// Sagas counted in the second pass.
    pub counted: u64,
}

/// Why a rebuild did not come to its end. What serves goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was told to stop.
    #[error("stopped before its end; start it again when it suits")]
    Cancelled,
}

impl From<keys::KeyError> for RebuildError {
    fn from(error: keys::KeyError) -> Self {
        Self::Store(error.into())
    }
}

impl Progress {
    /// Tells the rebuild to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), RebuildError> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(RebuildError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// How far it has come.
    pub fn done(&self) -> Done {
        Done {
            events: self.events.load(Ordering::Relaxed),
            sagas: self.sagas.load(Ordering::Relaxed),
            counted: self.counted.load(Ordering::Relaxed),
        }
    }
}

/// A rebuild: where from, where to, under which definitions.
pub struct Rebuild {
    /// The store.
    pub store: SharedStore,
    /// The tracker topic, whose stored offsets bound the log.
    pub topic: String,
    /// The definitions to fold under.
    pub definitions: Arc<SagaDefinitions>,
    /// How the projector works.
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
        let _complete = projector.no_removals();
        let old = read::active_generation(&*self.store)?;
        let fresh = old.other();
        self.fill(fresh, &read::log_cut(&*self.store, &self.topic)?)?;
        // What arrived meanwhile; the switch itself then has little left to fold.
        let mut behind = super::Projector::open(
            self.store.clone(),
            fresh,
            self.definitions.clone(),
            &self.settings,
        )?;
        let end = projector.status().cursor;
        live::catch_up(&mut behind, &self.store, &end, &self.settings, |_| {})?;
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
        let old = read::active_generation(&*self.store)?;
        self.fill(old.other(), &read::log_cut(&*self.store, &self.topic)?)?;
        live::activate(&self.store, old.other(), &self.definitions)?;
        self.drop_generation(old)?;
        Ok(self.progress.done())
    }

    /// Empties a generation and fills it with the fold of the log inside the cut.
    ///
    /// # Errors
    /// [`RebuildError`]; the generation is then incomplete and has no cursor.
    pub fn fill(&self, generation: Generation, cut: &Cut) -> Result<(), RebuildError> {
        self.drop_generation(generation)?;
        self.first_pass(generation, cut)?;
        self.second_pass(generation)?;
        self.add_remains(generation)?;
        self.store.flush()?;
        let mut batch = Batch::new();
        read::put_cursor(&mut batch, generation, cut);
        Ok(self.store.write(&batch, Durability::Power)?)
    }

    /// Empties a generation.
    ///
    /// # Errors
    /// [`StoreError`] when the engine refuses.
    pub fn drop_generation(&self, generation: Generation) -> Result<(), StoreError> {
        ProjectionTable::ALL
            .into_iter()
            .try_for_each(|table| self.store.clear(Table::Projection(generation, table)))
    }

    fn first_pass(&self, generation: Generation, cut: &Cut) -> Result<(), RebuildError> {
        let any_purged = purge::any_recorded(&*self.store)?;
        let shares = in_parallel(&self.store, Table::Log, |snapshot, range| {
            let mut share = FirstPass {
                rebuild: self,
                snapshot,
                any_purged,
                cut,
                changes: Changes::new(generation, false),
                saga: None,
                events: Vec::new(),
            };
            share.scan(range)?;
            Ok(share.changes)
        })?;
        let mut all = Changes::new(generation, false);
        for changes in shares {
            all.absorb(changes);
        }
        self.add_sums(&mut Counters::new(generation), &mut all)
    }

    /// What purged sagas added to the sums that never shrink.
    fn add_remains(&self, generation: Generation) -> Result<(), RebuildError> {
        let mut changes = Changes::new(generation, false);
        let whole = TableRange {
            table: Table::Purged,
            from: None,
            to: None,
        };
        each_row(&*self.store.snapshot(), &whole, |_, _, value| {
            let saga = PurgedRecord::read(value)?.purged()?;
            if saga.is_gone() {
                changes.purged(&saga.remains, saga.events, 1);
            }
            Ok(())
        })?;
        self.add_sums(&mut Counters::new(generation), &mut changes)
    }

    fn second_pass(&self, generation: Generation) -> Result<(), RebuildError> {
        let counters = Mutex::new(Counters::new(generation));
        let table = Table::Projection(generation, ProjectionTable::ByUpdated);
        in_parallel(&self.store, table, |snapshot, range| {
            let mut changes = Changes::new(generation, true);
            each_row(snapshot, range, |partition, sort, value| {
                let (saga_type, status) = keys::parse_index_partition(partition)?;
                let (updated_at, _) = keys::parse_by_time_sort(sort)?;
                let started_at = UpdatedRecord::read(value)?.started();
                let number = changes.types.number(&SagaType::new(saga_type));
                changes.count(number, status, (started_at, updated_at), 1);
                self.progress.counted.fetch_add(1, Ordering::Relaxed);
                if changes.counts.len() >= CELLS_PER_WRITE {
                    self.add_sums(
                        &mut counters.lock().unwrap_or_else(PoisonError::into_inner),
                        &mut changes,
                    )?;
                }
                Ok(())
            })?;
            self.add_sums(
                &mut counters.lock().unwrap_or_else(PoisonError::into_inner),
                &mut changes,
            )
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

/// One thread's share of the first pass.
struct FirstPass<'r> {
    rebuild: &'r Rebuild,
    snapshot: &'r dyn Read,
    any_purged: bool,
    cut: &'r Cut,
    changes: Changes,
    saga: Option<SagaId>,
    events: Vec<Event>,
}

impl FirstPass<'_> {
    fn scan(&mut self, range: &TableRange) -> Result<(), RebuildError> {
        each_row(self.snapshot, range, |partition, sort, value| {
            if self
                .saga
                .as_ref()
                .is_none_or(|saga| saga.as_str().as_bytes() != partition)
            {
                self.finish_saga()?;
                self.saga = Some(SagaId::new(keys::parse_text("log", partition)?));
            }
            let at = keys::parse_log_sort(sort)?;
            if let Some(saga) = self.saga.as_ref().filter(|_| self.cut.contains(at.position)) {
                self.events.push(read::event(saga, at, value)?);
            }
            Ok(())
        })?;
        self.finish_saga()?;
        self.write()
    }

    fn finish_saga(&mut self) -> Result<(), RebuildError> {
        let Some(saga) = self.saga.take() else {
            return Ok(());
        };
        if self.any_purged && purged::gone(self.snapshot, std::slice::from_ref(&saga))?[0] {
            self.changes.late(self.events.iter());
            self.events.clear();
            return Ok(());
        }
        let parts = deduplicate(&self.events);
        if let Some(state) = fold_deduplicated(&parts, &self.rebuild.definitions) {
            for event in &parts.timeline {
                self.changes.processed(event.status, &event.step, 1);
            }
            self.changes.replace(&saga, None, &state);
            self.rebuild.progress.sagas.fetch_add(1, Ordering::Relaxed);
        }
        self.rebuild
            .progress
            .events
            .fetch_add(self.events.len() as u64, Ordering::Relaxed);
        self.events.clear();
        if self.changes.rows.len() >= ROWS_PER_WRITE {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> Result<(), RebuildError> {
        self.rebuild.progress.check()?;
        self.changes.rows.sort();
        self.rebuild.store.write(&self.changes.rows, Durability::None)?;
        self.changes.rows.clear();
        Ok(())
    }
}

/// Runs `work` over shares of a table on as many threads as there are processors.
fn in_parallel<T: Send>(
    store: &SharedStore,
    table: Table,
    work: impl Fn(&dyn Read, &TableRange) -> Result<T, RebuildError> + Sync,
) -> Result<Vec<T>, RebuildError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let ranges = store.split(table, threads * 4)?;
    let queue = Mutex::new(ranges.iter());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let snapshot = store.snapshot();
                    let mut results = Vec::new();
                    while let Some(range) = take() {
                        results.push(work(&*snapshot, range)?);
                    }
                    Ok(results)
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in running {
            let results: Result<Vec<T>, RebuildError> = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.extend(results?);
        }
        Ok(all)
    })
}

/// Visits every row of a share of a table.
fn each_row(
    snapshot: &dyn Read,
    range: &TableRange,
    mut visit: impl FnMut(&[u8], &[u8], &[u8]) -> Result<(), RebuildError>,
) -> Result<(), RebuildError> {
    let mut failed = None;
    snapshot.scan_table(range, &mut |partition, sort, value| {
        failed = visit(partition, sort, value).err();
        if failed.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// Empties the generation that does not serve: a crash may have left a part of a rebuild there.
///
/// # Errors
/// [`StoreError`] when the engine refuses.
pub fn clear_leftovers(store: &SharedStore) -> Result<(), StoreError> {
    let idle = read::active_generation(&**store)?.other();
    for table in ProjectionTable::ALL.map(|table| Table::Projection(idle, table)) {
        let mut found = false;
        store.scan_table(
            &TableRange {
                table,
                from: None,
                to: None,
            },
            &mut |_, _, _| {
                found = true;
                ControlFlow::Break(())
            },
        )?;
        if found {
            store.clear(table)?;
        }
    }
    Ok(())
}

/// Whether the serving projections were made under other fold rules than these.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn is_due(store: &SharedStore, definitions: &SagaDefinitions) -> Result<bool, StoreError> {
    let made_under = read::meta(&**store, crate::store::totals::FOLD_RULES)?;
    Ok(made_under.is_some_and(|rules| rules != definitions.fold_rules()))
}

/// Notes the fold rules of a new store, whose projections are made under them from the start.
///
/// # Errors
/// [`StoreError`] when the store cannot be written.
pub fn note_rules_once(store: &SharedStore, definitions: &SagaDefinitions) -> Result<(), StoreError> {
    if read::meta(&**store, crate::store::totals::FOLD_RULES)?.is_some() {
        return Ok(());
    }
    let mut batch = Batch::new();
    read::put_meta(
        &mut batch,
        crate::store::totals::FOLD_RULES,
        &definitions.fold_rules(),
    );
    store.write(&batch, Durability::Process)
}
