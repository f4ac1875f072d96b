//! The in-memory engine: proves the port, and serves tests that need no disk.
//!
//! Tables are shared maps that a writer copies only where a reader still holds them, so a snapshot
//! costs a few reference counts and a visitor may write to the store that it is reading. Nothing
//! survives the process, whatever the durability asked for.

use super::{
    Batch, Checkpoint, Checkpoints, Direction, Durability, Key, Op, SortRange, Store, StoreError, StoreRead,
    Table, TableRange, TableRanges, Usage, VisitRow, VisitTable,
};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What manifests call this engine.
pub const ENGINE: &str = "memory";
/// The one file of a copy: a format byte, then per row table, partition key, sort key and value,
/// each with its length (four bytes, big-endian) before it.
const COPY: &str = "rows";
const COPY_FORMAT: u8 = 1;

type Bytes = Box<[u8]>;
type Rows = BTreeMap<Bytes, Bytes>;
type Partitions = BTreeMap<Bytes, Arc<Rows>>;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: RwLock<Tables>,
    /// Writes that a power failure may still take.
    unsynced: AtomicU64,
}

/// All tables at one moment; also what a snapshot is.
#[derive(Clone, Debug, Default)]
struct Tables(BTreeMap<Table, Arc<Partitions>>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many writes a power failure could still take, had there been a disk: for tests of what has to
    /// be on it.
    pub fn unsynced(&self) -> u64 {
        self.unsynced.load(Ordering::SeqCst)
    }

    /// Reads a copy that [`Checkpoints::checkpoint`] made.
    ///
    /// # Errors
    /// [`StoreError`] when there is none, or it is damaged.
    pub fn open_copy(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(COPY);
        let bytes = fs::read(&path).map_err(|e| StoreError::Disk(format!("{}: {e}", path.display())))?;
        let damaged = || StoreError::Corrupt(format!("{} is not a copy of a store", path.display()));
        let mut rest = bytes.strip_prefix(&[COPY_FORMAT]).ok_or_else(damaged)?;
        let mut tables = Tables::default();
        while !rest.is_empty() {
            let mut part = || take(&mut rest).ok_or_else(damaged);
            let (name, partition, sort, value) = (part()?, part()?, part()?, part()?);
            let table = Table::all().find(|table| table.name().as_bytes() == name);
            tables.apply(Op {
                table: table.ok_or_else(damaged)?,
                partition,
                sort,
                value: Some(value),
            });
        }
        Ok(Self {
            tables: RwLock::new(tables),
            unsynced: AtomicU64::new(0),
        })
    }

    /// Another store that holds what this one holds now. Costs a few reference counts.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            unsynced: AtomicU64::new(self.unsynced()),
            tables: RwLock::new(self.now()),
        }
    }

    /// Makes a table what it is in another store.
    #[cfg(test)]
    pub(crate) fn put_back(&self, table: Table, from: &Self) {
        let rows = from.now().0.get(&table).cloned().unwrap_or_default();
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.0.insert(table, rows);
    }

    fn now(&self) -> Tables {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes a part and its length off the front.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(part)
}

impl Tables {
    fn to_copy(&self) -> Vec<u8> {
        let mut bytes = vec![COPY_FORMAT];
        for (table, partitions) in &self.0 {
            for (partition, rows) in partitions.iter() {
                for (sort, value) in rows.iter() {
                    for part in [table.name().as_bytes(), partition, sort, value] {
                        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
                        bytes.extend_from_slice(&length.to_be_bytes());
                        bytes.extend_from_slice(part);
                    }
                }
            }
        }
        bytes
    }

    fn partition(&self, table: Table, partition: &[u8]) -> Option<&Rows> {
        self.0.get(&table)?.get(partition).map(Arc::as_ref)
    }

    fn value(&self, table: Table, key: &Key) -> Option<Vec<u8>> {
        self.partition(table, key.partition())?
            .get(key.sort())
            .map(|value| value.to_vec())
    }

    fn apply(&mut self, op: Op<'_>) {
        let partitions = Arc::make_mut(self.0.entry(op.table).or_default());
        match op.value {
            Some(value) => {
                let rows = partitions.entry(op.partition.into()).or_default();
                Arc::make_mut(rows).insert(op.sort.into(), value.into());
            }
            None => {
                let Some(rows) = partitions.get_mut(op.partition) else {
                    return;
                };
                let rows = Arc::make_mut(rows);
                rows.remove(op.sort);
                if rows.is_empty() {
                    partitions.remove(op.partition);
                }
            }
        }
    }
}

impl StoreRead for Tables {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.value(table, key))
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        Ok(keys.iter().map(|key| self.value(table, key)).collect())
    }

    fn scan(
        &self,
        table: Table,
        partition: &[u8],
        range: SortRange<'_>,
        direction: Direction,
        limit: usize,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        let Some(rows) = self.partition(table, partition) else {
            return Ok(());
        };
        if holds_nothing(range) {
            return Ok(());
        }
        let rows = rows.range::<[u8], _>(range);
        match direction {
            Direction::Forward => walk(rows, limit, visit),
            Direction::Reverse => walk(rows.rev(), limit, visit),
        }
        Ok(())
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.scan_range(&TableRange::whole(table), visit)
    }

    fn ranges(&self) -> Option<&dyn TableRanges> {
        Some(self)
    }
}

impl TableRanges for Tables {
    fn split(&self, table: Table, parts: usize) -> Result<Vec<TableRange>, StoreError> {
        let partitions = self.0.get(&table).map(Arc::as_ref);
        let rows: usize = partitions.into_iter().flatten().map(|(_, rows)| rows.len()).sum();
        let share = rows.div_ceil(parts.max(1)).max(1);
        let mut ranges = vec![TableRange::whole(table)];
        let mut in_share = 0;
        for (partition, rows) in partitions.into_iter().flatten() {
            if in_share >= share {
                if let Some(last) = ranges.last_mut() {
                    last.to = Some(partition.to_vec());
                }
                ranges.push(TableRange {
                    table,
                    from: Some(partition.to_vec()),
                    to: None,
                });
                in_share = 0;
            }
            in_share += rows.len();
        }
        Ok(ranges)
    }

    fn scan_range(&self, range: &TableRange, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        let Some(partitions) = self.0.get(&range.table) else {
            return Ok(());
        };
        let from = range.from.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        if holds_nothing((from, to)) {
            return Ok(());
        }
        for (partition, rows) in partitions.range::<[u8], _>((from, to)) {
            for (sort, value) in rows.iter() {
                if visit(partition, sort, value).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Whether no key can lie in the range; `BTreeMap::range` panics on some such ranges.
fn holds_nothing(range: SortRange<'_>) -> bool {
    use Bound::{Excluded, Included};
    match range {
        (Included(from), Included(to)) => from > to,
        (Included(from), Excluded(to)) | (Excluded(from), Included(to) | Excluded(to)) => from >= to,
        _ => false,
    }
}

fn walk<'a>(rows: impl Iterator<Item = (&'a Bytes, &'a Bytes)>, limit: usize, visit: &mut VisitRow<'_>) {
    for (sort, value) in rows.take(limit) {
        if visit(sort, value).is_break() {
            return;
        }
    }
}

impl StoreRead for MemoryStore {
    fn get(&self, table: Table, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.now().get(table, key)
    }

    fn multi_get(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.now().multi_get(table, keys)
    }

    fn scan(
        &self,
        table: Table,
        partition: &[u8],
        range: SortRange<'_>,
        direction: Direction,
        limit: usize,
        visit: &mut VisitRow<'_>,
    ) -> Result<(), StoreError> {
        self.now().scan(table, partition, range, direction, limit, visit)
    }

    fn scan_table(&self, table: Table, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.now().scan_table(table, visit)
    }

    fn ranges(&self) -> Option<&dyn TableRanges> {
        Some(self)
    }
}

impl TableRanges for MemoryStore {
    fn split(&self, table: Table, parts: usize) -> Result<Vec<TableRange>, StoreError> {
        self.now().split(table, parts)
    }

    fn scan_range(&self, range: &TableRange, visit: &mut VisitTable<'_>) -> Result<(), StoreError> {
        self.now().scan_range(range, visit)
    }
}

impl Store for MemoryStore {
    fn snapshot(&self) -> Box<dyn StoreRead + Send + Sync + '_> {
        Box::new(self.now())
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        match durability {
            Durability::Power => self.unsynced.store(0, Ordering::SeqCst),
            _ => _ = self.unsynced.fetch_add(1, Ordering::SeqCst),
        }
        for op in batch.iter() {
            tables.apply(op);
        }
        Ok(())
    }

    fn clear(&self, table: Table) -> Result<(), StoreError> {
        self.tables
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .remove(&table);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.sync()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.unsynced.store(0, Ordering::SeqCst);
        Ok(())
    }

    fn reclaim(&self, _: Table) -> Result<(), StoreError> {
        Ok(())
    }

    fn table_bytes(&self, _: Table) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn checkpoints(&self) -> Option<&dyn Checkpoints> {
        Some(self)
    }

    fn usage(&self) -> Usage {
        let tables = self.now();
        let rows = tables.0.values().flat_map(|partitions| partitions.values());
        let bytes: usize = rows
            .flat_map(|rows| rows.iter())
            .map(|(sort, value)| sort.len() + value.len())
            .sum();
        let log = tables.0.get(&Table::Log).map(Arc::as_ref);
        let log_rows: usize = log.into_iter().flatten().map(|(_, rows)| rows.len()).sum();
        Usage {
            disk_bytes: 0,
            memory_bytes: bytes as u64,
            log_rows: log_rows as u64,
        }
    }
}

impl Checkpoints for MemoryStore {
    fn checkpoint(&self, into: &Path) -> Result<Checkpoint, StoreError> {
        let disk = |e| StoreError::Disk(format!("{}: {e}", into.display()));
        let tables = self.now();
        fs::create_dir(into).map_err(disk)?;
        fs::write(into.join(COPY), tables.to_copy()).map_err(disk)?;
        Ok(Checkpoint {
            engine: ENGINE.to_owned(),
            head: COPY.to_owned(),
            copy: Box::new(tables),
        })
    }
}
