//! The decisions of this room as they stand on the ops topic, and what each does at once.
//!
//! A hold and its end are rows, written with the decision. A purge and a restore wait for the
//! projections: what is checked here is their form, the rest is the worker's.

use super::body::{
    HOLD, HoldBody, LIFT, LiftBody, PURGE, PurgeBody, RESTORE, RESTORE_PART, RestoreBody, RestorePartBody,
};
use super::holds::{Hold, Lifted};
use super::parts;
use crate::domain::text::first;
use crate::operations::decisions::{Applier, Decided, Verdict};
use crate::store::codec::Record;
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::records::ArchivedRecord;
use crate::store::{Batch, Key, StoreError, StoreRead, Table, keys};
use serde::Deserialize;

/// What decisions of this room do, those of each kind by a function of its own.
struct RetentionApplier {
    kind: &'static str,
    apply: Apply,
    topic: String,
}

/// Given the decision and the tracker topic that this store is filled from.
type Apply = fn(&Decided<'_>, &str, &dyn StoreRead, &mut Batch) -> Result<Verdict, StoreError>;

/// What decisions of each kind do, in a store that is filled from that tracker topic.
pub fn appliers(topic: &str) -> Vec<Box<dyn Applier>> {
    const KINDS: [(&str, Apply); 5] = [
        (HOLD, hold),
        (LIFT, lift),
        (PURGE, purge),
        (RESTORE, restore),
        (RESTORE_PART, restore_part),
    ];
    let applier = |(kind, apply)| -> Box<dyn Applier> {
        let topic = topic.to_owned();
        Box::new(RetentionApplier { kind, apply, topic })
    };
    KINDS.map(applier).into()
}

impl Applier for RetentionApplier {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _: Option<&DeadLetterGuard<'_>>,
        store: &dyn StoreRead,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        (self.apply)(&decided, &self.topic, store, rows)
    }
}

fn verdict(checked: Result<String, String>) -> Result<Verdict, StoreError> {
    Ok(checked.map_or_else(Verdict::Refused, Verdict::Applied))
}

fn body<'d, T: Deserialize<'d>>(decided: &Decided<'d>) -> Result<T, String> {
    decided
        .body()
        .map_err(|why| format!("its body is not of its kind: {why}"))
}

fn hold(decided: &Decided<'_>, _: &str, _: &dyn StoreRead, rows: &mut Batch) -> Result<Verdict, StoreError> {
    verdict(body::<HoldBody>(decided).and_then(HoldBody::scope).map(|scope| {
        let hold = Hold {
            id: decided.offset,
            scope,
            by: decided.decision.by.clone(),
            reason: decided.decision.reason.clone(),
            at: decided.arrived_at,
            lifted: None,
        };
        hold.put(rows);
        format!("hold {} is in force", hold.id)
    }))
}

fn lift(
    decided: &Decided<'_>,
    _: &str,
    store: &dyn StoreRead,
    rows: &mut Batch,
) -> Result<Verdict, StoreError> {
    let id = match body::<LiftBody>(decided) {
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

/// Checks a purge and enters its archive object; the worker does the rest.
fn purge(
    decided: &Decided<'_>,
    topic: &str,
    _: &dyn StoreRead,
    rows: &mut Batch,
) -> Result<Verdict, StoreError> {
    verdict(body::<PurgeBody>(decided).and_then(|purge| {
        of_topic(&purge.topic, topic)?;
        note_purge(&purge, decided, rows)
    }))
}

/// Checks a restore, for the worker.
fn restore(
    decided: &Decided<'_>,
    topic: &str,
    _: &dyn StoreRead,
    _: &mut Batch,
) -> Result<Verdict, StoreError> {
    verdict(body::<RestoreBody>(decided).and_then(|restore| {
        of_topic(&restore.topic, topic)?;
        let saga = restore.checked()?;
        parts::check(&restore.data)?;
        if restore.parts.last().is_some_and(|last| *last >= decided.offset) {
            return Err("it names a part that comes after it".to_owned());
        }
        Ok(format!(
            "saga {saga} comes back with {} deliveries",
            restore.events
        ))
    }))
}

/// Keeps a piece of a restore until the decision that names it. By itself a piece does nothing.
fn restore_part(
    decided: &Decided<'_>,
    _: &str,
    _: &dyn StoreRead,
    _: &mut Batch,
) -> Result<Verdict, StoreError> {
    verdict(body::<RestorePartBody>(decided).and_then(|part| {
        let bytes = parts::check(&part.data)?;
        Ok(format!("{bytes} bytes of a saga that is to come back"))
    }))
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

/// Two trackers of different topics may share one ops topic: each does what is about its own.
fn of_topic(named: &str, ours: &str) -> Result<(), String> {
    if named == ours {
        return Ok(());
    }
    let named = first(named, 250);
    Err(format!(
        "it is about topic {named:?}; this tracker follows {ours:?}"
    ))
}
