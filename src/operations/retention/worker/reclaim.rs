//! Gives the room of removed rows back.

use super::{WorkError, Worker};
use crate::store::{Batch, Durability, StoreError, Table, reads, totals};

impl Worker {
    /// Removed rows take up room until their files are merged. That costs as much as reading and
    /// writing the table once, so it is put off until it is worth it.
    pub(super) fn reclaim_when_due(&self, removed: u64) -> Result<(), WorkError> {
        let before = reads::meta(&*self.store, totals::RECLAIMABLE)?
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0);
        let mut pending = before.saturating_add(removed);
        let rows = self.store.usage().log_rows.max(1);
        let enough = pending.saturating_mul(100) >= rows.saturating_mul(self.reclaim_percent.max(1));
        if enough && self.reclaim()? {
            pending = 0;
        }
        let mut batch = Batch::new();
        reads::put_meta(&mut batch, totals::RECLAIMABLE, &pending.to_string());
        Ok(self.store.write(&batch, Durability::Process)?)
    }

    fn reclaim(&self) -> Result<bool, StoreError> {
        let before = self.store.usage().disk_bytes;
        for table in [Table::Log, Table::Feed, Table::Late] {
            let needed = self.store.table_bytes(table)?;
            if self.space.free().is_some_and(|free| free < needed) {
                tracing::warn!(
                    table = table.name(),
                    needed,
                    "too little free space to merge the table's files; the space of removed rows is not reclaimed yet"
                );
                return Ok(false);
            }
            self.store.reclaim(table)?;
        }
        let after = self.store.usage().disk_bytes;
        tracing::info!(before, after, "the space of removed rows is reclaimed");
        self.status
            .update(|status| status.reclaimed_bytes += before.saturating_sub(after));
        Ok(true)
    }
}
