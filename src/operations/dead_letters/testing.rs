//! Shared by tests of this room: letters that are there, and decisions that take effect.

use crate::domain::{Millis, Position};
use crate::operations::decisions::{Applier, Decided, Decision, NewDecision, Verdict};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::store::codec::Record;
use crate::store::dead_letters::{DeadLetterChanges, DeadLetterLock, EXTERNAL, ValueHash};
use crate::store::ledger::OffsetSums;
use crate::store::records::{
    DeadLetterRecord, DeadLetterSummaryRecord, FeedRecord, OffsetClass, PresenceRecord,
};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys};

pub(crate) fn topics(topic: &str, dlt_topic: &str) -> DeadLetterTopics {
    DeadLetterTopics {
        topic: topic.to_owned(),
        dlt_topic: dlt_topic.to_owned(),
    }
}

/// What decisions about letters do.
pub(crate) fn appliers(topic: &str, dlt_topic: &str) -> [Box<dyn Applier>; 3] {
    super::appliers(&DeadLetterLock::default(), &topics(topic, dlt_topic))
}

/// Applies a decision that stands at that offset of the ops topic.
pub(crate) fn apply(
    store: &SharedStore,
    appliers: &[Box<dyn Applier>],
    offset: u64,
    new: &NewDecision,
) -> Verdict {
    let applier = appliers
        .iter()
        .find(|applier| applier.kind() == new.kind)
        .unwrap();
    let decision = Decision {
        version: 1,
        kind: new.kind.to_owned(),
        id: offset.to_string(),
        by: new.by.clone(),
        from: new.from.clone(),
        at: String::new(),
        reason: new.reason.clone(),
        body: new.body.clone(),
    };
    let decided = Decided {
        offset,
        arrived_at: arrival(offset),
        decision: &decision,
    };
    let mut rows = Batch::new();
    let held = applier.hold();
    let verdict = applier
        .apply(decided, held.as_ref(), &**store, &mut rows)
        .unwrap();
    store.write(&rows, Durability::Process).unwrap();
    verdict
}

/// When the decision at that offset arrives.
pub(crate) fn arrival(offset: u64) -> Millis {
    Millis(1_763_600_000_000 + offset as i64)
}

/// Stores a letter of an unknown schema, as ingest does.
pub(crate) fn put_letter(store: &SharedStore, topic: &str, at: Position, value: Option<&[u8]>) {
    put_letter_of("unknown_schema", store, (topic, at), value);
}

/// Stores a letter, as ingest does.
pub(crate) fn put_letter_of(
    reason: &str,
    store: &SharedStore,
    (topic, at): (&str, Position),
    value: Option<&[u8]>,
) {
    let record = DeadLetterRecord {
        topic,
        reason,
        detail: "",
        arrived_at: arrival(0).0,
        timestamp: None,
        key: Some(b"s"),
        value,
        headers: Vec::new(),
    };
    let event_id = format!("event of {at}");
    let listed = DeadLetterSummaryRecord {
        topic,
        reason: record.reason,
        arrived_at: record.arrived_at,
        bytes: value.map_or(0, |value| value.len() as u64),
        value: ValueHash::of(value).0,
        event_id: Some(&event_id),
        ..DeadLetterSummaryRecord::default()
    };
    let (mut rows, mut key, mut changes) = (Batch::new(), Key::default(), DeadLetterChanges::default());
    keys::by_offset(&mut key, at);
    rows.put_with(Table::DeadLetters, &key, |bytes| record.write(bytes));
    rows.put_with(Table::Letters, &key, |bytes| listed.write(bytes));
    rows.put_with(Table::Feed, &key, |bytes| FeedRecord::DeadLetter.write(bytes));
    keys::letter_by_event(&mut key, &event_id, at);
    rows.put_with(Table::LettersByEvent, &key, |bytes| PresenceRecord.write(bytes));
    changes.add_letter(at, &listed);
    let mut accounted = OffsetSums::default();
    // Of external ones nobody keeps an account.
    if at.partition & EXTERNAL == 0 {
        accounted.add(at.partition, arrival(0), OffsetClass::DeadLetter, 1);
    }
    accounted.put(&**store, Table::Accounted, &mut rows).unwrap();
    let book = DeadLetterLock::default();
    DeadLetterLock::enter(&book.hold(), &**store, &mut rows, &changes).unwrap();
    store.write(&rows, Durability::Process).unwrap();
}
