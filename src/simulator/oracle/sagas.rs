//! Which sagas live, which are gone, and what decisions did to them, in the order of the ops topic.

use super::super::world::{DAY, HOUR};
use super::account::{Account, Seen};
use super::fold::{Expected, expected};
use crate::domain::{Event, Millis, Position, SagaDefinitions, SagaId, evidence};
use crate::operations::decisions::{Decision, Recorded};
use crate::operations::retention::body::{
    CheckedPurge, HOLD, HoldBody, LIFT, LiftBody, PURGE, PurgeBody, RESTORE, RestoreBody, RestorePartBody,
};
use crate::operations::retention::parts::Joined;
use crate::operations::retention::{HoldQuery, Scope};
use crate::pipeline::projector::Extent;
use crate::store::dead_letters::ValueHash;
use crate::store::records::DecisionOutcome;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The reason of letters that may become events.
const UNKNOWN_SCHEMA: &str = "UNKNOWN_SCHEMA";

/// A saga whose events were removed.
#[derive(Clone)]
pub(crate) struct Gone {
    pub(crate) decision: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) left: Expected,
}

/// Everything that is to be known.
#[derive(Default)]
pub(crate) struct Sagas {
    pub(crate) live: BTreeMap<SagaId, Expected>,
    pub(crate) gone: BTreeMap<SagaId, Gone>,
    /// Deliveries of sagas that are gone.
    pub(crate) late: BTreeMap<SagaId, Vec<Event>>,
    /// Letters that were discarded, whatever else happened to them.
    pub(crate) discarded: BTreeSet<Position>,
    /// How often a saga came back, and how often a hold kept one.
    pub(crate) came_back: usize,
    pub(crate) held: usize,
    /// How often a decision named one that is not due by what it has seen.
    pub(crate) not_due: usize,
    /// Values that letters were announced to come back with, as they stand in decisions.
    pub(crate) announced: BTreeSet<(Position, String)>,
}

struct Held {
    id: u64,
    scope: Scope,
    lifted: bool,
}

struct Working {
    account: BTreeMap<SagaId, Vec<(Event, Option<u64>)>>,
    /// Those in force, at first and after each decision on them.
    definitions: SagaDefinitions,
    gone: BTreeMap<SagaId, Gone>,
    holds: Vec<Held>,
    discarded: BTreeSet<Position>,
    announced: BTreeSet<(Position, String)>,
    restored_at: BTreeMap<SagaId, Millis>,
    came_back: usize,
    held: usize,
    not_due: usize,
}

impl Sagas {
    /// What decisions made of what is accounted for.
    /// Those before `done` were done; the others only say what they say of holds and letters.
    pub(crate) fn of(
        account: &Account,
        (decisions, done): (&[Recorded], u64),
        definitions: &SagaDefinitions,
    ) -> Self {
        let mut working = Working {
            account: account.events(),
            definitions: definitions.clone(),
            gone: BTreeMap::new(),
            holds: Vec::new(),
            discarded: BTreeSet::new(),
            announced: BTreeSet::new(),
            restored_at: BTreeMap::new(),
            came_back: 0,
            held: 0,
            not_due: 0,
        };
        for recorded in decisions {
            if recorded.outcome == DecisionOutcome::Applied
                && let Some(decision) = &recorded.decision
                && (recorded.offset < done || ![PURGE, RESTORE].contains(&decision.kind.as_str()))
            {
                working.apply(recorded, decision, (account, decisions));
            }
        }
        working.settle()
    }
}

impl Working {
    fn apply(
        &mut self,
        recorded: &Recorded,
        decision: &Decision,
        (account, decisions): (&Account, &[Recorded]),
    ) {
        let offset = recorded.offset;
        let body = decision.body.clone();
        match decision.kind.as_str() {
            HOLD => {
                let body: HoldBody = serde_json::from_value(body).unwrap();
                let scope = body.scope().unwrap();
                self.holds.push(Held {
                    id: offset,
                    scope,
                    lifted: false,
                });
            }
            LIFT => {
                let body: LiftBody = serde_json::from_value(body).unwrap();
                for hold in self.holds.iter_mut().filter(|hold| hold.id == body.hold) {
                    hold.lifted = true;
                }
            }
            PURGE => self.purge(recorded, &serde_json::from_value(body).unwrap(), account),
            "discard" => {
                let letters = letters(&decision.body);
                self.discarded.extend(letters.map(|(letter, _)| letter));
            }
            "redrive" => {
                let letters = letters(&decision.body);
                let value = |letter: &Value| letter["value"].as_str().unwrap().to_owned();
                self.announced
                    .extend(letters.map(|(at, letter)| (at, value(letter))));
            }
            "definitions" => {
                let text = decision.body["definitions"].as_str().unwrap();
                self.definitions = SagaDefinitions::from_toml(text).unwrap();
            }
            RESTORE => self.restore(recorded, &serde_json::from_value(body).unwrap(), decisions),
            _ => {}
        }
    }

    fn purge(&mut self, recorded: &Recorded, body: &PurgeBody, account: &Account) {
        let offset = recorded.offset;
        let purge = body.checked().unwrap();
        // What nobody will ever reach removes nothing, nor what was decided about another topic.
        if !account.reached.covers(&purge.extent.cut) {
            return;
        }
        if purge
            .seen
            .keys()
            .any(|partition| self.waits(*partition, offset, &purge.extent, account))
        {
            return;
        }
        let Some(times) = self.times(recorded, &purge, account) else {
            return;
        };
        for entry in purge.sagas {
            if self.gone.contains_key(&entry.saga) {
                continue;
            }
            let inside = self.inside(offset, &entry.saga, &purge.extent);
            let Some(left) = expected(&inside, &self.definitions) else {
                continue;
            };
            let same = inside.len() == entry.events as usize && evidence(&inside) == entry.hash;
            let due = self.is_due(&entry.saga, &inside, &times, (body.days, body.quiet_hours));
            self.not_due += usize::from(same && !due);
            let held = self.holds.iter().any(|hold| keeps(hold, &entry.saga, &left));
            self.held += usize::from(same && due && held);
            if same && due && !held {
                let gone = Gone {
                    decision: offset,
                    events: inside,
                    left,
                };
                self.gone.insert(entry.saga, gone);
            }
        }
    }

    /// Whether an open letter of an unknown schema lies in the partition, which whoever decided could read.
    fn waits(&self, partition: u32, offset: u64, extent: &Extent, account: &Account) -> bool {
        let inside = account.seen.iter().filter(|(at, seen)| {
            at.partition == partition
                && extent.contains(**at)
                && seen.filled.is_none_or(|next| next <= offset)
                && seen.outcome.as_ref().err() == Some(&UNKNOWN_SCHEMA)
        });
        let mut letters = inside.map(|(at, seen)| (*at, seen));
        letters
            .any(|(at, seen)| !self.discarded.contains(&at) && !came_back(account, at, seen, &self.announced))
    }

    /// What stands of a saga that a decision is about when it is applied.
    fn inside(&self, offset: u64, saga: &SagaId, extent: &Extent) -> Vec<Event> {
        let there = self.account.get(saga).into_iter().flatten();
        let inside = there.filter(|(event, filled)| {
            filled.is_none_or(|next| next <= offset) && extent.contains(event.position)
        });
        inside.map(|(event, _)| event.clone()).collect()
    }

    /// By partition the time that a decision goes by: the arrival of the last delivery that it has seen, if
    /// that still stands, and never behind the decision itself. None when it saw another topic.
    fn times(
        &self,
        recorded: &Recorded,
        purge: &CheckedPurge,
        account: &Account,
    ) -> Option<BTreeMap<u32, Millis>> {
        let mut times = BTreeMap::new();
        for (partition, seen) in &purge.seen {
            let at = Position::new(*partition, seen.offset);
            let there = account.seen.get(&at);
            let there = there.filter(|there| there.filled.is_none_or(|next| next <= recorded.offset));
            let Some(Ok(event)) = there.map(|there| &there.outcome) else {
                continue;
            };
            let gone = self.gone.get(&event.saga_id);
            if gone.is_some_and(|gone| gone.events.iter().any(|removed| removed.position == at)) {
                continue;
            }
            let same = event.arrived_at == seen.arrived_at
                && evidence(std::slice::from_ref(event))[..8] == seen.mark;
            if !same {
                return None;
            }
            times.insert(*partition, seen.arrived_at.min(recorded.arrived_at));
        }
        Some(times)
    }

    fn is_due(
        &self,
        saga: &SagaId,
        events: &[Event],
        times: &BTreeMap<u32, Millis>,
        (days, quiet_hours): (u64, u64),
    ) -> bool {
        let now = events
            .iter()
            .map(|event| times.get(&event.position.partition))
            .min();
        let Some(Some(now)) = now else { return false };
        let before = |count: u64, unit: i64| now.0 - i64::try_from(count).unwrap() * unit;
        let cutoff = before(days, DAY);
        let last = |of: fn(&Event) -> i64| events.iter().map(of).max().unwrap();
        last(|event| event.recorded_at.0) <= cutoff
            && (quiet_hours == 0 || last(|event| event.arrived_at.0) <= before(quiet_hours, HOUR))
            && self.restored_at.get(saga).is_none_or(|at| at.0 <= cutoff)
    }

    fn restore(&mut self, recorded: &Recorded, body: &RestoreBody, decisions: &[Recorded]) {
        let saga = SagaId::from(body.saga.as_str());
        let (mut joined, mut events) = (Joined::default(), Vec::new());
        let pieces = body.parts.iter().map(|part| {
            let part = decisions
                .iter()
                .find(|recorded| recorded.offset == *part)
                .unwrap();
            let part = part.decision.as_ref().unwrap().body.clone();
            serde_json::from_value::<RestorePartBody>(part).unwrap().data
        });
        for piece in pieces.chain([body.data.clone()]) {
            let mut add = |event| {
                events.push(event);
                Ok(())
            };
            joined.add(&saga, &piece, &mut add).unwrap();
        }
        let same = self.gone.get(&saga).is_some_and(|gone| {
            gone.decision == body.purge
                && gone.events.len() == events.len()
                && evidence(&gone.events) == evidence(&events)
        });
        if same {
            self.came_back += 1;
            self.restored_at.insert(saga.clone(), recorded.arrived_at);
            self.gone.remove(&saga);
        }
    }

    fn settle(self) -> Sagas {
        let mut sagas = Sagas::default();
        for (saga, events) in self.account {
            let events: Vec<Event> = events.into_iter().map(|(event, _)| event).collect();
            match self.gone.get(&saga) {
                Some(gone) => {
                    let removed: BTreeSet<Position> =
                        gone.events.iter().map(|event| event.position).collect();
                    let late = events
                        .into_iter()
                        .filter(|event| !removed.contains(&event.position));
                    sagas.late.insert(saga, late.collect());
                }
                None => {
                    let known = expected(&events, &self.definitions).unwrap();
                    sagas.live.insert(saga, known);
                }
            }
        }
        sagas.gone = self.gone;
        sagas.discarded = self.discarded;
        sagas.announced = self.announced;
        (sagas.came_back, sagas.held, sagas.not_due) = (self.came_back, self.held, self.not_due);
        sagas
    }
}

/// Whether a record says that the letter came back, with its value or with one that was announced.
pub(crate) fn came_back(
    account: &Account,
    letter: Position,
    seen: &Seen,
    announced: &BTreeSet<(Position, String)>,
) -> bool {
    let mut values = account.came_back.get(&letter).into_iter().flatten();
    values.any(|value| {
        let named = (letter, ValueHash::of(value.as_deref()).to_string());
        *value == seen.record.value || announced.contains(&named)
    })
}

/// The letters that a decision names.
fn letters(body: &Value) -> impl Iterator<Item = (Position, &Value)> {
    let letters = body["letters"].as_array().into_iter().flatten();
    letters.map(|letter| {
        let number = |name: &str| letter[name].as_u64().unwrap();
        let partition = u32::try_from(number("partition")).unwrap();
        (Position::new(partition, number("offset")), letter)
    })
}

fn keeps(hold: &Held, saga: &SagaId, state: &Expected) -> bool {
    let matches = |query: &HoldQuery| {
        let wanted =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        wanted(&query.saga_type, &state.saga_type)
            && wanted(&query.status, &state.status)
            && query.from_millis.is_none_or(|from| from <= state.started_at)
            && query.to_millis.is_none_or(|to| to >= state.started_at)
    };
    !hold.lifted
        && match &hold.scope {
            Scope::Saga(kept) => kept == saga,
            Scope::Order(order) => order.as_str() == state.order,
            Scope::Query(query) => matches(query),
        }
}
