//! What an OCEL log has named already, in bounded memory.

use crate::domain::SagaId;
use crate::pipeline::query::{Filter, Query, QueryError, SearchRequest, Window};
use std::collections::{BTreeSet, HashSet};

/// Steps that become types of events; events of further steps are of the type [`OTHER`] and name their step.
const MAX_TYPES: usize = 10_000;
pub(super) const OTHER: &str = "other";
/// Orders that are remembered as written, by hash; whether a further one was is looked up.
const MAX_ORDERS: usize = 250_000;

/// The types of events.
pub(super) struct Types {
    names: BTreeSet<String>,
    limit: usize,
}

impl Default for Types {
    fn default() -> Self {
        Self {
            names: BTreeSet::new(),
            limit: MAX_TYPES,
        }
    }
}

impl Types {
    /// The type of the events of a step.
    pub(super) fn of_step<'s>(&mut self, step: &'s str) -> &'s str {
        if self.names.contains(step) {
            return step;
        }
        let name = if self.names.len() < self.limit {
            step
        } else {
            OTHER
        };
        self.names.insert(name.to_owned());
        name
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// The orders that were written.
pub(super) struct Orders {
    remembered: HashSet<[u8; 16]>,
    limit: usize,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            remembered: HashSet::new(),
            limit: MAX_ORDERS,
        }
    }
}

impl Orders {
    /// Whether the order of a saga was not written before. Where that is not remembered, it was not if this is the
    /// first saga of the order.
    pub(super) fn is_new<E>(
        &mut self,
        order: &str,
        is_first: impl FnOnce() -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut hash = [0; 16];
        blake3::Hasher::new()
            .update(order.as_bytes())
            .finalize_xof()
            .fill(&mut hash);
        if self.remembered.contains(&hash) {
            return Ok(false);
        }
        if self.remembered.len() < self.limit {
            return Ok(self.remembered.insert(hash));
        }
        is_first()
    }
}

/// Whether a saga is the first one of its order that a search finds.
pub(super) fn is_first(
    query: &Query,
    request: &SearchRequest,
    order: &str,
    saga: &SagaId,
) -> Result<bool, QueryError> {
    let request = SearchRequest {
        filter: Filter {
            order_id: Some(order.into()),
            ..request.filter.clone()
        },
        window: Window::Page { number: 0, size: 1 },
        ..request.clone()
    };
    let found = query.search(&request)?;
    Ok(found.sagas.first().is_some_and(|first| first.saga_id == *saga))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, Millis, SagaDefinitions, SagaStatus};
    use crate::pipeline::query::{Sort, SortKey};
    use crate::testkit;
    use std::sync::Arc;

    #[test]
    fn steps_beyond_the_bound_are_of_one_type() {
        let mut types = Types {
            limit: 2,
            ..Types::default()
        };
        let named = ["a", "b", "a", "c", "d", "b"].map(|step| types.of_step(step));
        assert_eq!(named, ["a", "b", "a", OTHER, OTHER, "b"]);
        assert_eq!(types.names().collect::<Vec<_>>(), ["a", "b", OTHER]);
    }

    /// Sagas in the order of their first events, two of each order and some of other types between them.
    fn events() -> Vec<Event> {
        let sagas = [
            ("s0", "o1"),
            ("s1", "o1"),
            ("s2", "o2"),
            ("s3", "o3"),
            ("s4", "o2"),
            ("s5", "o3"),
        ];
        (0..)
            .zip(sagas)
            .map(|(n, (saga, order))| {
                let mut event = testkit::event_at(saga, n, "ORDER_CREATED", SagaStatus::Started);
                event.order_id = order.into();
                event.recorded_at = Millis(testkit::DAY + i64::try_from(n).unwrap());
                event.saga_type = if saga == "s2" { "OTHER" } else { "TYPE" }.into();
                event
            })
            .collect()
    }

    #[test]
    fn each_order_is_new_once_however_few_are_remembered() {
        let (store, events) = (testkit::store(), events());
        testkit::project(&store, &events, &[1_000], 1);
        let query = Query::new(store, Arc::new(SagaDefinitions::default()));
        for (saga_type, expected) in [(None, ["s0", "s2", "s3"]), (Some("TYPE"), ["s0", "s3", "s4"])] {
            let filter = Filter {
                saga_type: saga_type.map(Into::into),
                ..Filter::default()
            };
            let sort = Sort {
                key: SortKey::StartedAt,
                descending: false,
            };
            let window = Window::Page { number: 0, size: 10 };
            let request = SearchRequest { filter, sort, window };
            for limit in 0..4 {
                let mut orders = Orders {
                    limit,
                    ..Orders::default()
                };
                let sagas = query.search(&request).unwrap().sagas;
                let new = sagas.into_iter().filter(|saga| {
                    let (order, id) = (saga.state.order_id.as_str(), &saga.saga_id);
                    let is_first = || is_first(&query, &request, order, id);
                    orders.is_new(order, is_first).unwrap()
                });
                let new: Vec<String> = new.map(|saga| saga.saga_id.as_str().to_owned()).collect();
                assert_eq!(new, expected, "{saga_type:?} {limit}");
            }
        }
    }
}
