//! A store whose writes fail, or kill the process, when the schedule says so; and what a crash
//! leaves of it.
//!
//! Rows are kept by the memory engine. A crash of the process may take back what was written with
//! [`Durability::None`] and not flushed; power loss also a suffix of what was not synced.

use crate::program::demo::rng::Rng;
use crate::store::layer::{Layer, Layered};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Checkpoints, Durability, Store, StoreError, StoreRead, Table, TableRanges};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a write that fails says.
pub(super) const INJECTED: &str = "the simulator lets this write fail";
/// So many writes are kept to be taken back.
const MAX_JOURNAL: usize = 48;

/// Unwinds the stack of a process that is killed.
pub(super) struct Killed;

/// What happens at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing is written, and the writer is told.
    Fails,
    /// The process dies before the write.
    KilledBefore,
    /// The process dies after the write.
    KilledAfter,
}

/// How the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// The machine goes on.
    Process,
    /// The machine goes down, too.
    Power,
}

/// The store of one process, and what becomes of its writes.
pub(super) type DiskStore = Layered<Disk>;

/// What becomes of the writes of one process.
pub(super) struct Disk {
    rows: Arc<MemoryStore>,
    state: Mutex<State>,
}

struct State {
    /// What survives power loss for sure.
    synced: MemoryStore,
    /// What was written since.
    journal: Vec<Batch>,
    /// Tables with rows that may vanish, as they were before.
    unflushed: BTreeMap<Table, MemoryStore>,
    fate: Option<(u64, Fate)>,
    dead: bool,
    faulted: bool,
}

impl Disk {
    pub(super) fn new(rows: MemoryStore) -> DiskStore {
        let state = State {
            synced: rows.copy(),
            journal: Vec::new(),
            unflushed: BTreeMap::new(),
            fate: None,
            dead: false,
            faulted: false,
        };
        let rows = Arc::new(rows);
        let disk = Self {
            rows: rows.clone(),
            state: Mutex::new(state),
        };
        DiskStore::over(rows, disk)
    }

    /// Lets the write after so many others meet that fate.
    pub(super) fn arm(&self, after: u64, fate: Fate) {
        self.state().fate = Some((after, fate));
    }

    /// Lets nothing happen any more.
    pub(super) fn disarm(&self) {
        self.state().fate = None;
    }

    /// Whether a write failed since the process started.
    pub(super) fn is_faulted(&self) -> bool {
        self.state().faulted
    }

    /// A copy of one moment.
    pub(super) fn copy(&self) -> MemoryStore {
        self.rows.copy()
    }

    /// What the next process finds. Nothing of this one can write any more.
    pub(super) fn crash(&self, death: Death, rng: &mut Rng) -> MemoryStore {
        let mut state = self.state();
        state.dead = true;
        let found = match death {
            Death::Process => self.rows.copy(),
            Death::Power => {
                let found = state.synced.copy();
                let kept = rng.index(state.journal.len() + 1);
                for batch in &state.journal[..kept] {
                    found.write(batch, Durability::Process).unwrap();
                }
                found
            }
        };
        for (table, before) in &state.unflushed {
            if death == Death::Power || rng.per_mille(500) {
                found.put_back(*table, before);
            }
        }
        found
    }

    /// What the next process finds after this one ended in order.
    pub(super) fn close(&self) -> MemoryStore {
        self.state().dead = true;
        self.rows.copy()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens at this write. Does not return when the process dies before it.
    fn meet(&self) -> Result<bool, StoreError> {
        let fate = {
            let mut state = self.state();
            let due = match &mut state.fate {
                Some((0, fate)) => Some(*fate),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            };
            if due.is_some() {
                state.fate = None;
            }
            state.faulted |= due == Some(Fate::Fails);
            due
        };
        match fate {
            Some(Fate::Fails) => Err(StoreError::Disk(INJECTED.to_owned())),
            Some(Fate::KilledBefore) => std::panic::resume_unwind(Box::new(Killed)),
            Some(Fate::KilledAfter) => Ok(true),
            None => Ok(false),
        }
    }

    fn write_aside(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.state();
        for op in batch.iter() {
            state
                .unflushed
                .entry(op.table)
                .or_insert_with(|| self.rows.copy());
        }
        self.rows.write(batch, Durability::None)
    }

    fn sync_now(&self) {
        let mut state = self.state();
        state.synced = self.rows.copy();
        state.journal.clear();
    }
}

impl Layer for Disk {
    const OVER_SNAPSHOTS: bool = false;

    fn ranges<'s>(&self, inner: &'s (impl StoreRead + ?Sized)) -> Option<&'s dyn TableRanges> {
        inner.ranges()
    }

    fn write(&self, inner: &dyn Store, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        if self.state().dead {
            std::panic::resume_unwind(Box::new(Killed));
        }
        // A rebuild's threads write this; which of them is first is nobody's to say.
        if durability == Durability::None {
            return self.write_aside(batch);
        }
        let dies = self.meet()?;
        inner.write(batch, durability)?;
        if durability == Durability::Power || self.state().journal.len() >= MAX_JOURNAL {
            self.sync_now();
        } else {
            let mut written = Batch::new();
            written.append(batch);
            self.state().journal.push(written);
        }
        if dies {
            std::panic::resume_unwind(Box::new(Killed));
        }
        Ok(())
    }

    fn clear(&self, inner: &dyn Store, table: Table) -> Result<(), StoreError> {
        self.state().unflushed.remove(&table);
        inner.clear(table)
    }

    fn flush(&self, _: &dyn Store) -> Result<(), StoreError> {
        let dies = self.meet()?;
        self.sync_now();
        self.state().unflushed.clear();
        if dies {
            std::panic::resume_unwind(Box::new(Killed));
        }
        Ok(())
    }

    fn sync(&self, _: &dyn Store) -> Result<(), StoreError> {
        self.sync_now();
        Ok(())
    }

    fn checkpoints<'s>(&self, inner: &'s dyn Store) -> Option<&'s dyn Checkpoints> {
        inner.checkpoints()
    }
}
