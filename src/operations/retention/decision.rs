//! The decisions of this room as they stand on the operations topic, and what each does at once.
//!
//! A hold and its end are rows, written with the decision. A purge and a restore wait for the
//! projections: what is checked here is their form, the rest is the worker's.

use super::body::{
    HOLD, HoldBody, LIFT, LiftBody, PURGE, PurgeBody, RESTORE, RESTORE_PART, RestoreBody, RestorePartBody,
};
use super::holds::{Hold, Lifted};
use super::parts;
use crate::operations::decisions::{Applier, Decided, Verdict};
use crate::store::codec::Record;
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::records::ArchivedRecord;
use crate::store::{Batch, Key, Read, StoreError, Table, keys};
use serde::Deserialize;

/// Characters that are told of what is wrong with a body.
const LONGEST_FAULT: usize = 500;

/// Who applies decisions of this room, for a store that is filled from this tracker topic.
pub fn appliers(topic: &str) -> Vec<Box<dyn Applier>> {
    let topic = || topic.to_owned();
    vec![
        Box::new(HoldApplier),
        Box::new(ReleaseApplier),
        Box::new(PurgeApplier { topic: topic() }),
        Box::new(RestoreApplier { topic: topic() }),
        Box::new(RestorePartApplier),
    ]
}

fn body<'d, T: Deserialize<'d>>(decided: &Decided<'d>) -> Result<T, String> {
    T::deserialize(&decided.decision.body).map_err(|error| {
        // It says the whole of a text that it did not expect.
        let why: String = error.to_string().chars().take(LONGEST_FAULT).collect();
        format!("its body is not of its kind: {why}")
    })
}

/// Sets holds.
pub struct HoldApplier;

impl Applier for HoldApplier {
    fn kind(&self) -> &'static str {
        HOLD
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&DeadLetterGuard<'_>>,
        _: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let scope = match body::<HoldBody>(&decided).and_then(HoldBody::scope) {
            Ok(scope) => scope,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let hold = Hold {
            id: decided.offset,
            scope,
            by: decided.decision.by.clone(),
            reason: decided.decision.reason.clone(),
            at: decided.arrived_at,
            lifted: None,
        };
        hold.put(rows);
        Ok(Verdict::Applied(format!("hold {} is in force", hold.id)))
    }
}

/// Ends holds.
pub struct ReleaseApplier;

impl Applier for ReleaseApplier {
    fn kind(&self) -> &'static str {
        LIFT
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&DeadLetterGuard<'_>>,
        store: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let id = match body::<LiftBody>(&decided) {
            Ok(body) => body.hold,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let Some(mut hold) = super::Holds::find(store, id)? else {
            return Ok(Verdict::Refused(format!("there is no hold {id}")));
        };
        if hold.lifted.is_some() {
            return Ok(Verdict::Refused(format!("hold {id} was lifted already")));
        }
        hold.lifted = Some(Lifted {
            decision: decided.offset,
            by: decided.decision.by.clone(),
            reason: decided.decision.reason.clone(),
            at: decided.arrived_at,
        });
        hold.put(rows);
        Ok(Verdict::Applied(format!("hold {id} is lifted")))
    }
}

/// Notes purges, for the worker.
pub struct PurgeApplier {
    /// The tracker topic that this store is filled from.
    pub topic: String,
}

impl Applier for PurgeApplier {
    fn kind(&self) -> &'static str {
        PURGE
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&DeadLetterGuard<'_>>,
        _: &dyn Read,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let noted = body::<PurgeBody>(&decided).and_then(|purge| {
            of_topic(&purge.topic, &self.topic)?;
            note_purge(&purge, &decided, rows)
        });
        Ok(noted.map_or_else(Verdict::Refused, Verdict::Applied))
    }
}

fn note_purge(purge: &PurgeBody, decided: &Decided<'_>, rows: &mut Batch) -> Result<String, String> {
    let checked = purge.checked()?;
    if let Some((object, size, hash)) = &checked.object {
        let record = ArchivedRecord {
            object,
            size: *size,
            hash: *hash,
            saga_type: &purge.saga_type,
            day: &purge.day,
            sagas: u32::try_from(checked.sagas.len()).unwrap_or(u32::MAX),
            events: checked
                .sagas
                .iter()
                .fold(0, |sum: u32, saga| sum.saturating_add(saga.events)),
            at: decided.arrived_at.0,
        };
        let mut key = Key::default();
        keys::by_decision(&mut key, decided.offset);
        rows.put_with(Table::Archived, &key, |bytes| record.write(bytes));
    }
    Ok(format!("{} sagas go: {}", checked.sagas.len(), purge.rule))
}

/// Two trackers of different topics may share one operations topic: each does what is about its own.
fn of_topic(named: &str, ours: &str) -> Result<(), String> {
    if named == ours {
        return Ok(());
    }
    let named: String = named.chars().take(250).collect();
    Err(format!(
        "it is about topic {named:?}; this tracker follows {ours:?}"
    ))
}

/// Notes restores, for the worker.
pub struct RestoreApplier {
    /// The tracker topic that this store is filled from.
    pub topic: String,
}

impl Applier for RestoreApplier {
    fn kind(&self) -> &'static str {
        RESTORE
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&DeadLetterGuard<'_>>,
        _: &dyn Read,
        _: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let checked = body::<RestoreBody>(&decided).and_then(|restore| {
            of_topic(&restore.topic, &self.topic)?;
            let saga = restore.checked()?;
            parts::check(&restore.data)?;
            if restore.parts.last().is_some_and(|last| *last >= decided.offset) {
                return Err("it names a part that comes after it".to_owned());
            }
            Ok(format!(
                "saga {saga} comes back with {} deliveries",
                restore.events
            ))
        });
        Ok(checked.map_or_else(Verdict::Refused, Verdict::Applied))
    }
}

/// Keeps pieces of restores until the decision that names them. By itself a piece does nothing.
pub struct RestorePartApplier;

impl Applier for RestorePartApplier {
    fn kind(&self) -> &'static str {
        RESTORE_PART
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&DeadLetterGuard<'_>>,
        _: &dyn Read,
        _: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let checked = body::<RestorePartBody>(&decided).and_then(|part| {
            let bytes = parts::check(&part.data)?;
            Ok(format!("{bytes} bytes of a saga that is to come back"))
        });
        Ok(checked.map_or_else(Verdict::Refused, Verdict::Applied))
    }
}
