//! Promise 1: every offset from the start on is accounted for exactly once, as what it was.

use super::super::registry;
use super::super::topic::Record;
use super::account::Account;
use super::sagas::Sagas;
use crate::domain::{Millis, Position, TimelineKey};
use crate::store::codec::Record as _;
use crate::store::records::{DeadLetterSummaryRecord, FeedRecord, GapKind, GapRecord};
use crate::store::{Key, Scan, StoreRead, Table, keys, reads, totals};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What the feed says of an offset.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Logged(String, i64),
    DeadLetter,
    Gap(u64),
    Purged(u64),
}

/// Every difference between the feed and what happened. `lows` are the first offsets kept now.
pub(crate) fn differences(
    store: &dyn StoreRead,
    account: &Account,
    sagas: &Sagas,
    lows: &BTreeMap<u32, u64>,
    found: &mut Vec<String>,
) {
    let gaps = gaps(store);
    for (partition, start) in &account.start {
        let mut entries = feed(store, *partition);
        let end = account.next.next(*partition);
        let mut offset = *start;
        while offset < end {
            let at = Position::new(*partition, offset);
            let entry = entries.remove(&offset);
            if account.seen.contains_key(&at) {
                let wanted = wanted(at, account, sagas);
                if entry.as_ref() != Some(&wanted) {
                    found.push(format!("feed {at}: {entry:?}, it should be {wanted:?}"));
                }
                offset += 1;
                continue;
            }
            let next = account.seen.range(at..).next();
            let next = next.filter(|(next, _)| next.partition == *partition);
            let wanted = next.map_or(end, |(next, _)| next.offset);
            match entry {
                // A replay may have left several gaps in a row.
                Some(Entry::Gap(to)) if to <= wanted && to > offset => {
                    let low = next.map_or(0, |(_, seen)| if seen.filled.is_some() { 0 } else { seen.low });
                    check_gap(at, to, gaps.get(&at), low, lows[partition], found);
                    offset = to;
                }
                other => {
                    found.push(format!("feed {at}: {other:?}, it should be a gap up to {wanted}"));
                    offset = wanted;
                }
            }
        }
        for (offset, entry) in entries {
            found.push(format!(
                "feed {partition}@{offset}: {entry:?}, where nothing should be"
            ));
        }
    }
    sums(store, &gaps, found);
    log(store, account, sagas, found);
}

/// The sums of gaps are what the rows add up to.
fn sums(store: &dyn StoreRead, gaps: &BTreeMap<Position, GapRecord>, found: &mut Vec<String>) {
    let mut wanted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (at, gap) in gaps {
        let kind = GapKind::from_tag(gap.kind).unwrap().as_str();
        let (count, offsets) = wanted.entry(kind.to_owned()).or_default();
        *count += 1;
        *offsets += gap.next - at.offset;
    }
    let counts = reads::meta_counts(store, totals::GAP_COUNTS).unwrap();
    let offsets = reads::meta_counts(store, totals::GAP_OFFSETS).unwrap();
    let answered: BTreeMap<String, (u64, u64)> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| (kind.clone(), (count, offsets.get(&kind).copied().unwrap_or(0))))
        .collect();
    if answered != wanted {
        found.push(format!(
            "the sums of gaps are {answered:?}, the rows say {wanted:?}"
        ));
    }
}

fn wanted(at: Position, account: &Account, sagas: &Sagas) -> Entry {
    let Ok(event) = &account.seen[&at].outcome else {
        return Entry::DeadLetter;
    };
    let gone = sagas.gone.get(&event.saga_id);
    match gone.filter(|gone| gone.events.iter().any(|removed| removed.position == at)) {
        Some(gone) => Entry::Purged(gone.decision),
        None => Entry::Logged(event.saga_id.as_str().to_owned(), event.recorded_at.0),
    }
}

/// The kind of a gap. What retention had removed before the record behind the gap was fetched is
/// expired; what it has not removed yet is not. In between nobody can tell.
fn check_gap(
    at: Position,
    to: u64,
    gap: Option<&GapRecord>,
    low_then: u64,
    low_now: u64,
    found: &mut Vec<String>,
) {
    let Some(gap) = gap else {
        found.push(format!("gaps {at}: none, though the feed names one"));
        return;
    };
    if gap.next != to {
        found.push(format!("gaps {at}: up to {}, the feed says {to}", gap.next));
    }
    let expired = gap.kind == GapKind::Expired as u8;
    if !expired && low_then > at.offset {
        found.push(format!(
            "[1.1] gap {at} to {to} is recorded as undelivered: retention had removed everything before {low_then}"
        ));
    }
    if expired && low_now <= at.offset {
        found.push(format!(
            "gap {at} to {to} is recorded as expired: the broker still holds everything from {low_now} on"
        ));
    }
}

/// When the store says that a record arrived, which is an event, or a letter that may become one.
pub(in crate::simulator) fn arrived(store: &dyn StoreRead, record: &Record) -> Option<Millis> {
    let mut key = Key::default();
    keys::by_offset(&mut key, record.position);
    if let Some(row) = store.get(Table::Letters, &key).unwrap() {
        return Some(Millis(DeadLetterSummaryRecord::read(&row).unwrap().arrived_at));
    }
    let event = registry::read(record, record.timestamp).ok()?;
    keys::log(&mut key, &event.saga_id, event.timeline_key());
    let row = store.get(Table::Log, &key).unwrap()?;
    let stored = reads::event(&event.saga_id, event.timeline_key(), &row).unwrap();
    Some(stored.arrived_at)
}

/// Whether a letter lies there.
pub(crate) fn is_letter(store: &dyn StoreRead, at: Position) -> bool {
    let mut key = Key::default();
    keys::by_offset(&mut key, at);
    store.get(Table::Letters, &key).unwrap().is_some()
}

/// Whether the feed has an entry of its own for a record at that offset.
pub(crate) fn is_accounted(store: &dyn StoreRead, at: Position) -> bool {
    let mut key = Key::default();
    keys::by_offset(&mut key, at);
    let row = store.get(Table::Feed, &key).unwrap();
    row.is_some_and(|row| !matches!(FeedRecord::read(&row).unwrap(), FeedRecord::Gap { .. }))
}

fn feed(store: &dyn StoreRead, partition: u32) -> BTreeMap<u64, Entry> {
    let mut entries = BTreeMap::new();
    let mut key = Key::default();
    keys::by_offset(&mut key, Position::new(partition, 0));
    Scan::of(Table::Feed, key.partition())
        .each(store, |sort, value| {
            let entry = match FeedRecord::read(value)? {
                FeedRecord::Logged { saga_id, recorded_at } => Entry::Logged(saga_id.to_owned(), recorded_at),
                FeedRecord::DeadLetter => Entry::DeadLetter,
                FeedRecord::Gap { next } => Entry::Gap(next),
                FeedRecord::Purged { decision } => Entry::Purged(decision),
            };
            entries.insert(keys::parse_offset(sort)?, entry);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    entries
}

/// The recorded gaps.
pub(crate) fn gaps(store: &dyn StoreRead) -> BTreeMap<Position, GapRecord> {
    let mut gaps = BTreeMap::new();
    reads::try_scan_table(store, Table::Gaps, |partition, sort, value| {
        let number = u32::from_be_bytes(*partition.first_chunk().unwrap());
        let at = Position::new(number, keys::parse_offset(sort)?);
        gaps.insert(at, GapRecord::read(value)?);
        Ok(())
    })
    .unwrap();
    gaps
}

/// The log holds exactly the deliveries that were not removed, as they came.
fn log(store: &dyn StoreRead, account: &Account, sagas: &Sagas, found: &mut Vec<String>) {
    let mut wanted = BTreeMap::new();
    for (at, seen) in &account.seen {
        let Ok(event) = &seen.outcome else { continue };
        let gone = sagas.gone.get(&event.saga_id);
        if !gone.is_some_and(|gone| gone.events.iter().any(|removed| removed.position == *at)) {
            wanted.insert(*at, event);
        }
    }
    reads::try_scan_table(store, Table::Log, |partition, sort, value| {
        let place: TimelineKey = keys::parse_log_sort(sort)?;
        let saga = keys::parse_text("log", partition)?.into();
        let mut event = reads::event(&saga, place, value)?;
        match wanted.remove(&place.position) {
            Some(wanted) => {
                if account.seen[&place.position].filled.is_some() {
                    event.arrived_at = Millis(wanted.arrived_at.0);
                }
                if event != *wanted {
                    found.push(format!(
                        "log {}: {event:?}, it should be {wanted:?}",
                        place.position
                    ));
                }
            }
            None => found.push(format!(
                "log {}: an event that should not be there",
                place.position
            )),
        }
        Ok(())
    })
    .unwrap();
    for at in wanted.keys() {
        found.push(format!("log {at}: the event is missing"));
    }
}
