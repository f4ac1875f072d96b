//! Compares two generations of projections row by row.

use super::report::Differences;
use crate::pipeline::projector::PROJECTIONS;
use crate::store::{Generation, Key, Read, SharedStore, StoreError, Table, read};

/// Rows looked up at once.
const ROWS: usize = 1_024;

pub(super) fn generations(
    store: &SharedStore,
    serving: Generation,
    differences: &mut Differences,
) -> Result<(), StoreError> {
    let snapshot = store.snapshot();
    for table in PROJECTIONS
        .iter()
        .flat_map(|projection| projection.tables)
        .copied()
    {
        let stored = Table::Projection(serving, table);
        let folded = Table::Projection(serving.other(), table);
        each_row(&*snapshot, folded, |key, value| {
            key.iter()
                .zip(snapshot.multi_get(stored, key)?)
                .zip(value)
                .for_each(|((key, found), expected)| {
                    if found.as_ref() != Some(expected) {
                        let what = if found.is_some() {
                            "differs from"
                        } else {
                            "is missing, it should be"
                        };
                        differences.add(|| format!("{table:?} {}: {what} the fold of the log", shown(key)));
                    }
                });
            Ok(())
        })?;
        each_row(&*snapshot, stored, |key, _| {
            key.iter()
                .zip(snapshot.multi_get(folded, key)?)
                .for_each(|(key, found)| {
                    if found.is_none() {
                        differences
                            .add(|| format!("{table:?} {}: is not in the fold of the log", shown(key)));
                    }
                });
            Ok(())
        })?;
    }
    Ok(())
}

/// Visits the rows of a table by the thousand.
fn each_row(
    snapshot: &dyn Read,
    table: Table,
    mut visit: impl FnMut(&[Key], &[Vec<u8>]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    read::try_scan_table(snapshot, table, |partition, sort, value| {
        keys.push(Key::new(partition, sort));
        values.push(value.to_vec());
        if keys.len() == ROWS {
            visit(&keys, &values)?;
            keys.clear();
            values.clear();
        }
        Ok(())
    })?;
    visit(&keys, &values)
}

fn shown(key: &Key) -> String {
    format!(
        "[{} | {}]",
        key.partition().escape_ascii(),
        key.sort().escape_ascii()
    )
}
