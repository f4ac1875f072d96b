//! Which services report steps: what a definition does not say, and the newest sagas of the type that completed show.

use super::QueryError;
use super::seek::Seek;
use super::trees::Trees;
use super::{Filter, by_time};
use crate::domain::{Cut, SagaId, SagaStatus, SagaType};
use crate::store::{reads, timelines, until};
use std::collections::BTreeMap;

/// Maximum number of sagas that are looked at.
const SAGAS: usize = 3;
/// Maximum number of events of a saga that is looked at.
const MAX_EVENTS: u32 = 200;

/// Of these steps and patterns, the service that reported each last; those that none did are left out.
pub(super) fn reporters(
    trees: Trees<'_>,
    cursor: &Cut,
    saga_type: &SagaType,
    steps: &[&str],
) -> Result<BTreeMap<String, String>, QueryError> {
    let mut found = BTreeMap::new();
    let ids = newest_completed(trees, saga_type)?;
    for (id, state) in ids
        .iter()
        .zip(reads::instances(trees.store, trees.generation, &ids)?)
    {
        let Some(state) = state.filter(|state| state.step_count <= MAX_EVENTS) else {
            continue;
        };
        let at = (trees.store, trees.generation, cursor);
        timelines::each_step(at, id, &state, None, |event| {
            if let Some(service) = event.producer_service {
                for step in steps.iter().filter(|step| covers(step, event.step)) {
                    found
                        .entry((*step).to_owned())
                        .or_insert_with(|| service.to_owned());
                }
            }
            Ok(until(false))
        })?;
    }
    Ok(found)
}

fn newest_completed(trees: Trees<'_>, saga_type: &SagaType) -> Result<Vec<SagaId>, QueryError> {
    let filter = Filter {
        saga_type: Some(saga_type.clone()),
        status: Some(SagaStatus::Completed),
        ..Filter::default()
    };
    let found = by_time::by_start(trees, &filter, Seek::descending(SAGAS))?;
    Ok(found.found().into_iter().map(|(_, saga)| saga).collect())
}

fn covers(pattern: &str, step: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => step.starts_with(prefix),
        None => pattern == step,
    }
}
