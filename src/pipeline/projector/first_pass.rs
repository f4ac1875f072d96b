//! A rebuild's first pass, as one thread does it: folds saga after saga of its part of the log, and loads
//! states and index rows as table files. Which part that is, and what comes after, is not decided here
//! (`rebuild`).

use super::large::{self, Loaded};
use super::parallel::{each_row, threads};
use super::progress::{Progress, RebuildError};
use super::projections::{Changes, Scope, Target};
use super::visible::Visible;
use crate::domain::SagaId;
use crate::store::{Batch, ProjectionTable, Store, Table, TableRange, keys, purged};

/// Bytes of states that all threads together gather before they load them.
const STATES_AT_ONCE: usize = 16 << 20;
/// Bytes of index rows. More makes fewer files to merge; memory for both is taken about twice.
const INDEXES_AT_ONCE: usize = 32 << 20;
/// One thread's part of the first pass.
pub(super) struct FirstPass<'r> {
    store: &'r dyn Store,
    progress: &'r Progress,
    visible: Visible<'r>,
    any_purged: bool,
    changes: Changes,
    states: Waiting,
    indexes: Waiting,
    /// The last share.
    last: Option<TableRange>,
    saga: Option<SagaId>,
    loaded: Loaded,
    /// Sagas that are too large to be loaded; they are folded afterwards.
    large: Vec<SagaId>,
}

impl<'r> FirstPass<'r> {
    pub(super) fn begin(
        store: &'r dyn Store,
        progress: &'r Progress,
        visible: Visible<'r>,
        target: Target,
        any_purged: bool,
    ) -> Self {
        Self {
            store,
            progress,
            visible,
            any_purged,
            changes: Changes::new(target, Scope::WithSagas),
            states: Waiting::new(STATES_AT_ONCE / threads(), 256),
            indexes: Waiting::new(INDEXES_AT_ONCE / threads(), 64),
            last: None,
            saga: None,
            loaded: Loaded::default(),
            large: Vec::new(),
        }
    }

    /// Loads what still waits. The sums that are left to add, and the sagas that are too large to be loaded.
    pub(super) fn finish(mut self) -> Result<(Changes, Vec<SagaId>), RebuildError> {
        self.states.load(self.store, self.progress)?;
        self.indexes.load(self.store, self.progress)?;
        Ok((self.changes, self.large))
    }

    /// Folds the sagas of a share of the log.
    pub(super) fn scan(&mut self, range: &TableRange) -> Result<(), RebuildError> {
        // States are loaded in the log's order; those of two threads must not interleave, for files that
        // do have to be merged.
        if !self.last.as_ref().is_some_and(|last| range.follows(last)) {
            self.states.load(self.store, self.progress)?;
        }
        self.last = Some(range.clone());
        each_row(self.visible.store, range, |partition, sort, value| {
            let saga = self.saga.as_ref();
            if saga.is_none_or(|saga| saga.as_str().as_bytes() != partition) {
                self.finish_saga()?;
                self.saga = Some(SagaId::new(keys::parse_text("log", partition)?));
            }
            let at = keys::parse_log_sort(sort)?;
            if let Some(saga) = self
                .saga
                .as_ref()
                .filter(|_| self.visible.within.contains(at.position))
            {
                self.loaded.add(saga, at, value)?;
            }
            Ok(())
        })?;
        self.finish_saga()
    }

    fn finish_saga(&mut self) -> Result<(), RebuildError> {
        let Some(saga) = self.saga.take() else {
            return Ok(());
        };
        if self.any_purged && purged::gone(self.visible.store, std::slice::from_ref(&saga))?[0] {
            large::count_late(self.visible.store, &saga, self.visible.within, &mut self.changes)?;
            self.loaded.clear();
            return Ok(());
        }
        if self.loaded.is_large() {
            self.loaded.clear();
            self.large.push(saga);
            return Ok(());
        }
        self.fold(&saga)?;
        self.load_rows()
    }

    fn fold(&mut self, saga: &SagaId) -> Result<(), RebuildError> {
        let events = self.loaded.fold(self.visible, saga, &mut self.changes)?;
        self.progress.add_folded(u64::from(events > 0), events);
        Ok(())
    }

    /// Sorts the rows of a saga to those that wait, and loads what is enough for a file.
    fn load_rows(&mut self) -> Result<(), RebuildError> {
        let is_state = |table| matches!(table, Table::Projection(_, ProjectionTable::Instances));
        let rows = &mut self.changes.rows;
        self.states.rows.append_where(rows, is_state);
        self.indexes.rows.append_where(rows, |table| !is_state(table));
        rows.clear();
        self.states.load_when_full(self.store, self.progress)?;
        self.indexes.load_when_full(self.store, self.progress)
    }
}

/// Rows that wait to be loaded.
struct Waiting {
    rows: Batch,
    full: usize,
}

impl Waiting {
    /// Full with so many bytes, in rows of about so many. All memory is taken at once: growing to many
    /// megabytes takes longer than filling them.
    fn new(full: usize, bytes_per_row: usize) -> Self {
        let rows = Batch::with_capacity(full + full / 16, bytes_per_row);
        Self { rows, full }
    }

    fn load_when_full(&mut self, store: &dyn Store, progress: &Progress) -> Result<(), RebuildError> {
        if self.rows.byte_len() < self.full {
            return Ok(());
        }
        self.load(store, progress)
    }

    fn load(&mut self, store: &dyn Store, progress: &Progress) -> Result<(), RebuildError> {
        progress.check()?;
        store.load(&self.rows)?;
        self.rows.clear();
        Ok(())
    }
}
