//! What is written down about tables elsewhere is what their entries say.

use super::*;
use std::collections::BTreeSet;

/// Every file that a record is laid out in.
const RECORDS: [&str; 9] = [
    include_str!("../census_records.rs"),
    include_str!("../incident_records.rs"),
    include_str!("../late_records.rs"),
    include_str!("../ledger_records.rs"),
    include_str!("../notice_records.rs"),
    include_str!("../records.rs"),
    include_str!("../dead_letter_records.rs"),
    include_str!("../purged_records.rs"),
    include_str!("../state_records.rs"),
];

#[test]
fn every_table_stands_in_the_table_of_tables_and_in_the_table_of_keys() {
    let page = include_str!("../../../ARCHITECTURE.md");
    let tables = page.split("\n## Tables\n").nth(1).unwrap();
    let tables = tables.split("\n## ").next().unwrap();
    let keys = include_str!("../keys.rs");
    for entry in Table::entries() {
        let name = entry.name;
        let is_drawn = |line: &&str| line.starts_with('|') && (line.contains(&format!("`{name}`")));
        let is_a_projection = |line: &&str| line.starts_with('|') && line.contains(&format!("`b.{name}`"));
        assert!(
            tables
                .lines()
                .any(|line| is_drawn(&line) || is_a_projection(&line)),
            "ARCHITECTURE.md, Tables: no row says what `{name}` is"
        );
        let names = |line: &str| {
            let cell = line.strip_prefix("//! |").and_then(|row| row.split('|').next());
            let mut words = cell.into_iter().flat_map(|cell| cell.split([' ', ',']));
            words.any(|word| word == name)
        };
        assert!(
            keys.lines().any(names),
            "keys.rs: no row says what the keys of {name} are"
        );
    }
}

#[test]
fn no_two_tables_have_one_name() {
    let names: BTreeSet<&str> = Table::all().map(Table::name).collect();
    assert_eq!(names.len(), Table::all().count());
    for table in Table::all() {
        let generation = match table {
            Table::Projection(generation, _) => format!("{}.", generation.name()),
            _ => String::new(),
        };
        assert_eq!(table.name(), format!("{generation}{}", table.entry().name));
    }
}

#[test]
fn every_record_is_a_value_of_a_table() {
    let named: BTreeSet<&str> = Table::entries()
        .flat_map(|entry| entry.values)
        .map(|(record, _)| *record)
        .collect();
    let lines = RECORDS.into_iter().flat_map(str::lines);
    let laid_out: BTreeSet<&str> = lines
        .filter(|line| line.starts_with("impl") && line.contains(" Record<"))
        .filter_map(|line| line.split(" for ").nth(1)?.split(['<', ' ']).next())
        .collect();
    assert_eq!(named, laid_out);
}
