//! Lists, counts and groups against the slow and obvious way.

use super::super::{DeadLetterFilter, DeadLetterQuery, GroupBy, Listed, Sources};
use crate::domain::{Millis, Position};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::pipeline::registry::BundledSchema;
use crate::store::codec::Record;
use crate::store::dead_letters::{
    DeadLetterChanges, DeadLetterCounts, DeadLetterLock, DeadLetterMark, DeadLetterState, EXTERNAL, Happened,
};
use crate::store::memory::MemoryStore;
use crate::store::records::{DeadLetterSummaryRecord, OffsetRecord};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Letter {
    position: Position,
    arrived_at: i64,
    reason: &'static str,
    step: Option<&'static str>,
    discarded: bool,
}

/// Letters on two partitions of the tracker topic and one of the dead-letter topic, far apart and
/// close together, arriving in the order of their offsets.
fn letters() -> impl Strategy<Value = Vec<Letter>> {
    let one = (
        select(vec![0u32, 1, EXTERNAL]),
        select(vec![1u64, 1, 1, 2, 300, 65_536, 200_000]),
        0i64..5,
        select(vec!["tombstone", "bad_magic"]),
        select(vec![None, Some("A"), Some("B")]),
        any::<bool>(),
    );
    prop::collection::vec(one, 0..60).prop_map(|rows| {
        let mut ends: BTreeMap<u32, (u64, i64)> = BTreeMap::new();
        rows.into_iter()
            .map(|(partition, skip, after, reason, step, discarded)| {
                let (offset, at) = ends.entry(partition).or_insert((7, 1_000));
                *offset += skip;
                *at += after;
                Letter {
                    position: Position::new(partition, *offset),
                    arrived_at: *at,
                    reason,
                    step,
                    discarded,
                }
            })
            .collect()
    })
}

fn filter() -> impl Strategy<Value = DeadLetterFilter> {
    (
        select(vec![None, None, Some("tombstone")]),
        select(vec![None, None, Some("A")]),
        select(vec![
            None,
            None,
            Some(DeadLetterState::Open),
            Some(DeadLetterState::Discarded),
        ]),
        select(vec![None, None, Some(1_010), Some(1_060)]),
        select(vec![None, None, Some(1_050)]),
    )
        .prop_map(|(reason, step, state, from, to)| DeadLetterFilter {
            reason: reason.map(str::to_owned),
            step: step.map(str::to_owned),
            state,
            from: from.map(Millis),
            to: to.map(Millis),
            ..DeadLetterFilter::default()
        })
}

fn dead_letter_query(letters: &[Letter]) -> DeadLetterQuery {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    let mut changes = DeadLetterChanges::default();
    let mut key = Key::default();
    for letter in letters {
        let Position { partition, offset } = letter.position;
        let external = partition & EXTERNAL != 0;
        let topic = if external { "t.dlt" } else { "t" };
        let record = DeadLetterSummaryRecord {
            topic,
            reason: letter.reason,
            arrived_at: letter.arrived_at,
            step: letter.step,
            ..DeadLetterSummaryRecord::default()
        };
        keys::by_offset(&mut key, letter.position);
        batch.put_with(Table::Letters, &key, |bytes| record.write(bytes));
        changes.add_letter(letter.position, &record);
        if letter.discarded {
            let what = Happened::Discarded {
                by: "me".to_owned(),
                why: "test".to_owned(),
            };
            let mark = DeadLetterMark {
                by: Position::new(0, offset),
                at: Millis(0),
                what,
            };
            changes.add_mark(letter.position, mark);
        }
        let row = OffsetRecord {
            start: 7,
            next: offset + 3,
            ..OffsetRecord::default()
        };
        keys::offsets(&mut key, topic, partition & !EXTERNAL);
        batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
    }
    let book = DeadLetterLock::default();
    let held = book.hold();
    DeadLetterLock::enter(&held, &store, &mut batch, &changes).unwrap();
    let store: SharedStore = Arc::new(store);
    store.write(&batch, Durability::Process).unwrap();
    DeadLetterQuery::new(Sources {
        store,
        schemas: Arc::new(BundledSchema::new().unwrap()),
        topics: DeadLetterTopics {
            topic: "t".to_owned(),
            dlt_topic: "t.dlt".to_owned(),
        },
    })
}

fn expected(letters: &[Letter], filter: &DeadLetterFilter) -> Vec<Letter> {
    let mut matching: Vec<Letter> = letters
        .iter()
        .filter(|letter| {
            let state = if letter.discarded {
                DeadLetterState::Discarded
            } else {
                DeadLetterState::Open
            };
            filter
                .reason
                .as_deref()
                .is_none_or(|reason| reason == letter.reason)
                && filter
                    .step
                    .as_deref()
                    .is_none_or(|step| Some(step) == letter.step)
                && filter.state.is_none_or(|wanted| wanted == state)
                && filter.from.is_none_or(|from| letter.arrived_at >= from.0)
                && filter.to.is_none_or(|to| letter.arrived_at <= to.0)
        })
        .cloned()
        .collect();
    matching.sort_by_key(|letter| std::cmp::Reverse((letter.arrived_at, letter.position)));
    matching
}

proptest! {
    #[test]
    fn pages_in_a_row_are_all_letters_that_match(letters in letters(), filter in filter(), size in 1usize..9) {
        let dead_letter_query = dead_letter_query(&letters);
        let mut found: Vec<Listed> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = dead_letter_query.list(&filter, cursor.as_deref(), size).unwrap();
            prop_assert!(page.letters.len() <= size);
            found.extend(page.letters);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let expected = expected(&letters, &filter);
        let positions: Vec<Position> = found.iter().map(|letter| letter.position).collect();
        let wanted: Vec<Position> = expected.iter().map(|letter| letter.position).collect();
        prop_assert_eq!(positions, wanted);
        for (found, wanted) in found.iter().zip(&expected) {
            prop_assert_eq!(found.state == DeadLetterState::Discarded, wanted.discarded);
            prop_assert_eq!(dead_letter_query.look_up(found.position).unwrap(), found.clone());
        }
        let mut oldest_first: Vec<Position> = expected.iter().map(|letter| letter.position).collect();
        oldest_first.reverse();
        prop_assert_eq!(dead_letter_query.choose(&filter, usize::MAX).unwrap(), oldest_first);
    }

    #[test]
    fn counts_and_groups_are_exact(letters in letters(), filter in filter()) {
        let dead_letter_query = dead_letter_query(&letters);
        let expected = expected(&letters, &filter);
        let mut counts: BTreeMap<String, DeadLetterCounts> = BTreeMap::new();
        let mut steps: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for letter in &expected {
            let state = if letter.discarded { DeadLetterState::Discarded } else { DeadLetterState::Open };
            counts.entry(letter.reason.to_owned()).or_default().add(state);
            *steps.entry(letter.step.map(str::to_owned)).or_default() += 1;
        }
        prop_assert_eq!(dead_letter_query.count(&filter).unwrap(), counts);
        let (groups, others) = dead_letter_query.groups(&filter, GroupBy::Step).unwrap();
        prop_assert_eq!(others, DeadLetterCounts::default());
        prop_assert!(groups.iter().map(|group| group.counts.total()).rev().is_sorted());
        let found: BTreeMap<Option<String>, u64> = groups
            .iter()
            .map(|group| (group.name.clone(), group.counts.total()))
            .collect();
        prop_assert_eq!(found, steps);
    }
}

#[test]
fn steps_that_anybody_makes_up_are_told_apart_up_to_a_bound() {
    const STEPS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let letters: Vec<Letter> = STEPS
        .iter()
        .zip(7u64..)
        .map(|(step, offset)| Letter {
            position: Position::new(0, offset),
            reason: "truncated",
            arrived_at: offset as i64,
            step: Some(step),
            discarded: false,
        })
        .collect();
    let (groups, others) = dead_letter_query(&letters)
        .groups(&DeadLetterFilter::default(), GroupBy::Step)
        .unwrap();
    assert_eq!((groups.len(), others.total()), (8, 4));
}

#[test]
fn a_cursor_that_was_not_given_out_is_refused() {
    let dead_letter_query = dead_letter_query(&[]);
    for cursor in ["x", "0", "0-", "0-1.x"] {
        let refused = dead_letter_query
            .list(&DeadLetterFilter::default(), Some(cursor), 5)
            .unwrap_err();
        assert!(refused.to_string().contains("cursor"), "{refused}");
    }
}
