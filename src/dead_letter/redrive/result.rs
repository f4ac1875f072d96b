//! What really became of each letter of a redrive.

use super::super::forecast::Forecast;
use super::super::view::{CameBack, came_back};
use super::jobs;
use crate::domain::{Cut, Position};
use crate::store::letters::{Happened, marks};
use crate::store::records::RedriveLetterRecord;
use crate::store::{Read, StoreError, read};

/// What became of a letter.
#[derive(Clone, Debug, PartialEq)]
pub enum LetterResult {
    /// Its turn has not come, or it is just being published.
    Waiting,
    /// The redrive was cancelled before its turn came.
    Left,
    /// It was published, and not consumed yet.
    Sent(Position),
    /// It was published, and consumed.
    Came(Position, CameBack),
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
    pub result: LetterResult,
}

/// What became of a redrive's letters, in order of their positions, behind one of them.
pub(super) fn items(
    read: &dyn Read,
    number: u64,
    after: Option<Position>,
    most: usize,
) -> Result<Vec<RedriveItem>, StoreError> {
    let cursor = read::cursor(read, read::active_generation(read)?)?;
    let left_off = jobs::is_left_off(read, number)?;
    let mut items = Vec::new();
    jobs::letters(read, number, after, most, |letter, record| {
        let result = match record {
            RedriveLetterRecord::Chosen | RedriveLetterRecord::Sending if left_off => LetterResult::Left,
            RedriveLetterRecord::Chosen | RedriveLetterRecord::Sending => LetterResult::Waiting,
            RedriveLetterRecord::Sent { partition, offset } => {
                let at = Position::new(partition, offset);
                sent(read, &cursor, letter, at)?
            }
            RedriveLetterRecord::Skipped { why } => LetterResult::Skipped(why.to_owned()),
            RedriveLetterRecord::Refused { why } => LetterResult::Refused(why.to_owned()),
            RedriveLetterRecord::Forecast { told } => {
                let forecast = serde_json::from_str(told).map_err(|error| {
                    StoreError::Corrupt(format!("redrives: forecast of {letter}: {error}"))
                })?;
                LetterResult::Forecast(Box::new(forecast))
            }
        };
        items.push(RedriveItem { letter, result });
        Ok(())
    })?;
    Ok(items)
}

/// A letter that was published at that position.
fn sent(read: &dyn Read, cursor: &Cut, letter: Position, at: Position) -> Result<LetterResult, StoreError> {
    for mark in marks(read, letter)? {
        match &mark.what {
            Happened::Returned { became, .. } if mark.by == at => {
                return Ok(LetterResult::Came(at, came_back(read, cursor, at, became)?));
            }
            Happened::Removed(_) => {
                let gone = format!("it was published at {at}; the letter is no longer kept");
                return Ok(LetterResult::Skipped(gone));
            }
            _ => {}
        }
    }
    Ok(LetterResult::Sent(at))
}
