//! The states of the sagas that an index names.

use super::trees::{Row, Trees};
use super::{QueryError, SagaView};
use crate::domain::SagaId;
use crate::store::{StoreError, reads};

/// The states that sagas have now, in their order.
pub(super) fn views(trees: Trees<'_>, rows: &[Row]) -> Result<Vec<SagaView>, QueryError> {
    let ids: Vec<SagaId> = rows.iter().map(|(_, saga)| saga.clone()).collect();
    let states = reads::instances(trees.store, trees.generation, &ids)?;
    ids.into_iter()
        .zip(states)
        .map(|(saga_id, state)| match state {
            Some(state) => Ok(SagaView { saga_id, state }),
            None => Err(StoreError::Corrupt(format!(
                "instances: saga {saga_id} is indexed but has no state"
            ))
            .into()),
        })
        .collect()
}
