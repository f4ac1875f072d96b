//! Promise 1: every offset from the start on is accounted for exactly once, and what the feed names
//! is there.

use super::report::Differences;
use super::sums::{self, Met};
use crate::domain::{Millis, Position, SagaId, TimelineKey};
use crate::store::codec::Record;
use crate::store::dead_letters::{EXTERNAL, removed};
use crate::store::ledger::OffsetSums;
use crate::store::records::{DeadLetterRecord, FeedRecord, GapRecord, LogRecord, OffsetClass, PurgedRecord};
use crate::store::{Key, Scan, SharedStore, StoreError, StoreRead, Table, keys, late, reads};
use std::ops::ControlFlow;

/// Rows looked up at once.
const ROWS: usize = 4_096;

pub(super) fn check(
    store: &SharedStore,
    topic: &str,
    differences: &mut Differences,
) -> Result<(), StoreError> {
    let snapshot = store.snapshot();
    let mut named = Named::default();
    for (partition, row) in reads::offsets(&*snapshot, topic)? {
        let mut expected = row.start;
        let mut bucket = row.start >> keys::FEED_BUCKET_BITS;
        while expected < row.next {
            let before = expected;
            check_bucket(
                &*snapshot,
                partition,
                bucket,
                &mut expected,
                &mut named,
                differences,
            )?;
            let bucket_end = (bucket + 1) << keys::FEED_BUCKET_BITS;
            if expected < bucket_end.min(row.next) {
                let at = Position::new(partition, expected);
                differences
                    .add(|| format!("feed {at}: no entry, although the stored offset is {}", row.next));
                expected = bucket_end;
            }
            bucket = (expected.max(before + 1)) >> keys::FEED_BUCKET_BITS;
        }
        named.look_up(&*snapshot, differences)?;
    }
    let accounted = purged_events(&*snapshot, &mut named.met.sums)?;
    if accounted != named.purged {
        let purged = named.purged;
        differences.add(|| {
            format!("the feed names {purged} purged events, the purge records account for {accounted}")
        });
    }
    sums::check(&*snapshot, &named.met, differences)?;
    count(
        &*snapshot,
        Table::Log,
        named.logged,
        "events in the log",
        differences,
    )?;
    count(
        &*snapshot,
        Table::Late,
        named.late,
        "late deliveries",
        differences,
    )?;
    count(
        &*snapshot,
        Table::DeadLetters,
        named.dead.saturating_sub(named.removed),
        "dead letters",
        differences,
    )
}

fn check_bucket(
    snapshot: &dyn StoreRead,
    partition: u32,
    bucket: u64,
    expected: &mut u64,
    named: &mut Named,
    differences: &mut Differences,
) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::by_offset(
        &mut key,
        Position::new(partition, bucket << keys::FEED_BUCKET_BITS),
    );
    Scan::of(Table::Feed, key.partition()).each(snapshot, |sort, value| {
        let offset = keys::parse_offset(sort)?;
        let at = Position::new(partition, offset);
        if offset != *expected {
            let expected = *expected;
            differences.add(|| format!("feed {at}: the entry before it leads to offset {expected}"));
        }
        *expected = offset + 1;
        match FeedRecord::read(value)? {
            FeedRecord::Logged { saga_id, recorded_at } => {
                let mut key = Key::default();
                let place = TimelineKey {
                    recorded_at: Millis(recorded_at),
                    position: at,
                };
                keys::log(&mut key, &SagaId::new(saga_id), place);
                named.log.push((at, key));
                named.logged += 1;
            }
            FeedRecord::DeadLetter => {
                let mut key = Key::default();
                keys::by_offset(&mut key, at);
                named.letters.push((at, key));
                named.dead += 1;
            }
            FeedRecord::Gap { next } => {
                *expected = next;
                named.gap(snapshot, at, next, differences)?;
            }
            FeedRecord::Purged { .. } => named.purged += 1,
        }
        if named.log.len() + named.letters.len() >= ROWS {
            named.look_up(snapshot, differences)?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Rows that the feed names.
#[derive(Default)]
struct Named {
    log: Vec<(Position, Key)>,
    letters: Vec<(Position, Key)>,
    logged: u64,
    dead: u64,
    /// Of those the ones that were removed.
    removed: u64,
    purged: u64,
    /// Of what is logged, how much is in the table `late`.
    late: u64,
    /// What all of that is, by day.
    met: Met,
}

/// Whether a dead letter was removed: the mark that is left says so.
fn is_removed(snapshot: &dyn StoreRead, letter: Position) -> Result<bool, StoreError> {
    Ok(removed(snapshot, letter)?.is_some())
}

impl Named {
    fn look_up(&mut self, snapshot: &dyn StoreRead, differences: &mut Differences) -> Result<(), StoreError> {
        for (table, rows) in [
            (Table::Log, &mut self.log),
            (Table::DeadLetters, &mut self.letters),
        ] {
            let (places, keys): (Vec<Position>, Vec<Key>) = rows.drain(..).unzip();
            let found = snapshot.multi_get(table, &keys)?;
            if table == Table::Log {
                self.late += check_late(snapshot, &keys, &found, differences)?;
            }
            for (at, found) in places.into_iter().zip(found) {
                if let Some(row) = &found {
                    self.met.row(table, at, row)?;
                }
                let gone = table == Table::DeadLetters && found.is_none() && is_removed(snapshot, at)?;
                self.removed += u64::from(gone);
                *self.met.undated.entry(at.partition).or_default() += i64::from(gone);
                if found.is_none() && !gone {
                    differences.add(|| format!("{} {at}: missing, although the feed names it", table.name()));
                }
            }
        }
        Ok(())
    }
}

/// Whether those of these deliveries that arrived long after they happened are in the table of such; how many
/// ought to be.
fn check_late(
    snapshot: &dyn StoreRead,
    log: &[Key],
    rows: &[Option<Vec<u8>>],
    differences: &mut Differences,
) -> Result<u64, StoreError> {
    let mut wanted = Vec::new();
    for (key, row) in log.iter().zip(rows) {
        let Some(row) = row else {
            continue;
        };
        let place = keys::parse_log_sort(key.sort())?;
        let arrived_at = LogRecord::read(row)?.arrived_at();
        if late::has_row(place.recorded_at, arrived_at) {
            wanted.push((
                place.position,
                late::key_of(place.recorded_at, arrived_at, place.position),
            ));
        }
    }
    let (places, keys): (Vec<Position>, Vec<Key>) = wanted.into_iter().unzip();
    for (at, found) in places.iter().zip(snapshot.multi_get(Table::Late, &keys)?) {
        if found.is_none() {
            differences.add(|| format!("late {at}: missing, although it arrived long after it happened"));
        }
    }
    Ok(places.len() as u64)
}

impl Met {
    /// A row that the feed names.
    fn row(&mut self, table: Table, at: Position, row: &[u8]) -> Result<(), StoreError> {
        let (arrived_at, class) = match table {
            Table::Log => (LogRecord::read(row)?.arrived_at(), OffsetClass::Logged),
            _ => {
                let arrived_at = Millis(DeadLetterRecord::read(row)?.arrived_at);
                (arrived_at, OffsetClass::DeadLetter)
            }
        };
        self.sums.add(at.partition, arrived_at, class, 1);
        Ok(())
    }
}

impl Named {
    /// A gap that the feed names.
    fn gap(
        &mut self,
        snapshot: &dyn StoreRead,
        at: Position,
        next: u64,
        differences: &mut Differences,
    ) -> Result<(), StoreError> {
        let mut key = Key::default();
        keys::gap(&mut key, at);
        let Some(row) = snapshot.get(Table::Gaps, &key)? else {
            differences.add(|| format!("gaps {at}: missing, although the feed names it"));
            return Ok(());
        };
        let gap = GapRecord::read(&row)?;
        if gap.next != next {
            differences.add(|| format!("gaps {at}: up to {}, the feed says {next}", gap.next));
        }
        let offsets = i64::try_from(next.saturating_sub(at.offset)).unwrap_or(i64::MAX);
        let arrived_at = Millis(gap.arrived_at);
        self.met.sums.add(at.partition, arrived_at, gap.class()?, offsets);
        Ok(())
    }
}

/// Events that the records of purges say are gone, added to the sums of what was logged.
fn purged_events(snapshot: &dyn StoreRead, sums: &mut OffsetSums) -> Result<u64, StoreError> {
    let mut events = 0;
    reads::try_scan_table(snapshot, Table::Purged, |_, _, value| {
        let purged = PurgedRecord::read(value)?.purged()?;
        if purged.is_gone() {
            events += u64::from(purged.events);
            for ((partition, day), count) in &purged.arrivals {
                sums.add_on(*partition, *day, OffsetClass::Logged, i64::from(*count));
            }
        }
        Ok(())
    })?;
    Ok(events)
}

fn count(
    snapshot: &dyn StoreRead,
    table: Table,
    expected: u64,
    what: &str,
    differences: &mut Differences,
) -> Result<(), StoreError> {
    let mut found = 0;
    reads::try_scan_table(snapshot, table, |partition, _, _| {
        // Letters that others wrote onto the dead-letter topic stand in no feed of ours.
        let external =
            table == Table::DeadLetters && keys::parse_offset_partition(partition)? & EXTERNAL != 0;
        found += u64::from(!external);
        Ok(())
    })?;
    if found != expected {
        differences.add(|| format!("there are {found} {what}, the feed names {expected}"));
    }
    Ok(())
}
