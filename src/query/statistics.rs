//! Counts, rates and durations of the sagas that match.

use super::counts::{Span, Trees};
use super::{Filter, QueryError, Statistics, search};
use crate::domain::SagaStatus;
use crate::store::{Store, read};

pub(super) fn statistics(store: &dyn Store, filter: &Filter) -> Result<Statistics, QueryError> {
    let snapshot = store.snapshot();
    let generation = read::active_generation(&*snapshot)?;
    let trees = Trees {
        read: &*snapshot,
        generation,
    };
    let mut sums = Statistics {
        by_status: SagaStatus::ALL.into_iter().map(|status| (status, 0)).collect(),
        ..Statistics::default()
    };
    let mut add = |status: SagaStatus, saga_type: &str, sagas: u64, millis: u64| {
        *sums.by_status.entry(status).or_default() += sagas;
        if sagas > 0 {
            *sums.by_type.entry(saga_type.to_owned()).or_default() += sagas;
        }
        if status == SagaStatus::Completed {
            sums.completed_millis += millis;
        }
    };
    if let Some(order) = &filter.order_id {
        for (_, state) in search::sagas_of_order(&*snapshot, generation, order)? {
            if search::matches(filter, &state) {
                add(
                    state.status,
                    state.saga_type.as_str(),
                    1,
                    state.updated_at.since(state.started_at),
                );
            }
        }
    } else {
        let span = Span::of(filter.from, filter.to);
        for stream in search::streams(trees, filter)? {
            let count = trees.started_in(&stream, span, stream.status == SagaStatus::Completed)?;
            let unsigned = |sum: i64| u64::try_from(sum).unwrap_or(0);
            add(
                stream.status,
                stream.saga_type.as_str(),
                unsigned(count.sagas),
                unsigned(count.duration_millis),
            );
        }
    }
    Ok(sums)
}
