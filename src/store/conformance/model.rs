//! Random operations, compared with the simplest thing that could be right: a list of rows.

use super::*;
use crate::store::WHOLE;
use proptest::prelude::*;

const TABLES: [Table; 3] = [Table::Log, INSTANCES, TOTALS];

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Change>),
    Load(Vec<Change>),
    Clear(Table),
    Flush,
    TakeSnapshot,
}

#[derive(Clone, Debug)]
struct Change {
    table: Table,
    partition: Vec<u8>,
    sort: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// All rows, in no order.
#[derive(Clone, Debug, Default)]
struct Model(Vec<(Table, TableRow)>);

impl Model {
    fn apply(&mut self, change: &Change) {
        self.0.retain(|(table, row)| {
            (*table, &row.0, &row.1) != (change.table, &change.partition, &change.sort)
        });
        if let Some(value) = &change.value {
            self.0.push((
                change.table,
                (change.partition.clone(), change.sort.clone(), value.clone()),
            ));
        }
    }

    fn table(&self, table: Table) -> Vec<TableRow> {
        let mut rows: Vec<TableRow> = self
            .0
            .iter()
            .filter(|(of, _)| *of == table)
            .map(|(_, row)| row.clone())
            .collect();
        rows.sort();
        rows
    }

    fn assert_is(&self, store: &dyn StoreRead) {
        for table in TABLES {
            let expected = self.table(table);
            assert_eq!(all_rows(store, table), expected, "{table:?}");
            for partition in TRICKY {
                let mut rows: Vec<Row> = expected
                    .iter()
                    .filter(|row| row.0 == partition)
                    .map(|row| (row.1.clone(), row.2.clone()))
                    .collect();
                assert_eq!(
                    scan(store, table, partition, WHOLE, Direction::Forward, usize::MAX),
                    rows
                );
                rows.reverse();
                assert_eq!(
                    scan(store, table, partition, WHOLE, Direction::Reverse, usize::MAX),
                    rows
                );
            }
            for (partition, sort, value) in expected {
                assert_eq!(get(store, table, &partition, &sort), Some(value));
            }
        }
    }
}

fn table() -> impl Strategy<Value = Table> {
    prop::sample::select(&TABLES[..])
}

fn step() -> impl Strategy<Value = Step> {
    let text = || prop::sample::select(&TRICKY[..]).prop_map(<[u8]>::to_vec);
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..4));
    let change = (table(), text(), text(), value).prop_map(|(table, partition, sort, value)| Change {
        table,
        partition,
        sort,
        value,
    });
    let changes = prop::collection::vec(change, 0..24).boxed();
    prop_oneof![
        12 => changes.clone().prop_map(Step::Write),
        3 => changes.prop_map(Step::Load),
        1 => table().prop_map(Step::Clear),
        2 => Just(Step::Flush),
        2 => Just(Step::TakeSnapshot),
    ]
}

pub(super) fn any_sequence_of_operations_agrees_with_a_naive_model(store: &dyn Store) {
    let config = ProptestConfig::with_cases(24);
    proptest!(config, |(steps in prop::collection::vec(step(), 1..16))| {
        for table in TABLES {
            store.clear(table).unwrap();
        }
        let mut model = Model::default();
        let mut snapshots = Vec::new();
        for step in &steps {
            match step {
                Step::Write(changes) | Step::Load(changes) => {
                    let mut batch = Batch::new();
                    for change in changes {
                        let key = Key::new(&change.partition, &change.sort);
                        match &change.value {
                            Some(value) => batch.put(change.table, &key, value),
                            None => batch.delete(change.table, &key),
                        }
                        model.apply(change);
                    }
                    match step {
                        Step::Load(_) => store.load(&batch).unwrap(),
                        _ => store.write(&batch, Durability::Process).unwrap(),
                    }
                }
                Step::Clear(table) => {
                    store.clear(*table).unwrap();
                    model.0.retain(|(of, _)| of != table);
                }
                Step::Flush => store.flush().unwrap(),
                Step::TakeSnapshot => snapshots.push((store.snapshot(), model.clone())),
            }
        }
        model.assert_is(store);
        for (snapshot, then) in &snapshots {
            then.assert_is(&**snapshot);
        }
    });
}
