//! Reading the audit log, newest first.

use super::entry::{Entry, Outcome, count, entry};
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::offsets::OffsetRows;
use crate::store::records::AuditRecord;
use crate::store::{StoreError, StoreRead, Table, keys, until};

/// One page looks at no more entries than this; a filter that matches little takes several.
const MAX_SCANNED: u64 = 20_000;

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
    /// Leads on to older entries: give it as `before`; `None` when there are none.
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
    let end = before.map_or(newest, |before| before.min(newest));
    let rows = OffsetRows {
        store,
        table: Table::Audit,
        key: keys::audit,
    };
    let mut entries = Vec::new();
    let end = rows.backward(end.saturating_sub(MAX_SCANNED)..end, |number, value| {
        let entry = entry(number, &AuditRecord::read(value)?)?;
        if filter.lets_pass(&entry) {
            entries.push(entry);
        }
        Ok(until(entries.len() >= size))
    })?;
    Ok(Page {
        entries,
        next: (end > 0).then_some(end),
    })
}
