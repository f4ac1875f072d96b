//! Which tables a generation of projections has: some can be switched off, and are then empty.

use super::codec::Record;
use super::records::MetaRecord;
use super::{Batch, Generation, Key, ProjectionTable, StoreError, StoreRead, Table, keys, totals};

/// Tables of projections, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptTables(u32);

const _: () = assert!(ProjectionTable::ALL.len() <= u32::BITS as usize);

fn bit(table: ProjectionTable) -> u32 {
    1 << (table as u32)
}

fn name(table: ProjectionTable) -> &'static str {
    Table::Projection(Generation::A, table).entry().name
}

impl KeptTables {
    /// All of them.
    pub const ALL: Self = Self(u32::MAX);

    /// The same without one.
    #[must_use]
    pub fn without(self, table: ProjectionTable) -> Self {
        Self(self.0 & !bit(table))
    }

    /// Whether a table is among them.
    pub fn has(self, table: ProjectionTable) -> bool {
        self.0 & bit(table) != 0
    }

    /// Those of a generation.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn of(store: &dyn StoreRead, generation: Generation) -> Result<Self, StoreError> {
        let Some(value) = store.get(Table::Meta, &key(generation))? else {
            return Ok(Self::ALL);
        };
        let off = MetaRecord::read(&value)?.value;
        off.split(',').try_fold(Self::ALL, |kept, off| {
            let table = ProjectionTable::ALL.into_iter().find(|table| name(*table) == off);
            let table = table.ok_or_else(|| StoreError::Corrupt(format!("meta: no projection {off:?}")))?;
            Ok(kept.without(table))
        })
    }

    /// Adds to a batch that a generation has these. It belongs into the same write as its first rows.
    pub fn put(self, batch: &mut Batch, generation: Generation) {
        let off = ProjectionTable::ALL.into_iter().filter(|table| !self.has(*table));
        let off: Vec<&str> = off.map(name).collect();
        if off.is_empty() {
            batch.delete(Table::Meta, &key(generation));
        } else {
            let value = off.join(",");
            batch.put_with(Table::Meta, &key(generation), |bytes| {
                MetaRecord { value: &value }.write(bytes);
            });
        }
    }
}

fn key(generation: Generation) -> Key {
    let mut key = Key::default();
    keys::meta_named(&mut key, totals::OFF, generation.name());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;
    use crate::testkit::store;

    #[test]
    fn a_generation_says_which_tables_it_lacks() {
        let store = store();
        let of = |generation| KeptTables::of(&*store, generation).unwrap();
        assert_eq!(of(Generation::A), KeptTables::ALL);
        for off in ProjectionTable::ALL {
            let kept = KeptTables::ALL.without(off).without(ProjectionTable::Totals);
            let mut batch = Batch::new();
            kept.put(&mut batch, Generation::A);
            store.write(&batch, Durability::None).unwrap();
            for table in ProjectionTable::ALL {
                let is_kept = table != off && table != ProjectionTable::Totals;
                assert_eq!(of(Generation::A).has(table), is_kept, "{table:?} without {off:?}");
            }
            assert_eq!(of(Generation::B), KeptTables::ALL);
        }
        let mut batch = Batch::new();
        KeptTables::ALL.put(&mut batch, Generation::A);
        store.write(&batch, Durability::None).unwrap();
        assert_eq!(of(Generation::A), KeptTables::ALL);
    }

    #[test]
    fn a_table_that_nobody_knows_is_told() {
        let store = store();
        let mut batch = Batch::new();
        batch.put_with(Table::Meta, &key(Generation::A), |bytes| {
            MetaRecord {
                value: "census,nothing",
            }
            .write(bytes);
        });
        store.write(&batch, Durability::None).unwrap();
        let error = KeptTables::of(&*store, Generation::A).unwrap_err();
        assert!(error.to_string().contains("\"nothing\""), "{error}");
    }
}
