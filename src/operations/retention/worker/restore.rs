//! Does a decision to restore: puts together what its messages carry, and restores it when it is what was removed.

use super::super::body::{RESTORE_PART, RestoreBody, RestorePartBody};
use super::super::parts::Joined;
use super::super::status::Skipped;
use super::{CHUNK_PAUSE, Done, Undone, WorkError, Worker};
use crate::domain::{Cut, Event, Evidence, Position, SagaId};
use crate::operations::decisions::{Recorded, decisions_from};
use crate::pipeline::projector::{Projector, Restore, RestoreOutcome};
use crate::store::records::DecisionOutcome;
use crate::store::{StoreError, purged};
use serde::Deserialize as _;
use serde_json::Value;

/// Deliveries that are restored in one write, at most.
const BATCH: usize = if cfg!(test) { 3 } else { 1_024 };
/// Bytes of them, about.
const BATCH_BYTES: usize = 4 << 20;

/// Bytes that a delivery takes in memory, about.
fn bytes_of(event: &Event) -> usize {
    256 + event.metadata.as_ref().map_or(0, |text| text.len())
}

impl Worker {
    pub(super) fn restore(&self, recorded: &Recorded, body: &Value) -> Result<Done<'_>, Undone> {
        let malformed = |why| Undone::Skipped(Skipped::Malformed, why);
        let body = RestoreBody::deserialize(body).map_err(|error| malformed(error.to_string()))?;
        let saga = body.checked().map_err(malformed)?;
        let there = purged::purged(&*self.store, &saga)?.filter(|record| record.is_gone());
        let Some(record) =
            there.filter(|record| (record.decision, record.events) == (body.purge, body.events))
        else {
            tracing::info!(
                ?saga,
                "not restored: the saga is not purged, or these are not its deliveries"
            );
            // It may be this decision that restored it, and whoever did that was told to stop then.
            self.finish_rows()?;
            return Ok(Done::default());
        };
        // First what they are, one by one; they are put together only when they are what was removed.
        let (mut evidence, mut cut, mut count) = (Evidence::default(), Cut::default(), 0u32);
        let mut bytes = 0;
        self.each_delivery(&body, &saga, &mut |event| {
            evidence.add(&event.saga_id, &event.view());
            bytes += bytes_of(&event);
            let Position { partition, offset } = event.position;
            cut.set(partition, cut.next(partition).max(offset + 1));
            count = count.saturating_add(1);
            Ok(())
        })?;
        if evidence.hash() != record.hash || count != record.events {
            return Err(Undone::Skipped(
                Skipped::Differs,
                format!("these are not the deliveries of saga {saga:?} that were removed"),
            ));
        }
        if !self.is_begun(recorded.offset)? {
            self.wait_for(recorded.offset, &cut)?;
        }
        let restore = Restore {
            decision: recorded.offset,
            at: recorded.arrived_at,
            saga: saga.clone(),
        };
        let _alone = self.no_rebuild()?;
        let deciding = self.projector.deciding();
        self.begin(recorded.offset)?;
        let outcome = if count as usize <= BATCH && bytes <= BATCH_BYTES {
            self.restore_at_once(&body, restore)?
        } else {
            self.restore_in_batches(&body, restore)?
        };
        self.finish_rows()?;
        tracing::info!(?saga, ?outcome, "restore");
        Ok(Done {
            deciding: Some(deciding),
            ..Done::default()
        })
    }

    fn restore_at_once(&self, body: &RestoreBody, restore: Restore) -> Result<RestoreOutcome, Undone> {
        let mut events = Vec::new();
        self.each_delivery(body, &restore.saga, &mut |event| {
            events.push(event);
            Ok(())
        })?;
        let work = move |projector: &mut Projector| projector.restore(&restore, &events);
        Ok(self.projector.between_windows(work)??)
    }

    /// Windows go on between batches; the saga shows when all of it is there.
    fn restore_in_batches(&self, body: &RestoreBody, restore: Restore) -> Result<RestoreOutcome, Undone> {
        let saga = restore.saga.clone();
        let begin = move |projector: &mut Projector| projector.begin_restore(&restore);
        self.projector.between_windows(begin)??;
        let (mut batch, mut bytes, mut failed) = (Vec::new(), 0, None);
        let read = self.each_delivery(body, &saga, &mut |event| {
            bytes += bytes_of(&event);
            batch.push(event);
            if batch.len() < BATCH && bytes < BATCH_BYTES {
                return Ok(());
            }
            bytes = 0;
            failed = self.restore_part(std::mem::take(&mut batch)).err();
            failed.as_ref().map_or(Ok(()), |error| Err(error.to_string()))
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        read?;
        self.restore_part(batch)?;
        Ok(self.projector.between_windows(Projector::end_restore)??)
    }

    fn restore_part(&self, events: Vec<Event>) -> Result<(), WorkError> {
        let work = move |projector: &mut Projector| projector.restore_part(&events);
        self.projector.between_windows(work)??;
        self.pause(CHUNK_PAUSE)
    }

    /// Visits the deliveries that a restore carries, in their order, whatever messages they lie in.
    fn each_delivery(
        &self,
        body: &RestoreBody,
        saga: &SagaId,
        visit: &mut dyn FnMut(Event) -> Result<(), String>,
    ) -> Result<(), Undone> {
        let malformed = |why| Undone::Skipped(Skipped::Malformed, why);
        let mut joined = Joined::default();
        for offset in &body.parts {
            let part = self.part(*offset)?;
            let part = part.filter(|part| part.saga == body.saga && part.purge == body.purge);
            let part = part.ok_or_else(|| malformed(format!("message {offset} is no part of it")))?;
            joined.add(saga, &part.data, visit).map_err(malformed)?;
        }
        joined.add(saga, &body.data, visit).map_err(malformed)?;
        if joined.is_whole() {
            return Ok(());
        }
        Err(malformed("its last delivery is cut off".to_owned()))
    }

    fn part(&self, offset: u64) -> Result<Option<RestorePartBody>, StoreError> {
        let (found, _) = decisions_from(&*self.store, offset, offset.saturating_add(1), 1)?;
        let part = found.into_iter().next();
        let part = part.filter(|part| part.outcome == DecisionOutcome::Applied);
        let part = part.and_then(|part| part.decision);
        let part = part.filter(|decision| decision.kind == RESTORE_PART);
        Ok(part.and_then(|decision| RestorePartBody::deserialize(&decision.body).ok()))
    }
}
