//! A set of writes that take effect together.

use super::{Key, Table};
use std::ops::Range;

/// Writes in the order they were added, their bytes in one buffer.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ops: Vec<Stored>,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    table: Table,
    start: usize,
    partition_end: usize,
    sort_end: usize,
    /// `None` deletes.
    value_end: Option<usize>,
}

/// One write of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op<'a> {
    /// The table.
    pub table: Table,
    /// The partition key.
    pub partition: &'a [u8],
    /// The sort key.
    pub sort: &'a [u8],
    /// The value, or `None` to delete the row.
    pub value: Option<&'a [u8]>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with memory for about so many bytes of keys and values, in rows of about so many.
    pub fn with_capacity(bytes: usize, bytes_per_row: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ops: Vec::with_capacity(bytes / bytes_per_row.max(1)),
        }
    }

    /// Sets the row.
    pub fn put(&mut self, table: Table, key: &Key, value: &[u8]) {
        self.put_with(table, key, |bytes| bytes.extend_from_slice(value));
    }

    /// Sets the row to what `write` appends to the buffer.
    pub fn put_with(&mut self, table: Table, key: &Key, write: impl FnOnce(&mut Vec<u8>)) {
        let mut stored = self.add_key(table, key);
        write(&mut self.bytes);
        stored.value_end = Some(self.bytes.len());
        self.ops.push(stored);
    }

    /// Removes the row, if it is there.
    pub fn delete(&mut self, table: Table, key: &Key) {
        let stored = self.add_key(table, key);
        self.ops.push(stored);
    }

    /// Adds the writes of another batch behind these.
    pub fn append(&mut self, other: &Batch) {
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ops.extend(other.ops.iter().map(|op| Stored {
            table: op.table,
            start: op.start + shift,
            partition_end: op.partition_end + shift,
            sort_end: op.sort_end + shift,
            value_end: op.value_end.map(|end| end + shift),
        }));
    }

    /// Adds those writes of another batch behind these whose table is wanted.
    pub fn append_where(&mut self, other: &Batch, wanted: impl Fn(Table) -> bool) {
        for op in other.ops.iter().filter(|op| wanted(op.table)) {
            let shift = |end: usize| self.bytes.len() + end - op.start;
            let stored = Stored {
                table: op.table,
                start: self.bytes.len(),
                partition_end: shift(op.partition_end),
                sort_end: shift(op.sort_end),
                value_end: op.value_end.map(shift),
            };
            let end = op.value_end.unwrap_or(op.sort_end);
            self.bytes.extend_from_slice(&other.bytes[op.start..end]);
            self.ops.push(stored);
        }
    }

    /// How many writes there are.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes of keys and values.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ops.clear();
    }

    /// The writes in order.
    pub fn iter(&self) -> impl Iterator<Item = Op<'_>> {
        self.ops.iter().map(|op| self.view(op))
    }

    /// Orders the writes by table and by the first bytes of the partition key, for that is how engines
    /// insert them fastest; writes that agree in both keep their order, so those to one row do.
    ///
    /// Deliberately no full order: where the first bytes tell partitions apart (ids) it makes none
    /// that matters, where they do not (times) writes arrive nearly in order.
    pub fn sort(&mut self) {
        let tables = self.tables();
        let mut rank = (0, tables.first().copied());
        let mut order: Vec<u128> = Vec::with_capacity(self.ops.len());
        for (place, op) in self.ops.iter().enumerate() {
            if rank.1 != Some(op.table) {
                let found = tables.iter().position(|table| *table == op.table);
                rank = (found.unwrap_or_default(), Some(op.table));
            }
            let first = first_bytes(&self.bytes[op.start..op.partition_end]);
            order.push((rank.0 as u128) << 96 | u128::from(first) << 32 | place as u128);
        }
        // One number each: compared without a branch.
        order.sort_unstable();
        self.ops = order
            .into_iter()
            .map(|packed| self.ops[(packed as u32) as usize])
            .collect();
    }

    /// The tables that are written to, in order.
    pub(super) fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        for op in &self.ops {
            if tables.last() != Some(&op.table) && !tables.contains(&op.table) {
                tables.push(op.table);
            }
        }
        tables.sort_unstable();
        tables
    }

    fn add_key(&mut self, table: Table, key: &Key) -> Stored {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key.partition());
        let partition_end = self.bytes.len();
        self.bytes.extend_from_slice(key.sort());
        Stored {
            table,
            start,
            partition_end,
            sort_end: self.bytes.len(),
            value_end: None,
        }
    }

    fn view(&self, op: &Stored) -> Op<'_> {
        let slice = |range: Range<usize>| &self.bytes[range];
        Op {
            table: op.table,
            partition: slice(op.start..op.partition_end),
            sort: slice(op.partition_end..op.sort_end),
            value: op.value_end.map(|end| slice(op.sort_end..end)),
        }
    }
}

/// The first eight bytes as a number that sorts as they do; a shorter text sorts as if zeros followed.
fn first_bytes(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = text.len().min(8);
    first[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_to_wanted_tables_are_taken_over_in_order() {
        let mut all = Batch::new();
        all.put(Table::Log, &Key::new(b"a", b"1"), b"x");
        all.put(Table::Meta, &Key::new(b"b", b""), b"y");
        all.delete(Table::Log, &Key::new(b"c", b"23"));
        let mut taken = Batch::new();
        taken.put(Table::Gaps, &Key::new(b"first", b""), b"");
        taken.append_where(&all, |table| table == Table::Log);
        let mut expected = Batch::new();
        expected.put(Table::Gaps, &Key::new(b"first", b""), b"");
        expected.put(Table::Log, &Key::new(b"a", b"1"), b"x");
        expected.delete(Table::Log, &Key::new(b"c", b"23"));
        assert!(taken.iter().eq(expected.iter()));
    }

    #[test]
    fn sorting_groups_tables_and_keeps_the_order_of_writes_that_could_be_to_one_row() {
        let mut batch = Batch::new();
        let writes = [
            (Table::Meta, "b", "1"),
            (Table::Log, "saga-00002", "2"),
            (Table::Log, "saga-00001", "3"),
            (Table::Meta, "b", "4"),
            (Table::Log, "a", "5"),
            (Table::Log, "saga-00002", "6"),
        ];
        for (table, partition, value) in writes {
            batch.put(table, &Key::new(partition.as_bytes(), b""), value.as_bytes());
        }
        batch.delete(Table::Log, &Key::new(b"a", b""));
        batch.sort();
        let order: Vec<_> = batch
            .iter()
            .map(|op| (op.table, op.value.unwrap_or(b"gone")))
            .collect();
        let expected: [(Table, &[u8]); 7] = [
            (Table::Log, b"5"),
            (Table::Log, b"gone"),
            (Table::Log, b"2"),
            (Table::Log, b"3"),
            (Table::Log, b"6"),
            (Table::Meta, b"1"),
            (Table::Meta, b"4"),
        ];
        assert_eq!(order, expected);
    }
}
