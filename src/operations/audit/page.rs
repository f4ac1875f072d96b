//! Reading the audit log, newest first.

use super::{Entry, Outcome, count, entry};
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::records::AuditRecord;
use crate::store::{Direction, Key, StoreError, StoreRead, Table, keys, reads};
use std::ops::{Bound, ControlFlow};

/// One page looks at no more entries than this; a filter that matches little takes several.
const MOST_LOOKED_AT: u64 = 20_000;

/// Which entries; all that is given must hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filter {
    /// By this name.
    pub who: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// To this target.
    pub target: Option<String>,
    /// With this outcome.
    pub result: Option<Outcome>,
    /// Recorded at or after.
    pub from: Option<Millis>,
    /// Recorded at or before.
    pub to: Option<Millis>,
}

impl Filter {
    fn lets_pass(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|text| text == found);
        is(&self.who, &entry.act.who)
            && is(&self.action, &entry.act.action)
            && is(&self.target, &entry.act.target)
            && self.result.is_none_or(|wanted| wanted == entry.result)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at <= to)
    }
}

/// A part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Leads on to older entries: give it as `before`; none when there are none.
    pub next: Option<u64>,
}

/// The newest entries before number `before` (all when there is none) that match, at most `size`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn page(
    store: &dyn StoreRead,
    filter: &Filter,
    before: Option<u64>,
    size: usize,
) -> Result<Page, StoreError> {
    let newest = count(store)?;
    let mut end = before.map_or(newest, |before| before.min(newest));
    let lowest = end.saturating_sub(MOST_LOOKED_AT);
    let mut entries = Vec::new();
    while end > lowest && entries.len() < size {
        let bucket = ((end - 1) >> keys::FEED_BUCKET_BITS) << keys::FEED_BUCKET_BITS;
        let mut stop = bucket.max(lowest);
        let mut key = Key::default();
        keys::audit(&mut key, bucket);
        let (first, last) = (stop.to_be_bytes(), end.to_be_bytes());
        let range = (Bound::Included(&first[..]), Bound::Excluded(&last[..]));
        reads::try_scan(
            |visit| {
                store.scan(
                    Table::Audit,
                    key.partition(),
                    range,
                    Direction::Reverse,
                    usize::MAX,
                    visit,
                )
            },
            |sort, value| {
                let number = keys::parse_offset(sort)?;
                let entry = entry(number, &AuditRecord::read(value)?)?;
                if filter.lets_pass(&entry) {
                    entries.push(entry);
                }
                if entries.len() == size {
                    stop = number;
                    return Ok(ControlFlow::Break(()));
                }
                Ok(ControlFlow::Continue(()))
            },
        )?;
        end = stop;
    }
    Ok(Page {
        entries,
        next: (end > 0).then_some(end),
    })
}
