//! The calls that a store around another one hands on as they are.

/// All of [`Store`](super::Store) but `snapshot` and what an engine may lack, handed on to a field.
macro_rules! hand_on_store_calls {
    ($inner:ident) => {
        fn write(
            &self,
            batch: &$crate::store::Batch,
            durability: $crate::store::Durability,
        ) -> Result<(), $crate::store::StoreError> {
            self.$inner.write(batch, durability)
        }

        fn load(&self, batch: &$crate::store::Batch) -> Result<(), $crate::store::StoreError> {
            self.$inner.load(batch)
        }

        $crate::store::hand_on::hand_on_upkeep_calls!($inner);
    };
}

/// What is neither a snapshot nor a write.
macro_rules! hand_on_upkeep_calls {
    ($inner:ident) => {
        fn clear(&self, table: $crate::store::Table) -> Result<(), $crate::store::StoreError> {
            self.$inner.clear(table)
        }

        fn flush(&self) -> Result<(), $crate::store::StoreError> {
            self.$inner.flush()
        }

        fn sync(&self) -> Result<(), $crate::store::StoreError> {
            self.$inner.sync()
        }

        fn reclaim(&self, table: $crate::store::Table) -> Result<(), $crate::store::StoreError> {
            self.$inner.reclaim(table)
        }

        fn table_bytes(&self, table: $crate::store::Table) -> Result<u64, $crate::store::StoreError> {
            self.$inner.table_bytes(table)
        }

        fn usage(&self) -> $crate::store::Usage {
            self.$inner.usage()
        }
    };
}

pub(super) use {hand_on_store_calls, hand_on_upkeep_calls};
