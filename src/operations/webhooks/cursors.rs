//! How far a webhook was told, and of which late sagas: its rows in the store.

use super::event::NoticeEvent;
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::records::{LateNoticeRecord, TotalRecord};
use crate::store::{Batch, Durability, Key, Scan, SharedStore, StoreError, Table, keys};
use std::collections::BTreeMap;
use std::ops::ControlFlow::Continue;

/// In the place of a partition: when telling of this event began.
const BEGUN: u32 = u32::MAX;

/// The rows of one webhook.
pub(super) struct Cursors {
    pub(super) store: SharedStore,
    pub(super) target: String,
}

/// What was done about sagas that are late, by saga.
pub(super) type LateRows = BTreeMap<String, LateNoticeRecord>;

/// The next offset of each partition, those of the dead-letter topic under numbers of their own. Not a cut, which has a
/// place for every partition up to its highest.
pub(super) type Places = BTreeMap<u32, u64>;

/// How far an event was told.
pub(super) struct Progress {
    /// When that began, by our clock. What was known before is not told.
    pub(super) begun: Millis,
    /// Up to where it was told.
    pub(super) places: Places,
}

impl Cursors {
    /// How far it was told; `None` before it began.
    pub(super) fn progress(&self, event: NoticeEvent) -> Result<Option<Progress>, StoreError> {
        let (mut places, mut begun) = (Places::new(), None);
        let mut key = Key::default();
        keys::notice_cursors(&mut key, &self.target);
        Scan::of(Table::Notices, key.partition()).each(&*self.store, |sort, value| {
            let (tag, partition) = keys::parse_notice_cursor(sort)?;
            if tag == event.tag() {
                let value = TotalRecord::read(value)?.value;
                if partition == BEGUN {
                    begun = Some(Millis(value));
                } else {
                    places.insert(partition, u64::try_from(value).unwrap_or(0));
                }
            }
            Ok(Continue(()))
        })?;
        Ok(begun.map(|begun| Progress { begun, places }))
    }

    /// It is told from there on, of what becomes known from now on.
    pub(super) fn begin(&self, event: NoticeEvent, now: Millis, places: &Places) -> Result<(), StoreError> {
        let mut batch = self.moved(event, places);
        self.put(&mut batch, event, (BEGUN, now.0));
        self.write(&batch)
    }

    /// It is told up to there.
    pub(super) fn move_to(&self, event: NoticeEvent, places: &Places) -> Result<(), StoreError> {
        self.write(&self.moved(event, places))
    }

    fn moved(&self, event: NoticeEvent, places: &Places) -> Batch {
        let mut batch = Batch::new();
        for (partition, next) in places {
            let next = i64::try_from(*next).unwrap_or(i64::MAX);
            self.put(&mut batch, event, (*partition, next));
        }
        batch
    }

    fn put(&self, batch: &mut Batch, event: NoticeEvent, (partition, value): (u32, i64)) {
        let mut key = Key::default();
        keys::notice_cursor(&mut key, &self.target, event.tag(), partition);
        batch.put_with(Table::Notices, &key, |bytes| TotalRecord { value }.write(bytes));
    }

    /// The sagas that were seen to be late, and what came of telling it.
    pub(super) fn late(&self, event: NoticeEvent) -> Result<LateRows, StoreError> {
        let mut late = LateRows::new();
        let mut key = Key::default();
        keys::notices_told(&mut key, &self.target);
        Scan::of(Table::Notices, key.partition()).each(&*self.store, |sort, value| {
            let (tag, saga) = keys::parse_notice_told(sort)?;
            if tag == event.tag() {
                late.insert(saga.to_owned(), late_row(value)?);
            }
            Ok(Continue(()))
        })?;
        Ok(late)
    }

    /// What came of telling that these are late.
    pub(super) fn put_late<'s>(
        &self,
        event: NoticeEvent,
        rows: impl IntoIterator<Item = (&'s str, LateNoticeRecord)>,
    ) -> Result<(), StoreError> {
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for (saga, row) in rows {
            keys::notice_told(&mut key, &self.target, event.tag(), saga);
            batch.put_with(Table::Notices, &key, |bytes| row.write(bytes));
        }
        self.write(&batch)
    }

    /// These are late no more.
    pub(super) fn forget_late<'s>(
        &self,
        event: NoticeEvent,
        sagas: impl IntoIterator<Item = &'s String>,
    ) -> Result<(), StoreError> {
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for saga in sagas {
            keys::notice_told(&mut key, &self.target, event.tag(), saga);
            batch.delete(Table::Notices, &key);
        }
        self.write(&batch)
    }

    /// It is not told of this event any more: when it is again, it begins with what happens then.
    pub(super) fn forget(&self, event: NoticeEvent) -> Result<(), StoreError> {
        self.forget_late(event, self.late(event)?.keys())?;
        let Some(progress) = self.progress(event)? else {
            return Ok(());
        };
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for partition in progress.places.into_keys().chain([BEGUN]) {
            keys::notice_cursor(&mut key, &self.target, event.tag(), partition);
            batch.delete(Table::Notices, &key);
        }
        self.write(&batch)
    }

    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.store.write(batch, Durability::Process)
    }
}

/// Reads what came of telling that a saga is late. Rows of the first layout say since when a saga is late that was told.
fn late_row(value: &[u8]) -> Result<LateNoticeRecord, StoreError> {
    if value.first() != Some(&TotalRecord::FORMAT) {
        return LateNoticeRecord::read(value);
    }
    Ok(LateNoticeRecord {
        first_seen: TotalRecord::read(value)?.value,
        ordinal: 0,
        settled: true,
    })
}
