//! What really became of each letter of a redrive.

use super::super::forecast::Forecast;
use super::super::view::{RedriveOutcome, came_back, listed};
use super::{jobs, rows};
use crate::domain::{Cut, Millis, Position};
use crate::store::codec::Record;
use crate::store::dead_letters::{Happened, Returned, counted, removed};
use crate::store::records::{DeadLetterSummaryRecord, FeedRecord, RedriveLetterRecord};
use crate::store::{Key, StoreError, StoreRead, Table, keys, reads};

/// What became of a letter.
#[derive(Clone, Debug, PartialEq)]
pub enum RedriveResult {
    /// Its turn has not come, or it is just being published.
    Waiting,
    /// The redrive was cancelled before its turn came.
    Cancelled,
    /// It was published, and not consumed yet.
    Sent(Position),
    /// It was published, and consumed.
    Came(Position, RedriveOutcome),
    /// It was published; what it came to is not known any more, and why.
    Forgotten(Position, String),
    /// Nothing was to be done.
    Skipped(String),
    /// It cannot be redriven.
    Refused(String),
    /// What publishing it would do.
    Forecast(Box<Forecast>),
}

/// A letter of a redrive.
#[derive(Clone, Debug, PartialEq)]
pub struct RedriveItem {
    /// The letter.
    pub letter: Position,
    /// What became of it.
    pub result: RedriveResult,
}

/// What became of a redrive's letters, in order of their positions, behind one of them.
pub(super) fn items(
    store: &dyn StoreRead,
    number: u64,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<RedriveItem>, StoreError> {
    let reading = Reading::of(store, number)?;
    let mut items = Vec::new();
    rows::letters(store, number, after, limit, |letter, record| {
        let result = reading.result(letter, &record)?;
        items.push(RedriveItem { letter, result });
        Ok(())
    })?;
    Ok(items)
}

/// What became of these letters of a redrive.
pub(super) fn of_letters(
    store: &dyn StoreRead,
    number: u64,
    letters: impl IntoIterator<Item = Position>,
) -> Result<Vec<RedriveItem>, StoreError> {
    let reading = Reading::of(store, number)?;
    let (mut items, mut key) = (Vec::new(), Key::default());
    for letter in letters {
        keys::redrive_letter(&mut key, number, letter);
        if let Some(row) = store.get(Table::Redrives, &key)? {
            let result = reading.result(letter, &RedriveLetterRecord::read(&row)?)?;
            items.push(RedriveItem { letter, result });
        }
    }
    Ok(items)
}

/// What results are read from.
struct Reading<'s> {
    store: &'s dyn StoreRead,
    cursor: Cut,
    /// Whether the redrive was cancelled, and has ended.
    left_off: bool,
}

impl<'s> Reading<'s> {
    fn of(store: &'s dyn StoreRead, number: u64) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            cursor: reads::cursor(store, reads::active_generation(store)?)?,
            left_off: jobs::is_left_off(store, number)?,
        })
    }

    fn result(
        &self,
        letter: Position,
        record: &RedriveLetterRecord<'_>,
    ) -> Result<RedriveResult, StoreError> {
        Ok(match record {
            RedriveLetterRecord::Chosen | RedriveLetterRecord::Sending if self.left_off => {
                RedriveResult::Cancelled
            }
            RedriveLetterRecord::Chosen | RedriveLetterRecord::Sending => RedriveResult::Waiting,
            RedriveLetterRecord::Sent { partition, offset } => {
                let at = Position::new(*partition, *offset);
                sent(self.store, &self.cursor, letter, at)?
            }
            RedriveLetterRecord::Skipped { why } => RedriveResult::Skipped((*why).to_owned()),
            RedriveLetterRecord::Refused { why } => RedriveResult::Refused((*why).to_owned()),
            RedriveLetterRecord::Forecast { told } => {
                let forecast = serde_json::from_str(told).map_err(|error| {
                    StoreError::Corrupt(format!("redrives: forecast of {letter}: {error}"))
                })?;
                RedriveResult::Forecast(Box::new(forecast))
            }
        })
    }
}

/// A letter that was published at that position. Of several records that brought the same value back one mark is
/// kept: of the others the feed says what became of them.
fn sent(
    store: &dyn StoreRead,
    cursor: &Cut,
    letter: Position,
    at: Position,
) -> Result<RedriveResult, StoreError> {
    if removed(store, letter)?.is_some() {
        let gone = "the dead letter is no longer kept".to_owned();
        return Ok(RedriveResult::Forgotten(at, gone));
    }
    let mut key = Key::default();
    if let Some(became) = marked(store, letter, at)? {
        return Ok(RedriveResult::Came(at, came_back(store, cursor, at, &became)?));
    }
    keys::by_offset(&mut key, at);
    let Some(entry) = store.get(Table::Feed, &key)? else {
        return Ok(RedriveResult::Sent(at));
    };
    let became = match FeedRecord::read(&entry)? {
        FeedRecord::Logged { saga_id, recorded_at } => Returned::Logged {
            saga_id: saga_id.into(),
            recorded_at: Millis(recorded_at),
        },
        FeedRecord::DeadLetter => Returned::DeadLetter {
            reason: reason_of(store, at, &key)?,
        },
        FeedRecord::Gap { .. } => return Ok(RedriveResult::Sent(at)),
        FeedRecord::Purged { .. } => {
            let gone = "its saga is no longer kept".to_owned();
            return Ok(RedriveResult::Forgotten(at, gone));
        }
    };
    Ok(RedriveResult::Came(at, came_back(store, cursor, at, &became)?))
}

/// What the letter's mark of the record at that position says, if there is one.
fn marked(store: &dyn StoreRead, letter: Position, at: Position) -> Result<Option<Returned>, StoreError> {
    let Some(listed) = listed(store, letter)? else {
        return Ok(None);
    };
    let counted = counted(store, letter, listed.value)?.into_iter();
    let mut of_it = counted.filter(|mark| mark.by == at);
    Ok(of_it.find_map(|mark| match mark.what {
        Happened::Returned { became, .. } => Some(became),
        _ => None,
    }))
}

/// Why the record at that position is a letter, or was one.
fn reason_of(store: &dyn StoreRead, at: Position, key: &Key) -> Result<String, StoreError> {
    if let Some(row) = store.get(Table::Letters, key)? {
        return Ok(DeadLetterSummaryRecord::read(&row)?.reason.to_owned());
    }
    let removal = removed(store, at)?.and_then(|(_, removal)| removal.reason);
    Ok(removal.unwrap_or_default())
}
