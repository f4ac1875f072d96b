//! The account of letters is exact whatever order its entries come in, and how they are batched.

use super::*;
use crate::store::memory::MemoryStore;
use proptest::prelude::*;

const REASONS: [&str; 2] = ["bad_magic", "tombstone"];

#[derive(Clone, Debug)]
enum Entry {
    Letter(Position, &'static str),
    Mark(Position, LetterMark),
}

fn position() -> impl Strategy<Value = Position> {
    (0u32..2, 65_534u64..65_539).prop_map(|(partition, offset)| Position::new(partition, offset))
}

fn mark() -> impl Strategy<Value = LetterMark> {
    let what = prop_oneof![
        Just(Happened::Returned(Returned::Logged {
            saga_id: "s".into(),
            recorded_at: Millis(7),
        })),
        Just(Happened::Returned(Returned::DeadLetter {
            reason: "truncated".to_owned(),
        })),
        Just(Happened::Discarded {
            by: "me".to_owned(),
            why: "test data".to_owned(),
        }),
    ];
    (position(), any::<i64>(), what).prop_map(|(by, at, what)| LetterMark {
        by,
        at: Millis(at),
        what,
    })
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    // A letter has one reason, however often it is entered.
    let letter = position().prop_map(|at| Entry::Letter(at, REASONS[usize::from(at.offset % 2 == 0)]));
    let mark = (position(), mark()).prop_map(|(letter, mark)| Entry::Mark(letter, mark));
    prop::collection::vec(prop_oneof![letter, mark], 0..40)
}

fn enter(store: &MemoryStore, book: &LetterBook, entries: &[Entry]) {
    let mut batch = Batch::new();
    let mut changes = LetterChanges::default();
    for entry in entries {
        match entry {
            Entry::Letter(at, reason) => {
                let mut key = Key::default();
                keys::by_offset(&mut key, *at);
                let record = LetterRecord {
                    reason,
                    ..LetterRecord::default()
                };
                batch.put_with(Table::Letters, &key, |bytes| record.write(bytes));
                changes.add_letter(*at, reason);
            }
            Entry::Mark(letter, mark) => changes.add_mark(*letter, mark.clone()),
        }
    }
    let held = book.hold();
    LetterBook::enter(&held, store, &mut batch, &changes).unwrap();
    store.write(&batch, Durability::Process).unwrap();
    drop(held);
}

/// The account, the slow and obvious way.
fn expected(entries: &[Entry]) -> BTreeMap<String, LetterCounts> {
    let mut letters: BTreeMap<Position, (&str, Vec<LetterMark>)> = BTreeMap::new();
    for entry in entries {
        if let Entry::Letter(at, reason) = entry {
            letters.insert(*at, (reason, Vec::new()));
        }
    }
    for entry in entries {
        if let Entry::Mark(at, mark) = entry
            && let Some((_, marks)) = letters.get_mut(at)
        {
            marks.push(mark.clone());
        }
    }
    let mut counts: BTreeMap<String, LetterCounts> = BTreeMap::new();
    for (reason, marks) in letters.into_values() {
        let state = LetterState::after(&marks);
        counts.entry(reason.to_owned()).or_default().add(state);
    }
    counts
}

proptest! {
    #[test]
    fn sums_are_exact_in_any_order_and_batching(entries in entries(), sizes in prop::collection::vec(1usize..6, 1..5)) {
        let store = MemoryStore::new();
        let book = LetterBook::default();
        let mut rest = &entries[..];
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            enter(&store, &book, now);
            rest = later;
        }
        prop_assert_eq!(counts(&store).unwrap(), expected(&entries));
        // Everything once more, as after a crash: nothing changes.
        enter(&store, &book, &entries);
        prop_assert_eq!(counts(&store).unwrap(), expected(&entries));
    }

    #[test]
    fn a_mark_reads_back(letter in position(), mark in mark()) {
        let store = MemoryStore::new();
        enter(&store, &LetterBook::default(), &[Entry::Mark(letter, mark.clone())]);
        prop_assert_eq!(marks(&store, letter).unwrap(), vec![mark]);
        let beside = Position::new(letter.partition, letter.offset + 1);
        prop_assert_eq!(marks(&store, beside).unwrap(), vec![]);
    }
}

#[test]
fn what_came_back_is_redriven_even_when_it_was_discarded() {
    let of = |what: Happened| LetterMark {
        by: Position::new(0, 1),
        at: Millis(0),
        what,
    };
    let discarded = of(Happened::Discarded {
        by: String::new(),
        why: String::new(),
    });
    let returned = of(Happened::Returned(Returned::DeadLetter {
        reason: String::new(),
    }));
    assert_eq!(LetterState::after([]), LetterState::Open);
    assert_eq!(LetterState::after([&discarded]), LetterState::Discarded);
    assert_eq!(LetterState::after([&discarded, &returned]), LetterState::Redriven);
    assert_eq!(LetterState::after([&returned, &discarded]), LetterState::Redriven);
}

#[test]
fn letters_of_an_older_store_are_listed_once() {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    let letter = DeadLetterRecord {
        topic: "t",
        reason: "tombstone",
        detail: "no value",
        arrived_at: 5,
        timestamp: None,
        key: None,
        value: Some(b"abc"),
        headers: Vec::new(),
    };
    for offset in 0..1_500 {
        let mut key = Key::default();
        keys::by_offset(&mut key, Position::new(0, offset));
        batch.put_with(Table::DeadLetters, &key, |bytes| letter.write(bytes));
    }
    store.write(&batch, Durability::Process).unwrap();
    list_all_once(&store).unwrap();
    let mut key = Key::default();
    keys::by_offset(&mut key, Position::new(0, 1_499));
    let row = store.get(Table::Letters, &key).unwrap().unwrap();
    let listed = LetterRecord::read(&row).unwrap();
    assert_eq!(
        (listed.reason, listed.bytes, listed.event_id),
        ("tombstone", 3, None)
    );
    store.clear(Table::Letters).unwrap();
    list_all_once(&store).unwrap();
    assert!(
        store.get(Table::Letters, &key).unwrap().is_none(),
        "it is done once"
    );
}
