//! Which sagas live, which are gone, and what decisions did to them, in the order of the ops topic.

use super::account::Account;
use super::fold::{Expected, expected};
use crate::domain::{Event, Position, SagaDefinitions, SagaId, evidence};
use crate::ops::{Decision, Recorded};
use crate::retention::decision::{HOLD, HoldBody, LIFT, LiftBody, PURGE, PurgeBody, RESTORE, RestoreBody};
use crate::retention::{HoldQuery, Scope};
use crate::store::records::DecisionOutcome;
use std::collections::{BTreeMap, BTreeSet};

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
}

struct Held {
    id: u64,
    scope: Scope,
    lifted: bool,
}

struct Working<'a> {
    account: BTreeMap<SagaId, Vec<(Event, Option<u64>)>>,
    definitions: &'a SagaDefinitions,
    gone: BTreeMap<SagaId, Gone>,
    holds: Vec<Held>,
    discarded: BTreeSet<Position>,
    came_back: usize,
    held: usize,
}

impl Sagas {
    /// What decisions made of what is accounted for.
    pub(crate) fn of(account: &Account, decisions: &[Recorded], definitions: &SagaDefinitions) -> Self {
        let mut working = Working {
            account: account.events(),
            definitions,
            gone: BTreeMap::new(),
            holds: Vec::new(),
            discarded: BTreeSet::new(),
            came_back: 0,
            held: 0,
        };
        for recorded in decisions {
            if recorded.outcome == DecisionOutcome::Applied
                && let Some(decision) = &recorded.decision
            {
                working.apply(recorded.offset, decision, account);
            }
        }
        working.settle()
    }
}

impl Working<'_> {
    fn apply(&mut self, offset: u64, decision: &Decision, account: &Account) {
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
            PURGE => self.purge(offset, &serde_json::from_value(body).unwrap(), account),
            "discard" => {
                for letter in decision.body["letters"].as_array().into_iter().flatten() {
                    let number = |name: &str| letter[name].as_u64().unwrap();
                    let partition = u32::try_from(number("partition")).unwrap();
                    self.discarded.insert(Position::new(partition, number("offset")));
                }
            }
            RESTORE => self.restore(&serde_json::from_value(body).unwrap(), account),
            _ => {}
        }
    }

    fn purge(&mut self, offset: u64, body: &PurgeBody, account: &Account) {
        // What nobody will ever reach removes nothing.
        if !account.next.covers(&body.cut()) {
            return;
        }
        for entry in body.sagas().unwrap() {
            if self.gone.contains_key(&entry.saga) {
                continue;
            }
            let there = self.account.get(&entry.saga).into_iter().flatten();
            let inside: Vec<Event> = there
                .filter(|(event, filled)| {
                    filled.is_none_or(|next| next <= offset) && body.cut().contains(event.position)
                })
                .map(|(event, _)| event.clone())
                .collect();
            let Some(left) = expected(&inside, self.definitions) else {
                continue;
            };
            let same = inside.len() == entry.events as usize && evidence(&inside) == entry.hash;
            let held = self.holds.iter().any(|hold| keeps(hold, &entry.saga, &left));
            self.held += usize::from(same && held);
            if same && !held {
                let gone = Gone {
                    decision: offset,
                    events: inside,
                    left,
                };
                self.gone.insert(entry.saga, gone);
            }
        }
    }

    fn restore(&mut self, body: &RestoreBody, account: &Account) {
        let saga = SagaId::from(body.saga.as_str());
        let Some(events) = body.events() else {
            return;
        };
        let reached = events.iter().all(|event| account.next.contains(event.position));
        let same = self.gone.get(&saga).is_some_and(|gone| {
            gone.events.len() == events.len() && evidence(&gone.events) == evidence(&events)
        });
        if reached && same {
            self.came_back += 1;
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
                    let known = expected(&events, self.definitions).unwrap();
                    sagas.live.insert(saga, known);
                }
            }
        }
        sagas.gone = self.gone;
        sagas.discarded = self.discarded;
        (sagas.came_back, sagas.held) = (self.came_back, self.held);
        sagas
    }
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
