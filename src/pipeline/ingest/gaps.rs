//! Offsets that were passed over: recorded with the record that came instead, and told apart, as far
//! as the broker says: what its retention removed before it was read is lost to this store, the rest
//! (markers of transactions, compaction) is nobody's loss.
//!
//! Of the rest, what a client is never given is told apart by what is known of the topic: on one that is compacted
//! it is compaction; a few offsets in a row are what brokers write at the end of transactions; what lies in a batch
//! that cannot be unpacked, and any longer hole, nobody explains.
//!
//! The first offset that the broker holds only moves up. Known to lie behind the gap's beginning, it
//! settles the matter at once. Known to lie before it, it does not, unless the broker was asked after the
//! record behind the gap had come. Nobody waits for that question: until it is answered, and across
//! a restart, the store keeps from where on gaps are unsettled. So a gap of each transaction costs no
//! question of its own, and a broker that does not answer makes no loss harmless.

use crate::domain::{Cut, Millis, Position};
use crate::pipeline::kafka::source::Observed;
use crate::store::codec::Record;
use crate::store::ledger::OffsetSums;
use crate::store::records::{FeedRecord, GapKind, GapRecord, TotalRecord};
use crate::store::{Batch, Key, Scan, StoreError, StoreRead, Table, keys, reads, totals};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

/// So many offsets in a row are taken for markers of transactions: each producer whose transaction ends writes
/// one, and several may end together.
const MARKERS_IN_A_ROW: u64 = 16;

/// What is known of a topic that tells why something was not delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Whether it is compacted, as far as the broker said.
    compacted: Option<bool>,
    /// By partition, behind the last batch that could not be unpacked.
    unreadable: BTreeMap<u32, u64>,
}

impl Known {
    /// What was seen of the topic.
    pub(super) fn of(observed: &Observed) -> Self {
        Self {
            compacted: observed.compacted,
            unreadable: observed.unreadable.clone(),
        }
    }

    /// Why the offsets from `first` to `next` were not delivered, which the broker holds.
    fn kind(&self, first: Position, next: u64) -> GapKind {
        let unreadable = self.unreadable.get(&first.partition);
        if unreadable.is_some_and(|end| *end > first.offset) {
            GapKind::Undelivered
        } else if self.compacted == Some(true) {
            GapKind::Compaction
        } else if next - first.offset <= MARKERS_IN_A_ROW {
            GapKind::TransactionMarker
        } else {
            GapKind::Undelivered
        }
    }
}

/// The gaps of one store.
#[derive(Default)]
pub(super) struct Gaps {
    /// Gaps found, and the offsets in them, since the last write, by kind.
    found: BTreeMap<&'static str, (i64, i64)>,
    /// By partition the first and the last gap that is recorded as harmless and might not be.
    unsettled: BTreeMap<u32, (u64, u64)>,
    /// Partitions of which the stored mark is another one.
    changed: BTreeSet<u32>,
    /// By how much the sums of offsets change with the next write.
    pub(super) offsets: OffsetSums,
    /// What tells gaps apart.
    known: Known,
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

    /// Learns what tells gaps apart from now on.
    pub(super) fn learn(&mut self, known: Known) {
        self.known = known;
    }

    /// Records that the offsets from `first` on were passed over; the record behind them arrived then. `low` is
    /// the first offset that the broker is known to hold.
    pub(super) fn add(
        &mut self,
        batch: &mut Batch,
        key: &mut Key,
        first: Position,
        (next, arrived_at): (u64, Millis),
        low: Option<u64>,
    ) {
        let expired = low.is_some_and(|low| low > first.offset);
        let kind = if expired {
            GapKind::Expired
        } else {
            self.known.kind(first, next)
        };
        let record = GapRecord {
            next,
            kind: kind as u8,
            broker_low: low.unwrap_or(0),
            arrived_at: arrived_at.0,
        };
        put_row(batch, key, first, &record);
        keys::by_offset(key, first);
        batch.put_with(Table::Feed, key, |bytes| FeedRecord::Gap { next }.write(bytes));
        self.count(kind, (first, &record), 1);
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
                let kind = gap.known_kind()?;
                if kind != GapKind::Expired {
                    harmless.push((keys::parse_offset(sort)?, gap, kind));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        for (offset, gap, kind) in &harmless {
            let first = Position::new(from.partition, *offset);
            let lost = GapRecord {
                kind: GapKind::Expired as u8,
                broker_low: low,
                ..*gap
            };
            put_row(batch, &mut key, first, &lost);
            self.count(*kind, (first, gap), -1);
            self.count(GapKind::Expired, (first, gap), 1);
            tell_loss(first, gap.next, low);
        }
        Ok(!harmless.is_empty())
    }

    /// Whether sums change with the next write, for which the account of dead letters and gaps is held.
    pub(super) fn is_counting(&self) -> bool {
        !self.found.is_empty() || !self.offsets.is_empty()
    }

    /// Adds the sums and the marks to the batch. The account is held until it is written.
    pub(super) fn write_sums(&mut self, store: &dyn StoreRead, batch: &mut Batch) -> Result<(), StoreError> {
        for (kind, (gaps, offsets)) in std::mem::take(&mut self.found) {
            for (family, by) in [(totals::GAP_COUNTS, gaps), (totals::GAP_OFFSETS, offsets)] {
                let now = reads::meta_count(store, family, kind)?.saturating_add_signed(by);
                reads::put_meta_count(batch, family, kind, now);
            }
        }
        self.offsets.put(store, Table::Accounted, batch)
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

    fn count(&mut self, kind: GapKind, (first, gap): (Position, &GapRecord), sign: i64) {
        let offsets = sign * i64::try_from(gap.next.saturating_sub(first.offset)).unwrap_or(i64::MAX);
        let sums = self.found.entry(kind.as_str()).or_default();
        sums.0 += sign;
        sums.1 += offsets;
        self.offsets
            .add(first.partition, Millis(gap.arrived_at), kind.class(), offsets);
    }
}

fn put_row(batch: &mut Batch, key: &mut Key, first: Position, record: &GapRecord) {
    keys::gap(key, first);
    batch.put_with(Table::Gaps, key, |bytes| record.write(bytes));
}

fn tell_loss(first: Position, next: u64, broker_low: u64) {
    tracing::error!(
        %first, next, broker_low,
        "the broker's retention removed these offsets before they were read: what stood there is lost to this \
         store; the gap is recorded"
    );
}
