//! Topics as Kafka keeps them: records by partition and offset, offsets without records, a first
//! offset that retention moves. Everything that was ever published is remembered beside.

use crate::domain::{Millis, Position};
use crate::pipeline::kafka::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The topics' names.
pub(super) const TRACKER: &str = "tracker";
pub(super) const OPS: &str = "ops";
pub(super) const DLT: &str = "tracker.dlt";

/// A record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) position: Position,
    pub(super) timestamp: Millis,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// The first offset that is kept.
    pub(super) low: u64,
    /// The next offset to be given out.
    pub(super) end: u64,
    pub(super) records: BTreeMap<u64, Arc<Record>>,
}

/// One topic.
#[derive(Debug, Default)]
pub(super) struct Topic {
    pub(super) partitions: Vec<Partition>,
    /// Records that the broker does not hand out, though it has them.
    pub(super) hidden: BTreeSet<Position>,
}

impl Topic {
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            hidden: BTreeSet::new(),
        }
    }

    /// Appends a message; into the partition that it names, or that its key leads to.
    pub(super) fn append(&mut self, message: &Message, timestamp: Millis) -> Arc<Record> {
        let count = self.partitions.len();
        let by_key = message.key.iter().flatten().fold(7usize, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(usize::from(*byte))
        });
        let number = message
            .partition
            .map_or(by_key % count, |number| number as usize % count);
        let partition = &mut self.partitions[number];
        let record = Arc::new(Record {
            position: Position::new(u32::try_from(number).unwrap(), partition.end),
            timestamp,
            key: message.key.clone(),
            value: message.value.clone(),
            headers: message.headers.clone(),
        });
        partition.records.insert(partition.end, record.clone());
        partition.end += 1;
        record
    }

    /// An offset without a record: the marker of a transaction.
    pub(super) fn mark(&mut self, number: usize) {
        self.partitions[number].end += 1;
    }

    /// Retention removes everything before an offset.
    pub(super) fn expire(&mut self, number: usize, low: u64) {
        let partition = &mut self.partitions[number];
        partition.low = low.clamp(partition.low, partition.end);
        partition.records = partition.records.split_off(&partition.low);
    }

    /// The record at or behind an offset that a client would be given next, before `end`.
    pub(super) fn next(&self, number: u32, from: u64) -> Option<Arc<Record>> {
        let partition = self.partitions.get(number as usize)?;
        partition
            .records
            .range(from..)
            .map(|(_, record)| record)
            .find(|record| !self.hidden.contains(&record.position))
            .cloned()
    }

    /// The first offsets that are kept.
    pub(super) fn lows(&self) -> BTreeMap<u32, u64> {
        let lows = self.partitions.iter().map(|partition| partition.low);
        (0u32..).zip(lows).collect()
    }

    /// The ends of all partitions.
    pub(super) fn ends(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        (0u32..).zip(self.partitions.iter().map(|partition| partition.end))
    }
}
