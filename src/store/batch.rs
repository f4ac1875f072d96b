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

    /// Orders the writes by table and key; writes to one row keep their order. Engines insert sorted
    /// rows faster.
    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        self.ops.sort_by(|a, b| {
            let key = |op: &Stored| {
                (
                    op.table,
                    &bytes[op.start..op.partition_end],
                    &bytes[op.partition_end..op.sort_end],
                )
            };
            key(a).cmp(&key(b))
        });
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
