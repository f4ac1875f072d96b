//! Legal holds: what may not be removed, whatever the rules say.
//!
//! A hold is a decision, and so is lifting it. Whether one keeps a saga is asked as of an offset of
//! the ops topic: a purge is stopped by the holds decided before it and not lifted before it,
//! on every replica, whenever it gets there.

use crate::domain::{Millis, OrderId, SagaId, SagaState, SagaStatus};
use crate::store::codec::{self, Record};
use crate::store::records::{HoldRecord, HoldScopeRecord, LiftedRecord};
use crate::store::{Batch, Key, StoreError, StoreRead, Table, keys, reads};
use serde::{Deserialize, Serialize};

/// What a hold keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One saga.
    Saga(SagaId),
    /// The sagas of an order.
    Order(OrderId),
    /// The sagas that match all that is given.
    Query(HoldQuery),
}

/// Which sagas a hold keeps. At least one part is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldQuery {
    /// Of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saga_type: Option<String>,
    /// In this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Started at or after, unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_millis: Option<i64>,
    /// Started at or before, unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_millis: Option<i64>,
}

impl HoldQuery {
    /// What is wrong with it.
    pub(super) fn fault(&self) -> Option<String> {
        if *self == Self::default() {
            return Some("a query names at least one of sagaType, status, fromMillis, toMillis".to_owned());
        }
        let status = self.status.as_deref()?;
        status
            .parse::<SagaStatus>()
            .err()
            .map(|unknown| unknown.to_string())
    }

    fn matches(&self, state: &SagaState) -> bool {
        self.saga_type
            .as_deref()
            .is_none_or(|wanted| wanted == state.saga_type.as_str())
            && self
                .status
                .as_deref()
                .is_none_or(|wanted| wanted == state.status.as_str())
            && self.from_millis.is_none_or(|from| from <= state.started_at.0)
            && self.to_millis.is_none_or(|to| state.started_at.0 <= to)
    }
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The decision that set it, which is its name.
    pub id: u64,
    /// What it keeps.
    pub scope: Scope,
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Millis,
    /// The end of it.
    pub lifted: Option<Lifted>,
}

/// The end of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// The decision that lifted it.
    pub decision: u64,
    /// Who lifted it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Millis,
}

impl Hold {
    /// Whether it is in force for a decision at that offset.
    fn holds_at(&self, decision: u64) -> bool {
        self.id < decision
            && self
                .lifted
                .as_ref()
                .is_none_or(|lifted| lifted.decision > decision)
    }

    fn keeps(&self, saga: &SagaId, state: &SagaState) -> bool {
        match &self.scope {
            Scope::Saga(kept) => kept == saga,
            Scope::Order(order) => *order == state.order_id,
            Scope::Query(query) => query.matches(state),
        }
    }

    fn of(id: u64, record: HoldRecord<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id,
            scope: match record.scope {
                HoldScopeRecord::Saga(saga) => Scope::Saga(saga.into()),
                HoldScopeRecord::Order(order) => Scope::Order(order.into()),
                HoldScopeRecord::Query {
                    saga_type,
                    status,
                    from,
                    to,
                } => Scope::Query(HoldQuery {
                    saga_type: saga_type.map(str::to_owned),
                    status: status
                        .map(|tag| codec::status(tag, "holds"))
                        .transpose()?
                        .map(|status| status.as_str().to_owned()),
                    from_millis: from,
                    to_millis: to,
                }),
            },
            by: record.by.to_owned(),
            reason: record.reason.to_owned(),
            at: Millis(record.at),
            lifted: record.lifted.map(|lifted| Lifted {
                decision: lifted.decision,
                by: lifted.by.to_owned(),
                reason: lifted.reason.to_owned(),
                at: Millis(lifted.at),
            }),
        })
    }

    /// Adds its row to a batch.
    pub(super) fn put(&self, batch: &mut Batch) {
        let mut key = Key::default();
        keys::by_decision(&mut key, self.id);
        let record = HoldRecord {
            scope: match &self.scope {
                Scope::Saga(saga) => HoldScopeRecord::Saga(saga.as_str()),
                Scope::Order(order) => HoldScopeRecord::Order(order.as_str()),
                Scope::Query(query) => HoldScopeRecord::Query {
                    saga_type: query.saga_type.as_deref(),
                    status: query
                        .status
                        .as_deref()
                        .and_then(|status| status.parse::<SagaStatus>().ok())
                        .map(SagaStatus::tag),
                    from: query.from_millis,
                    to: query.to_millis,
                },
            },
            by: &self.by,
            reason: &self.reason,
            at: self.at.0,
            lifted: self.lifted.as_ref().map(|lifted| LiftedRecord {
                decision: lifted.decision,
                by: &lifted.by,
                reason: &lifted.reason,
                at: lifted.at.0,
            }),
        };
        batch.put_with(Table::Holds, &key, |bytes| record.write(bytes));
    }
}

/// All holds there ever were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds(Vec<Hold>);

impl Holds {
    /// Reads them. There are few.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(store: &dyn StoreRead) -> Result<Self, StoreError> {
        let mut holds = Vec::new();
        reads::try_scan_table(store, Table::Holds, |_, sort, value| {
            holds.push(Hold::of(keys::parse_offset(sort)?, HoldRecord::read(value)?)?);
            Ok(())
        })?;
        holds.sort_by_key(|hold| hold.id);
        Ok(Self(holds))
    }

    /// The hold with that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(store: &dyn StoreRead, id: u64) -> Result<Option<Hold>, StoreError> {
        let mut key = Key::default();
        keys::by_decision(&mut key, id);
        store
            .get(Table::Holds, &key)?
            .map(|value| Hold::of(id, HoldRecord::read(&value)?))
            .transpose()
    }

    /// All of them, by name.
    pub fn all(&self) -> &[Hold] {
        &self.0
    }

    /// Those in force that keep a saga; of one whose state is not known, those that name it.
    pub fn now_keeping(self, saga: &SagaId, state: Option<&SagaState>) -> Vec<Hold> {
        let keeps = |hold: &Hold| match state {
            Some(state) => hold.keeps(saga, state),
            None => hold.scope == Scope::Saga(saga.clone()),
        };
        let holds = self.0.into_iter();
        holds
            .filter(|hold| hold.lifted.is_none() && keeps(hold))
            .collect()
    }

    /// The first hold that keeps a saga from a decision at that offset.
    pub fn keeping(&self, decision: u64, saga: &SagaId, state: &SagaState) -> Option<&Hold> {
        self.0
            .iter()
            .find(|hold| hold.holds_at(decision) && hold.keeps(saga, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SagaDefinitions, fold};
    use crate::store::Durability;
    use crate::testkit::{store, traffic};
    use proptest::prelude::*;

    fn hold(id: u64, scope: Scope, lifted: Option<u64>) -> Hold {
        Hold {
            id,
            scope,
            by: "kim".to_owned(),
            reason: "case 7".to_owned(),
            at: Millis(1),
            lifted: lifted.map(|decision| Lifted {
                decision,
                by: "lee".to_owned(),
                reason: "closed".to_owned(),
                at: Millis(2),
            }),
        }
    }

    proptest! {
        #[test]
        fn a_hold_is_in_force_between_its_decision_and_the_one_that_lifts_it(
            set in 0u64..20, length in prop::option::of(1u64..20), asked in 0u64..45,
        ) {
            let lifted = length.map(|length| set + length);
            let hold = hold(set, Scope::Saga("s".into()), lifted);
            prop_assert_eq!(hold.holds_at(asked), set < asked && lifted.is_none_or(|lifted| asked < lifted));
        }

        #[test]
        fn a_scope_keeps_what_it_names(events in traffic(30)) {
            let saga = events[0].saga_id.clone();
            let own: Vec<_> = events.into_iter().filter(|event| event.saga_id == saga).collect();
            let state = fold(&own, &SagaDefinitions::default()).unwrap();
            let query = |change: fn(&mut HoldQuery, &SagaState)| {
                let mut query = HoldQuery::default();
                change(&mut query, &state);
                Scope::Query(query)
            };
            let keeping = [
                Scope::Saga(saga.clone()),
                Scope::Order(state.order_id.clone()),
                query(|q, s| q.saga_type = Some(s.saga_type.as_str().to_owned())),
                query(|q, s| q.status = Some(s.status.as_str().to_owned())),
                query(|q, s| (q.from_millis, q.to_millis) = (Some(s.started_at.0), Some(s.started_at.0))),
            ];
            let passing = [
                Scope::Saga("another".into()),
                Scope::Order("another".into()),
                query(|q, s| q.from_millis = Some(s.started_at.0 + 1)),
                query(|q, s| q.to_millis = Some(s.started_at.0 - 1)),
            ];
            let store = store();
            for (id, scope) in (1..).zip(keeping.into_iter().chain(passing)) {
                let mut batch = Batch::new();
                hold(id, scope, None).put(&mut batch);
                store.write(&batch, Durability::Process).unwrap();
            }
            let holds = Holds::read(&*store).unwrap();
            for hold in holds.all() {
                prop_assert_eq!(hold.keeps(&saga, &state), hold.id <= 5, "{:?}", hold);
                let found = Holds::find(&*store, hold.id).unwrap();
                prop_assert_eq!(found.as_ref(), Some(hold));
            }
            prop_assert_eq!(holds.keeping(1, &saga, &state), None);
            prop_assert_eq!(holds.keeping(9, &saga, &state).map(|hold| hold.id), Some(1));
            let mut batch = Batch::new();
            hold(2, Scope::Order(state.order_id.clone()), Some(20)).put(&mut batch);
            store.write(&batch, Durability::Process).unwrap();
            let keeping = |state: Option<&SagaState>| -> Vec<u64> {
                let holds = Holds::read(&*store).unwrap().now_keeping(&saga, state);
                holds.iter().map(|hold| hold.id).collect()
            };
            prop_assert_eq!(keeping(Some(&state)), [1, 3, 4, 5], "but for the one that was lifted");
            prop_assert_eq!(keeping(None), [1]);
        }
    }
}
