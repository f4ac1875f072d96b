//! What is left to read again of a topic. What becomes of a record is
//! [`super::topic_replay`]'s.

use crate::domain::Position;
use crate::pipeline::kafka::reader::Given;
use crate::pipeline::kafka::source::OwnedRecord;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one look waits.
pub(super) const POLL: Duration = Duration::from_millis(200);
/// After so many looks in a row at which nothing came, the broker does not answer: 15 seconds.
pub(super) const MAX_EMPTY_POLLS: u32 = 75;

/// What is left of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// The next offset.
    pub(super) next: u64,
    /// The first offset that is not to be read again.
    pub(super) end: u64,
}

/// What is left to read, by partition.
#[derive(Debug, Default)]
pub(super) struct Remaining {
    shares: BTreeMap<u32, Share>,
    silent: u32,
}

impl Remaining {
    pub(super) fn add(&mut self, partition: u32, share: Share) {
        self.shares.insert(partition, share);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// Takes note of what came, and gives the record if it is one to be read again.
    pub(super) fn take(&mut self, given: Given) -> Option<OwnedRecord> {
        match given {
            Given::Record(record) => self.take_record(record),
            Given::End(partition) => {
                self.silent = 0;
                self.shares.remove(&partition);
                None
            }
            Given::Nothing => {
                self.silent += 1;
                None
            }
        }
    }

    fn take_record(&mut self, record: OwnedRecord) -> Option<OwnedRecord> {
        self.silent = 0;
        let Position { partition, offset } = record.position;
        let share = self.shares.get_mut(&partition)?;
        share.next = offset + 1;
        let end = share.end;
        if offset + 1 >= end {
            self.shares.remove(&partition);
        }
        (offset < end).then_some(record)
    }

    /// What was not reached, when nothing came for too long.
    pub(super) fn gives_up(&self) -> Option<String> {
        if self.silent < MAX_EMPTY_POLLS {
            return None;
        }
        let shares = self.shares.iter().map(|(partition, share)| {
            format!(
                "partition {partition} from offset {} up to {}",
                share.next,
                share.end - 1
            )
        });
        Some(shares.collect::<Vec<_>>().join(", "))
    }

    /// Where to go on in each partition.
    pub(super) fn next(&self) -> impl Iterator<Item = (u32, u64)> {
        self.shares
            .iter()
            .map(|(partition, share)| (*partition, share.next))
    }
}
