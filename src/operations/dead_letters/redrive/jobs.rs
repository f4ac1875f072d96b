//! Redrives as they are stored: one row per redrive, one per letter of it, and beside them how far each is
//! ([`super::tally`]) and which have not ended ([`super::unended`]).

use super::super::Change;
use super::order::{Cancelled, Kept, RedriveOrder};
use super::rows::{each_job, letters};
use super::{tally, unended};
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::records::{RedriveLetterRecord, RedriveRecord, RedriveTallyRecord};
use crate::store::{Batch, Direction, Durability, Key, SharedStore, StoreError, StoreRead, Table, keys};
use serde_json::Value;

/// How far a redrive is.
#[derive(Clone, Debug, PartialEq)]
pub struct RedriveStatus {
    /// Its number.
    pub number: u64,
    /// When it was asked for.
    pub asked_at: Millis,
    /// By whom.
    pub by: String,
    /// From where.
    pub origin: String,
    /// Why, as they said.
    pub why: Option<String>,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
    /// How its letters were chosen.
    pub chosen_by: Value,
    /// Letters that it is about.
    pub chosen: u64,
    /// Letters whose turn has not come.
    pub waiting: u64,
    /// Letters that were published.
    pub sent: u64,
    /// Letters for which nothing was to be done.
    pub skipped: u64,
    /// Letters that cannot be redriven.
    pub refused: u64,
    /// Letters of which it was told what would become.
    pub forecast: u64,
    /// Letters whose turn will not come: the redrive was cancelled before, and has ended.
    pub left: u64,
    /// That it was cancelled, and by whom. What was being published then is still seen to.
    pub cancelled: Option<Cancelled>,
    /// When it was done.
    pub ended_at: Option<Millis>,
    /// Why it ended early.
    pub failed: Option<String>,
}

/// Stores a redrive and its letters, under the next number.
pub(super) fn create(
    store: &SharedStore,
    order: &RedriveOrder,
    now: Millis,
) -> Result<RedriveStatus, StoreError> {
    let number = newest(&**store)?.map_or(1, |newest| newest + 1);
    let kept = serde_json::to_string(&Kept::of(order))
        .map_err(|error| StoreError::Corrupt(format!("redrives: an order is not JSON: {error}")))?;
    let mut batch = Batch::new();
    let mut key = Key::default();
    for letter in &order.letters {
        keys::redrive_letter(&mut key, number, *letter);
        batch.put_with(Table::Redrives, &key, |bytes| {
            RedriveLetterRecord::Chosen.write(bytes);
        });
    }
    let mut letters = order.letters.clone();
    letters.sort_unstable();
    letters.dedup();
    let record = RedriveRecord {
        asked_at: now.0,
        by: &order.by,
        why: order.why.as_deref(),
        dry_run: order.dry_run,
        order: &kept,
        chosen: letters.len() as u64,
        ended_at: None,
        failed: None,
    };
    keys::redrive(&mut key, number);
    batch.put_with(Table::Redrives, &key, |bytes| record.write(bytes));
    let all_wait = RedriveTallyRecord {
        waiting: record.chosen,
        ..RedriveTallyRecord::default()
    };
    tally::put(&mut batch, number, &all_wait);
    unended::add(&mut batch, number);
    store.write(&batch, Durability::Power)?;
    status(&**store, number)?
        .ok_or_else(|| StoreError::Corrupt(format!("redrives: {number} is not there after it was written")))
}

/// The numbers of the last redrives, newest first.
fn numbers(store: &dyn StoreRead, limit: usize) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    each_job(store, Direction::Reverse, limit, |number, _| found.push(number))?;
    Ok(found)
}

fn newest(store: &dyn StoreRead) -> Result<Option<u64>, StoreError> {
    Ok(numbers(store, 1)?.pop())
}

/// The redrives asked for last, newest first.
pub(super) fn latest(store: &dyn StoreRead, limit: usize) -> Result<Vec<RedriveStatus>, StoreError> {
    let mut found = Vec::new();
    for number in numbers(store, limit)? {
        found.extend(status(store, number)?);
    }
    Ok(found)
}

/// How far a redrive is; `None` when there is none of that number.
pub(super) fn status(store: &dyn StoreRead, number: u64) -> Result<Option<RedriveStatus>, StoreError> {
    let mut key = Key::default();
    keys::redrive(&mut key, number);
    let Some(row) = store.get(Table::Redrives, &key)? else {
        return Ok(None);
    };
    let record = RedriveRecord::read(&row)?;
    let kept = kept_of(number, &record)?;
    let tally = tally::of(store, number)?;
    let left_off = record.ended_at.is_some() && kept.cancelled.is_some();
    let (left, waiting) = if left_off {
        (tally.waiting, 0)
    } else {
        (0, tally.waiting)
    };
    Ok(Some(RedriveStatus {
        number,
        asked_at: Millis(record.asked_at),
        by: record.by.to_owned(),
        origin: kept.origin,
        why: record.why.map(str::to_owned),
        dry_run: record.dry_run,
        chosen_by: kept.chosen_by,
        chosen: record.chosen,
        waiting,
        sent: tally.sent,
        skipped: tally.skipped,
        refused: tally.refused,
        forecast: tally.forecast,
        left,
        cancelled: kept.cancelled,
        ended_at: record.ended_at.map(Millis),
        failed: record.failed.map(str::to_owned),
    }))
}

/// What a redrive changes in each letter before it is published.
pub(super) fn change_of(store: &dyn StoreRead, number: u64) -> Result<Change, StoreError> {
    let mut key = Key::default();
    keys::redrive(&mut key, number);
    match store.get(Table::Redrives, &key)? {
        Some(row) => Ok(kept_of(number, &RedriveRecord::read(&row)?)?.change),
        None => Ok(Change::default()),
    }
}

/// Whether a redrive was cancelled, and has ended.
pub(super) fn is_left_off(store: &dyn StoreRead, number: u64) -> Result<bool, StoreError> {
    let mut key = Key::default();
    keys::redrive(&mut key, number);
    let Some(row) = store.get(Table::Redrives, &key)? else {
        return Ok(false);
    };
    let record = RedriveRecord::read(&row)?;
    Ok(record.ended_at.is_some() && kept_of(number, &record)?.cancelled.is_some())
}

fn kept_of(number: u64, record: &RedriveRecord<'_>) -> Result<Kept, StoreError> {
    serde_json::from_str(record.order)
        .map_err(|error| StoreError::Corrupt(format!("redrives: order of {number}: {error}")))
}

/// What cancelling a redrive met.
pub(super) enum Met {
    /// There is none of that number.
    Nothing,
    /// It had ended by itself.
    Ended,
    /// It was cancelled before, or is now.
    Cancelled,
}

/// Stores that nothing more of a redrive is to be published, unless it has ended.
pub(super) fn cancel(store: &SharedStore, number: u64, cancelled: Cancelled) -> Result<Met, StoreError> {
    let mut key = Key::default();
    keys::redrive(&mut key, number);
    let Some(row) = store.get(Table::Redrives, &key)? else {
        return Ok(Met::Nothing);
    };
    let record = RedriveRecord::read(&row)?;
    let kept = kept_of(number, &record)?;
    if kept.cancelled.is_some() {
        return Ok(Met::Cancelled);
    }
    if record.ended_at.is_some() {
        return Ok(Met::Ended);
    }
    let kept = Kept {
        cancelled: Some(cancelled),
        ..kept
    };
    let order = serde_json::to_string(&kept)
        .map_err(|error| StoreError::Corrupt(format!("redrives: an order is not JSON: {error}")))?;
    let record = RedriveRecord {
        order: &order,
        ..record
    };
    let mut batch = Batch::new();
    batch.put_with(Table::Redrives, &key, |bytes| record.write(bytes));
    store.write(&batch, Durability::Power)?;
    Ok(Met::Cancelled)
}

/// Stores that a redrive has ended.
pub(super) fn end(
    store: &SharedStore,
    number: u64,
    now: Millis,
    failed: Option<&str>,
) -> Result<(), StoreError> {
    let mut key = Key::default();
    keys::redrive(&mut key, number);
    let Some(row) = store.get(Table::Redrives, &key)? else {
        return Ok(());
    };
    let record = RedriveRecord {
        ended_at: Some(now.0),
        failed,
        ..RedriveRecord::read(&row)?
    };
    let mut batch = Batch::new();
    batch.put_with(Table::Redrives, &key, |bytes| record.write(bytes));
    unended::remove(&mut batch, number);
    store.write(&batch, Durability::Power)
}

/// Removes the redrives that had ended by then, with their letters; how many those are. The newest stays: numbers
/// are not given out twice.
pub(super) fn forget_ended_before(store: &SharedStore, edge: Millis) -> Result<usize, StoreError> {
    let newest = newest(&**store)?;
    let mut ended = Vec::new();
    each_job(&**store, Direction::Forward, usize::MAX, |number, record| {
        if record.ended_at.is_some_and(|at| at <= edge.0) && Some(number) != newest {
            ended.push(number);
        }
    })?;
    for number in &ended {
        forget(store, *number)?;
    }
    Ok(ended.len())
}

/// Removes a redrive; its own row last, so that it is found again when that is interrupted.
fn forget(store: &SharedStore, number: u64) -> Result<(), StoreError> {
    const ROWS: usize = 10_000;
    loop {
        let mut batch = Batch::new();
        let mut key = Key::default();
        letters(&**store, number, None, ROWS, |letter, _| {
            keys::redrive_letter(&mut key, number, letter);
            batch.delete(Table::Redrives, &key);
            Ok(())
        })?;
        let is_last = batch.len() < ROWS;
        if is_last {
            keys::redrive(&mut key, number);
            batch.delete(Table::Redrives, &key);
            tally::remove(&mut batch, number);
        }
        store.write(&batch, Durability::Process)?;
        if is_last {
            return Ok(());
        }
    }
}
