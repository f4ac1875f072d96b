//! What operators do, and what others put onto the ops topic: holds, restores, discards, redrives,
//! changes of a status, nonsense, and purges of what is not there.

use super::sim::Sim;
use super::topic::{OPS, TRACKER};
use super::world::{DAY, HOUR};
use crate::domain::text::hex;
use crate::domain::{Event, Position, SagaDefinitions, SagaId, SagaStatus, evidence};
use crate::operations::dead_letters::redrive::RedriveOrder;
use crate::operations::dead_letters::{Change, DeadLetterFilter, EventEdit};
use crate::operations::decisions::StatusChangeOrder;
use crate::operations::definitions::KIND;
use crate::operations::retention::body::{
    PURGE, PurgeBody, PurgeSagaBody, RESTORE, RESTORE_PART, RestoreBody, RestorePartBody,
};
use crate::operations::retention::{Readable, parts};
use crate::pipeline::kafka::Message;
use crate::pipeline::query::TimelineStep;
use crate::store::reads;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::PoisonError;
use tokio_util::sync::CancellationToken;

impl Sim {
    /// Puts a decision onto the ops topic, as an operator's replica does.
    fn decide(&self, kind: &str, body: &impl Serialize) {
        let body = serde_json::to_value(body).unwrap();
        self.note(format!("{kind} is decided: {body}"));
        let number = self.world.topic(OPS).partitions[0].end;
        let decision = json!({
            "version": 1, "kind": kind, "id": format!("operator-{number}"), "by": "kim", "from": "here",
            "at": "2026-01-01T00:00:00Z", "reason": "ticket 7", "body": body,
        });
        self.put_on_ops(decision.to_string().into_bytes());
    }

    fn put_on_ops(&self, value: Vec<u8>) {
        let message = Message {
            topic: OPS.to_owned(),
            partition: Some(0),
            key: None,
            value: Some(value),
            headers: Vec::new(),
        };
        self.world.publish(&message, self.world.now());
    }

    pub(super) fn hold(&self) {
        let end = self.world.topic(OPS).partitions[0].end;
        let lift = end > 0 && self.world.chance(400);
        if lift {
            let hold = self.world.below(end);
            return self.decide("lift", &json!({ "hold": hold }));
        }
        let number = self.world.below(24);
        let body = match self.world.below(4) {
            0 => json!({"saga": self.producers.borrow().any_saga(&self.world)}),
            1 => json!({"order": format!("order-{}", number % 7)}),
            2 => json!({"query": {"status": "FAILED"}}),
            _ => json!({"query": {"sagaType": "PAYMENT_COMPLETION", "toMillis": self.world.now().0 - DAY}}),
        };
        self.decide("hold", &body);
    }

    pub(super) fn restore_saga(&self) {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let count = noted.archive.len();
        if count == 0 {
            return;
        }
        let chosen = self.world.index(count);
        let Some(((purge, saga), events)) = noted.archive.iter().nth(chosen) else {
            return;
        };
        let mut events = events.clone();
        events.sort_unstable_by_key(Event::timeline_key);
        let (saga, purge) = (saga.as_str().to_owned(), *purge);
        drop(noted);
        let mut pieces = parts::cut(&events, self.world.pick([300, 2_000, 100_000])).unwrap();
        let data = pieces.pop().unwrap();
        let mut numbers = Vec::new();
        for data in pieces {
            numbers.push(self.world.topic(OPS).partitions[0].end);
            let saga = saga.clone();
            self.decide(RESTORE_PART, &RestorePartBody { saga, purge, data });
        }
        let body = RestoreBody {
            topic: TRACKER.to_owned(),
            saga,
            purge,
            events: u32::try_from(events.len()).unwrap(),
            parts: numbers,
            data,
        };
        self.decide(RESTORE, &body);
    }

    pub(super) fn discard(&self, replica: usize) {
        let letters: Vec<Value> = self
            .letters(replica)
            .iter()
            .map(|letter| json!({"topic": TRACKER, "partition": letter.partition, "offset": letter.offset}))
            .collect();
        if !letters.is_empty() {
            self.decide("discard", &json!({ "letters": letters }));
        }
    }

    /// What an operator changes in letters to make events of them; nothing, now and then.
    fn mend(&self) -> Change {
        if self.world.chance(200) {
            return Change::default();
        }
        let saga = format!("saga-{}", self.world.below(24));
        let at = jiff::Timestamp::from_millisecond(self.world.now().0 - HOUR).unwrap();
        let step = self
            .world
            .pick(["STOCK_RESERVED", "PAYMENT_COMPLETED", "ORDER_CONFIRMED"]);
        let event = EventEdit {
            event_id: Some(format!("mended-{}", self.world.below(1_000))),
            event_timestamp: Some(at),
            saga_id: Some(saga),
            saga_type: Some("ORDER_CREATION".to_owned()),
            step: Some(step.to_owned()),
            status: Some(self.world.pick(SagaStatus::ALL).to_string()),
            order_id: Some("order-1".to_owned()),
            metadata: None,
            recorded_at: Some(at),
        };
        Change {
            event: Some(event),
            ..Change::default()
        }
    }

    /// Some tracker with other rules decides that a saga goes, from what this replica holds of it.
    pub(super) fn purge_by_hand(&self, number: usize) {
        let Some(process) = self.replicas[number].up() else {
            return;
        };
        let saga = SagaId::from(self.producers.borrow().any_saga(&self.world));
        let generation = reads::active_generation(&*process.store).unwrap();
        let cut = reads::cursor(&*process.store, generation).unwrap();
        let readable = Readable::within(&*process.store, &cut, &process.asked_for.within()).unwrap();
        let events = reads::deliveries(&*process.store, &saga, &readable.extent.cut).unwrap();
        if events.is_empty() {
            return;
        }
        let body = PurgeBody {
            topic: TRACKER.to_owned(),
            cut: readable.cut(),
            seen: readable.seen(),
            unread: readable.unread(),
            days: u64::from(self.world.chance(200)),
            quiet_hours: u64::from(self.world.chance(200)),
            sagas: vec![PurgeSagaBody {
                id: saga.as_str().to_owned(),
                events: u32::try_from(events.len()).unwrap(),
                hash: hex(&evidence(&events)),
                row_group: None,
                row_groups: 1,
            }],
            ..by_hand()
        };
        let offset = self.world.topic(OPS).partitions[0].end;
        self.decide(PURGE, &body);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.archive.insert((offset, saga), events);
    }

    /// A few open letters of a replica.
    fn letters(&self, replica: usize) -> Vec<Position> {
        let Some(process) = self.replicas[replica].up() else {
            return Vec::new();
        };
        let all = process
            .redrives(&CancellationToken::new())
            .dead_letter_query()
            .choose(&DeadLetterFilter::default(), 20);
        let mut all = all.unwrap();
        let some = 1 + self.world.index(4);
        while all.len() > some {
            let gone = self.world.index(all.len());
            all.remove(gone);
        }
        all
    }

    pub(super) fn redrive(&self, number: usize) {
        let letters = self.letters(number);
        let Some(process) = self.replicas[number].up().filter(|_| !letters.is_empty()) else {
            return;
        };
        self.note(format!("replica {number} is to redrive {letters:?}"));
        let order = RedriveOrder {
            letters,
            chosen_by: Value::Null,
            change: self.mend(),
            dry_run: self.world.chance(200),
            by: "kim".to_owned(),
            origin: "here".to_owned(),
            why: None,
        };
        if !order.dry_run {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            for letter in &order.letters {
                *noted.asked.entry((number, *letter)).or_default() += 1;
            }
        }
        let redrives = process.redrives(&CancellationToken::new());
        let _asked = self.as_part(number, &process, || redrives.ask(&order));
    }

    /// An operator changes a status, and is told what it came to.
    pub(super) fn change_status(&self, number: usize) {
        let Some(process) = self.replicas[number].up() else {
            return;
        };
        let saga = SagaId::from(format!("saga-{}", self.world.below(12)));
        let wish = StatusChangeOrder {
            saga_id: saga.clone(),
            status: self.world.pick(SagaStatus::ALL),
            reason: "ticket 8".to_owned(),
            expected: self.world.chance(500).then(|| self.world.pick(SagaStatus::ALL)),
            operator: "kim".to_owned(),
            origin: "here".to_owned(),
        };
        let statuses = process.statuses();
        let Some(told) = self.as_part(number, &process, || statuses.change(&wish)) else {
            return;
        };
        self.note(format!(
            "{saga} is to be {} at replica {number}: {told:?}",
            wish.status
        ));
        let Ok(changed) = told else { return };
        self.count("status changes that were applied", 1);
        let mut shows = false;
        let visit = |step: &TimelineStep<'_>| {
            shows |= step.event.event_id == changed.event_id;
            ControlFlow::Continue(())
        };
        process.query.steps(&saga, None, visit).unwrap();
        if !shows || changed.current != wish.status {
            self.fault(format!(
                "replica {number} tells {changed:?} of {saga}, which does not show"
            ));
        }
    }

    /// Other definitions, or some that were in force before; now and then two operators are at it, or one writes
    /// nonsense.
    pub(super) fn define(&self) {
        let mut number = self.versions.get() + 1;
        let mut text = self.world.pick(DEFINITIONS);
        match self.world.below(10) {
            0 => number = self.world.below(number + 2),
            1 => text = "[types.ORDER_CREATION]\ncompleting_steps = []\n",
            _ => {}
        }
        let read = SagaDefinitions::from_toml(text).ok();
        if number == self.versions.get() + 1 && read.is_some() {
            self.versions.set(number);
        }
        let hash = read.map_or_else(String::new, |read| read.hash());
        let body = json!({"version": number, "hash": hash, "definitions": text});
        self.decide(KIND, &body);
    }

    pub(super) fn nonsense(&self) {
        let value: &[u8] = match self.world.below(4) {
            0 => b"\xff no JSON",
            1 => br#"{"version": 2, "kind": "hold"}"#,
            2 => br#"{"version": 1, "kind": "dance", "id": "d", "by": "k", "at": "", "reason": "", "body": {}}"#,
            _ => br#"{"version": 1, "kind": "purge", "id": "d", "by": "k", "at": "", "reason": "", "body": {"cut": 7}}"#,
        };
        self.note("nonsense on the ops topic");
        self.put_on_ops(value.to_vec());
    }

    /// A purge of another topic, or of what was never there.
    pub(super) fn unreachable(&self) {
        let ends: Vec<u64> = self.world.tracker().ends().map(|(_, end)| end).collect();
        let cut = match self.world.below(3) {
            0 => [(0, ends[0] + 100_000)].into(),
            1 => [(77, 1)].into(),
            _ => [(0, 1), (9, 40)].into(),
        };
        let body = PurgeBody {
            cut,
            sagas: vec![PurgeSagaBody {
                id: "saga-1".to_owned(),
                events: 3,
                hash: "00".repeat(32),
                row_group: None,
                row_groups: 1,
            }],
            ..by_hand()
        };
        self.decide(PURGE, &body);
    }
}

/// Definitions that operators decide on: an order is done when its stock is reserved and of payments nothing is
/// known; everything is as it was at first; and the same with another deadline, which no fold depends on.
const DEFINITIONS: [&str; 3] = [
    "[types.ORDER_CREATION]\ncompleting_steps = [\"STOCK_RESERVED\"]\n",
    "[types.ORDER_CREATION]\ncompleting_steps = [\"ORDER_CONFIRMED\"]\n\
     [types.PAYMENT_COMPLETION]\ncompleting_steps = [\"PAYMENT_COMPLETED\"]\n",
    "[types.ORDER_CREATION]\ncompleting_steps = [\"ORDER_CONFIRMED\"]\ndeadline_seconds = 60\n\
     [types.PAYMENT_COMPLETION]\ncompleting_steps = [\"PAYMENT_COMPLETED\"]\n",
];

/// What purges that no retention decided have in common.
fn by_hand() -> PurgeBody {
    PurgeBody {
        topic: TRACKER.to_owned(),
        cut: BTreeMap::new(),
        seen: BTreeMap::new(),
        unread: None,
        days: 0,
        quiet_hours: 0,
        rule: "by hand".to_owned(),
        saga_type: "ORDER_CREATION".to_owned(),
        day: "2026-01-01".to_owned(),
        object: None,
        sagas: Vec::new(),
    }
}
