//! Offsets that were passed over: recorded with the record that came instead, and told apart, as far
//! as the broker says: what its retention removed before it was read is lost to this store, the rest
//! (markers of transactions, compaction) is nobody's loss.
//!
//! The first offset that the broker holds only moves up. Known to lie behind the gap's beginning, it
//! settles the matter at once. Known to lie before it, it does not, unless the broker was asked after the
//! record behind the gap had come. Nobody waits for that question: until it is answered, and across
//! a restart, the store keeps from where on gaps are unsettled. So a gap of each transaction costs no
//! question of its own, and a broker that does not answer makes no loss harmless.

use crate::domain::{Cut, Position};
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, GapKind, GapRecord, TotalRecord};
use crate::store::{Batch, Key, Scan, StoreError, StoreRead, Table, keys, reads, totals};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

/// The gaps of one store.
#[derive(Default)]
pub(super) struct Gaps {
    /// Gaps found, and the offsets in them, since the last write, by kind.
    found: BTreeMap<&'static str, (i64, i64)>,
    /// By partition the first and the last gap that is recorded as harmless and might not be.
    unsettled: BTreeMap<u32, (u64, u64)>,
    /// Partitions of which the stored mark is another one.
    changed: BTreeSet<u32>,
    /// Where producers use transactions, each leaves a gap: a line for the first one is enough.
    told_undelivered: bool,
}

impl Gaps {
    /// Goes on where the store stands.
    pub(super) fn open(store: &dyn StoreRead) -> Result<Self, StoreError> {
        let mut unsettled = BTreeMap::new();
        let name = totals::GAPS_UNSETTLED.as_bytes();
        Scan::of(Table::Meta, name).each(store, |sort, value| {
            let from = u64::try_from(TotalRecord::read(value)?.value).unwrap_or(0);
            unsettled.insert(keys::parse_meta_cursor(sort)?, (from, from));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self {
            unsettled,
            ..Self::default()
        })
    }

    /// Records that the offsets from `first` to `next` were passed over; `low` is the first offset that
    /// the broker is known to hold.
    pub(super) fn add(
        &mut self,
        batch: &mut Batch,
        key: &mut Key,
        first: Position,
        next: u64,
        low: Option<u64>,
    ) {
        let expired = low.is_some_and(|low| low > first.offset);
        let kind = if expired {
            GapKind::Expired
        } else {
            GapKind::Undelivered
        };
        put_row(batch, key, first, next, kind, low.unwrap_or(0));
        keys::by_offset(key, first);
        batch.put_with(Table::Feed, key, |bytes| FeedRecord::Gap { next }.write(bytes));
        let offsets = i64::try_from(next - first.offset).unwrap_or(i64::MAX);
        self.count(kind, 1, offsets);
        if expired {
            tell_loss(first, next, low.unwrap_or(0));
            return;
        }
        let changed = &mut self.changed;
        let marked = self.unsettled.entry(first.partition).or_insert_with(|| {
            changed.insert(first.partition);
            (first.offset, first.offset)
        });
        marked.1 = first.offset;
        if std::mem::replace(&mut self.told_undelivered, true) {
            tracing::debug!(%first, next, "no records at these offsets");
        } else {
            tracing::warn!(
                %first, next,
                "the broker has no records at these offsets: transactions, compaction or damage; this gap and all \
                 further ones are recorded and counted (saga_tracker_offset_gaps_total, kind undelivered)"
            );
        }
    }

    /// Settles what lies before `cut`, now that the broker was asked when all of that had been accounted for.
    /// Adds to the batch, which must be written when the answer is yes: something was lost.
    pub(super) fn settle(
        &mut self,
        store: &dyn StoreRead,
        batch: &mut Batch,
        lows: &BTreeMap<u32, u64>,
        cut: &Cut,
    ) -> Result<bool, StoreError> {
        let mut lost = false;
        for (partition, (from, last)) in self.unsettled.clone() {
            let (Some(low), to) = (lows.get(&partition).copied(), cut.next(partition)) else {
                continue;
            };
            if from >= to {
                continue;
            }
            if low > from {
                lost |= self.expire(store, batch, Position::new(partition, from), low.min(to), low)?;
            }
            // Gaps that came since begin here or later.
            if last < to {
                self.unsettled.remove(&partition);
            } else {
                self.unsettled.insert(partition, (to, last));
            }
            self.changed.insert(partition);
        }
        Ok(lost)
    }

    /// Recorded as lost: gaps that begin between `from` and `to`. Whether there are any.
    fn expire(
        &mut self,
        store: &dyn StoreRead,
        batch: &mut Batch,
        from: Position,
        to: u64,
        low: u64,
    ) -> Result<bool, StoreError> {
        let mut harmless = Vec::new();
        let mut key = Key::default();
        keys::gap(&mut key, from);
        let (first, end) = (from.offset.to_be_bytes(), to.to_be_bytes());
        let range = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
        Scan::of(Table::Gaps, key.partition())
            .range(range)
            .each(store, |sort, value| {
                let gap = GapRecord::read(value)?;
                if GapKind::from_tag(gap.kind) == Some(GapKind::Undelivered) {
                    harmless.push((keys::parse_offset(sort)?, gap.next));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        for (offset, next) in &harmless {
            let first = Position::new(from.partition, *offset);
            put_row(batch, &mut key, first, *next, GapKind::Expired, low);
            let offsets = i64::try_from(next - offset).unwrap_or(i64::MAX);
            self.count(GapKind::Undelivered, -1, -offsets);
            self.count(GapKind::Expired, 1, offsets);
            tell_loss(first, *next, low);
        }
        Ok(!harmless.is_empty())
    }

    /// Whether sums change with the next write, for which the account of letters and gaps is held.
    pub(super) fn is_counting(&self) -> bool {
        !self.found.is_empty()
    }

    /// Adds the sums and the marks to the batch. The account is held until it is written.
    pub(super) fn write_sums(&mut self, store: &dyn StoreRead, batch: &mut Batch) -> Result<(), StoreError> {
        for (kind, (gaps, offsets)) in std::mem::take(&mut self.found) {
            for (family, by) in [(totals::GAP_COUNTS, gaps), (totals::GAP_OFFSETS, offsets)] {
                let now = reads::meta_count(store, family, kind)?.saturating_add_signed(by);
                reads::put_meta_count(batch, family, kind, now);
            }
        }
        Ok(())
    }

    /// Adds the marks of what is unsettled to the batch.
    pub(super) fn write_marks(&mut self, batch: &mut Batch) {
        let mut key = Key::default();
        for partition in std::mem::take(&mut self.changed) {
            keys::meta_cursor(&mut key, totals::GAPS_UNSETTLED, partition);
            match self.unsettled.get(&partition) {
                Some((from, _)) => {
                    let value = i64::try_from(*from).unwrap_or(i64::MAX);
                    batch.put_with(Table::Meta, &key, |bytes| TotalRecord { value }.write(bytes));
                }
                None => batch.delete(Table::Meta, &key),
            }
        }
    }

    fn count(&mut self, kind: GapKind, gaps: i64, offsets: i64) {
        let sums = self.found.entry(kind.as_str()).or_default();
        sums.0 += gaps;
        sums.1 += offsets;
    }
}

fn put_row(batch: &mut Batch, key: &mut Key, first: Position, next: u64, kind: GapKind, broker_low: u64) {
    keys::gap(key, first);
    let kind = kind as u8;
    let record = GapRecord {
        next,
        kind,
        broker_low,
    };
    batch.put_with(Table::Gaps, key, |bytes| record.write(bytes));
}

fn tell_loss(first: Position, next: u64, broker_low: u64) {
    tracing::error!(
        %first, next, broker_low,
        "the broker's retention removed these offsets before they were read: what stood there is lost to this \
         store; the gap is recorded"
    );
}
