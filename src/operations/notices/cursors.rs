//! How far a webhook was told, and of which late sagas: its rows in the store.

use super::event::NoticeEvent;
use crate::domain::{Cut, Millis};
use crate::store::codec::Record;
use crate::store::records::TotalRecord;
use crate::store::{Batch, Durability, Key, Scan, SharedStore, StoreError, Table, keys};
use std::collections::BTreeMap;
use std::ops::ControlFlow::Continue;

/// In the place of a partition: telling of this event has begun.
const BEGUN: u32 = u32::MAX;

/// The rows of one webhook.
pub(super) struct Cursors {
    pub(super) store: SharedStore,
    pub(super) target: String,
}

impl Cursors {
    /// Up to where it was told; `None` before it began.
    pub(super) fn cut(&self, event: NoticeEvent) -> Result<Option<Cut>, StoreError> {
        let (mut cut, mut begun) = (Cut::default(), false);
        let mut key = Key::default();
        keys::notice_cursors(&mut key, &self.target);
        Scan::of(Table::Notices, key.partition()).each(&*self.store, |sort, value| {
            let (tag, partition) = keys::parse_notice_cursor(sort)?;
            if tag == event.tag() {
                let next = u64::try_from(TotalRecord::read(value)?.value).unwrap_or(0);
                if partition == BEGUN {
                    begun = true;
                } else {
                    cut.set(partition, next);
                }
            }
            Ok(Continue(()))
        })?;
        Ok(begun.then_some(cut))
    }

    /// It is told up to there, in one write.
    pub(super) fn move_to(&self, event: NoticeEvent, cut: &Cut) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        let mut key = Key::default();
        for (partition, next) in cut.iter().chain([(BEGUN, 1)]) {
            keys::notice_cursor(&mut key, &self.target, event.tag(), partition);
            let value = i64::try_from(next).unwrap_or(i64::MAX);
            batch.put_with(Table::Notices, &key, |bytes| TotalRecord { value }.write(bytes));
        }
        self.store.write(&batch, Durability::Process)
    }

    /// The sagas of which it was told that they are late, and since when they are.
    pub(super) fn told(&self, event: NoticeEvent) -> Result<BTreeMap<String, Millis>, StoreError> {
        let mut told = BTreeMap::new();
        let mut key = Key::default();
        keys::notices_told(&mut key, &self.target);
        Scan::of(Table::Notices, key.partition()).each(&*self.store, |sort, value| {
            let (tag, saga) = keys::parse_notice_told(sort)?;
            if tag == event.tag() {
                told.insert(saga.to_owned(), Millis(TotalRecord::read(value)?.value));
            }
            Ok(Continue(()))
        })?;
        Ok(told)
    }

    /// It was told that a saga is late.
    pub(super) fn put_told(&self, event: NoticeEvent, saga: &str, since: Millis) -> Result<(), StoreError> {
        let (mut batch, mut key) = (Batch::new(), Key::default());
        keys::notice_told(&mut key, &self.target, event.tag(), saga);
        let value = since.0;
        batch.put_with(Table::Notices, &key, |bytes| TotalRecord { value }.write(bytes));
        self.store.write(&batch, Durability::Process)
    }

    /// These are late no more.
    pub(super) fn forget_told<'s>(
        &self,
        event: NoticeEvent,
        sagas: impl Iterator<Item = &'s String>,
    ) -> Result<(), StoreError> {
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for saga in sagas {
            keys::notice_told(&mut key, &self.target, event.tag(), saga);
            batch.delete(Table::Notices, &key);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.store.write(&batch, Durability::Process)
    }

    /// It is not told of this event any more: when it is again, it begins with what happens then.
    pub(super) fn forget(&self, event: NoticeEvent) -> Result<(), StoreError> {
        let told = self.told(event)?;
        self.forget_told(event, told.keys())?;
        let Some(cut) = self.cut(event)? else {
            return Ok(());
        };
        let (mut batch, mut key) = (Batch::new(), Key::default());
        for (partition, _) in cut.iter().chain([(BEGUN, 1)]) {
            keys::notice_cursor(&mut key, &self.target, event.tag(), partition);
            batch.delete(Table::Notices, &key);
        }
        self.store.write(&batch, Durability::Process)
    }
}
