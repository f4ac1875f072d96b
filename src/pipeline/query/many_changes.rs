//! The sagas whose status changed too often to keep all of its changes: of a stretch of time only the log can tell what
//! each of them was. Which of them are in theirs at some instants, however many instants those are.

use super::trees::Trees;
use crate::domain::{Millis, SagaId, SagaType};
use crate::store::codec::Record;
use crate::store::records::ManyChangesRecord;
use crate::store::{Key, ProjectionTable, Scan, StoreError, Table, keys, reads, until};
use std::ops::Range;

/// States that are read at once.
const STATES: usize = 500;

/// A saga, and the stretch of time of which only the log can tell what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InLog {
    pub(super) saga: SagaId,
    pub(super) stretch: Range<Millis>,
}

/// Those whose stretch holds one of some instants, which are in order; `None` when there are more than `most`.
pub(super) fn in_log_at(
    trees: Trees<'_>,
    instants: &[Millis],
    most: usize,
) -> Result<Option<Vec<InLog>>, StoreError> {
    let mut found = Vec::new();
    let mut key = Key::default();
    keys::many_changes_partition(&mut key);
    let table = Table::Projection(trees.generation, ProjectionTable::ManyChanges);
    Scan::of(table, key.partition()).each(trees.store, |saga, value| {
        let record = ManyChangesRecord::read(value)?;
        let stretch = Millis(record.from)..Millis(record.until);
        let first = instants.partition_point(|at| *at < stretch.start);
        if instants.get(first).is_some_and(|at| *at < stretch.end) {
            found.push(InLog {
                saga: SagaId::new(keys::parse_text("many_changes", saga)?),
                stretch,
            });
        }
        Ok(until(found.len() > most))
    })?;
    Ok((found.len() <= most).then_some(found))
}

/// The type of each.
pub(super) fn with_types(trees: Trees<'_>, found: &[InLog]) -> Result<Vec<(SagaType, InLog)>, StoreError> {
    let mut typed = Vec::with_capacity(found.len());
    for some in found.chunks(STATES) {
        let ids: Vec<SagaId> = some.iter().map(|of| of.saga.clone()).collect();
        let states = reads::instances(trees.store, trees.generation, &ids)?;
        let both = some.iter().zip(states);
        typed.extend(both.filter_map(|(of, state)| Some((state?.saga_type, of.clone()))));
    }
    Ok(typed)
}
