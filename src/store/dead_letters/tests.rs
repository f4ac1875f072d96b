//! The account of letters is exact whatever order its entries come in, and how they are batched.

use super::*;
use crate::domain::Millis;
use crate::store::counting::CountingStore;
use crate::store::letter_states::MAX_MARKS_TOLD;
use crate::store::memory::MemoryStore;
use proptest::prelude::*;
use std::sync::Arc;

const REASONS: [&str; 2] = ["bad_magic", "tombstone"];

#[derive(Clone, Debug)]
enum Entry {
    Letter(Position, &'static str),
    Mark(Position, DeadLetterMark),
}

fn position() -> impl Strategy<Value = Position> {
    (0u32..2, 65_534u64..65_539).prop_map(|(partition, offset)| Position::new(partition, offset))
}

/// Some letters arrive behind the first decisions to remove them, some behind all.
fn arrived_at(letter: Position) -> i64 {
    match letter.offset % 3 {
        0 => 5,
        1 => 98,
        _ => 1_000,
    }
}

fn value(of: Position) -> Vec<u8> {
    format!("value of {of}").into_bytes()
}

/// What the record at a position says of a letter, always the same.
fn what(letter: Position, by: Position, kind: u8) -> Happened {
    let own = ValueHash::of(Some(&value(letter)));
    let other = ValueHash::of(Some(b"another"));
    match kind {
        0 => Happened::Returned {
            became: Returned::Logged {
                saga_id: "s".into(),
                recorded_at: Millis(7),
            },
            value: if by.offset.is_multiple_of(2) { own } else { other },
        },
        1 => Happened::Discarded {
            by: "me".to_owned(),
            why: "test data".to_owned(),
        },
        2 => Happened::Announced {
            value: if by.partition == 0 { other } else { own },
        },
        _ => Happened::Removed(Removal::decided(by.offset.is_multiple_of(3))),
    }
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    // A letter has one reason, however often it is entered.
    let letter = position().prop_map(|at| Entry::Letter(at, REASONS[usize::from(at.offset % 2 == 0)]));
    let mark = (position(), position(), 0u8..3).prop_map(|(letter, by, kind)| {
        let (at, what) = (Millis(by.offset as i64), what(letter, by, kind));
        Entry::Mark(letter, DeadLetterMark { by, at, what })
    });
    // In order of the decisions, as they are read: some before, some after the letters' arrival.
    let removal = (position(), 97u64..100).prop_map(|(letter, offset)| {
        let (by, at) = (Position::new(0, offset), Millis(offset as i64));
        let what = what(letter, by, 3);
        Entry::Mark(letter, DeadLetterMark { by, at, what })
    });
    prop::collection::vec(prop_oneof![3 => letter, 4 => mark, 1 => removal], 0..40)
}

/// Decisions are on one partition: they come in their order, whatever comes between them.
fn in_order(mut entries: Vec<Entry>) -> Vec<Entry> {
    let is_removal =
        |entry: &Entry| matches!(entry, Entry::Mark(_, mark) if matches!(mark.what, Happened::Removed(_)));
    let places: Vec<usize> = (0..entries.len())
        .filter(|at| is_removal(&entries[*at]))
        .collect();
    let mut removals: Vec<Entry> = places.iter().map(|at| entries[*at].clone()).collect();
    removals.sort_by_key(|entry| match entry {
        Entry::Mark(letter, mark) => (mark.by, *letter),
        Entry::Letter(letter, _) => (Position::new(0, 0), *letter),
    });
    for (at, removal) in places.into_iter().zip(removals) {
        entries[at] = removal;
    }
    entries
}

/// All rows of the tables that the account is about.
fn rows(store: &MemoryStore) -> Vec<(Table, [Vec<u8>; 3])> {
    let mut found = Vec::new();
    for table in [
        Table::Letters,
        Table::DeadLetterMarks,
        Table::LettersByEvent,
        Table::DeadLetters,
    ] {
        reads::try_scan_table(store, table, |partition, sort, value| {
            found.push((table, [partition, sort, value].map(<[u8]>::to_vec)));
            Ok(())
        })
        .unwrap();
    }
    found
}

fn enter_in_parts(entries: &[Entry], sizes: &[usize]) -> MemoryStore {
    let (store, book) = (MemoryStore::new(), DeadLetterLock::default());
    let mut rest = entries;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*size).min(rest.len()));
        enter(&store, &book, now);
        rest = later;
    }
    store
}

fn enter(store: &MemoryStore, book: &DeadLetterLock, entries: &[Entry]) {
    let mut batch = Batch::new();
    let mut changes = DeadLetterChanges::default();
    for entry in entries {
        match entry {
            Entry::Letter(at, reason) => put_letter(&mut batch, &mut changes, *at, reason),
            Entry::Mark(letter, mark) => changes.add_mark(*letter, mark.clone()),
        }
    }
    let held = book.hold();
    DeadLetterLock::enter(&held, store, &mut batch, &changes).unwrap();
    store.write(&batch, Durability::Process).unwrap();
    drop(held);
}

fn put_letter(batch: &mut Batch, changes: &mut DeadLetterChanges, at: Position, reason: &str) {
    let mut key = Key::default();
    keys::by_offset(&mut key, at);
    let id = format!("e-{at}");
    let record = DeadLetterSummaryRecord {
        reason,
        event_id: Some(&id),
        value: ValueHash::of(Some(&value(at))).0,
        arrived_at: arrived_at(at),
        ..DeadLetterSummaryRecord::default()
    };
    batch.put_with(Table::Letters, &key, |bytes| record.write(bytes));
    batch.put_with(Table::DeadLetters, &key, |bytes| bytes.push(1));
    keys::letter_by_event(&mut key, &id, at);
    batch.put_with(Table::LettersByEvent, &key, |bytes| bytes.push(1));
    changes.add_letter(at, &record);
}

/// The account, the slow and obvious way.
fn expected(entries: &[Entry]) -> BTreeMap<String, DeadLetterCounts> {
    let mut letters: BTreeMap<Position, (&str, Vec<DeadLetterMark>)> = BTreeMap::new();
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
    let mut counts: BTreeMap<String, DeadLetterCounts> = BTreeMap::new();
    for (at, (reason, marks)) in letters {
        let counts = counts.entry(reason.to_owned()).or_default();
        let removals = marks.iter().filter_map(|mark| match &mark.what {
            Happened::Removed(removal) if mark.at.0 >= arrived_at(at) => Some((mark.by, removal)),
            _ => None,
        });
        match removals.min_by_key(|(by, _)| *by) {
            Some((_, removal)) => counts.add_removed(removal),
            None => counts.add(DeadLetterState::after(ValueHash::of(Some(&value(at))), &marks)),
        }
    }
    counts
}

proptest! {
    #[test]
    fn sums_are_exact_in_any_order_and_batching(entries in entries(), sizes in prop::collection::vec(1usize..6, 1..5)) {
        let entries = in_order(entries);
        let store = enter_in_parts(&entries, &sizes);
        prop_assert_eq!(counts(&store).unwrap(), expected(&entries));
        // Everything once more, as after a crash: nothing changes.
        let before = rows(&store);
        enter(&store, &DeadLetterLock::default(), &entries);
        prop_assert_eq!(counts(&store).unwrap(), expected(&entries));
        prop_assert_eq!(rows(&store), before);
    }

    #[test]
    fn what_is_stored_does_not_depend_on_the_order_of_reading(
        (entries, shuffled) in entries().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        sizes in prop::collection::vec(1usize..6, 1..5),
    ) {
        let (entries, shuffled) = (in_order(entries), in_order(shuffled));
        let (one, other) = (enter_in_parts(&entries, &sizes), enter_in_parts(&shuffled, &[3]));
        prop_assert_eq!(rows(&one), rows(&other));
        prop_assert_eq!(counts(&one).unwrap(), counts(&other).unwrap());
    }

    #[test]
    fn a_mark_reads_back(letter in position(), by in position(), kind in 0u8..4) {
        let store = MemoryStore::new();
        let mark = DeadLetterMark { by, at: Millis(-7), what: what(letter, by, kind) };
        enter(&store, &DeadLetterLock::default(), &[Entry::Mark(letter, mark.clone())]);
        prop_assert_eq!(marks(&store, letter).unwrap(), vec![mark]);
        let beside = Position::new(letter.partition, letter.offset + 1);
        prop_assert_eq!(marks(&store, beside).unwrap(), vec![]);
    }
}

#[test]
fn of_a_removed_letter_one_mark_and_the_sums_are_left() {
    let (store, book) = (MemoryStore::new(), DeadLetterLock::default());
    let letter = Position::new(0, 65_535);
    let mark = |by: u64, kind| {
        let by = Position::new(0, by);
        Entry::Mark(
            letter,
            DeadLetterMark {
                by,
                at: Millis(by.offset as i64),
                what: what(letter, by, kind),
            },
        )
    };
    enter(
        &store,
        &book,
        &[Entry::Letter(letter, REASONS[0]), mark(2, 0), mark(3, 1)],
    );
    let before = counts(&store).unwrap()[REASONS[0]];
    assert_eq!((before.open, before.redriven, before.removed()), (0, 1, 0));
    enter(&store, &book, &[mark(98, 3)]);
    let after = counts(&store).unwrap()[REASONS[0]];
    // 98 is no multiple of three: the decision says that it was discarded.
    assert_eq!(
        (after.total(), after.removed_redriven, after.removed_discarded),
        (0, 0, 1)
    );
    assert_eq!(rows(&store).len(), 1);
    // Whatever comes later of it leaves nothing.
    let left = rows(&store);
    enter(
        &store,
        &book,
        &[
            mark(4, 0),
            mark(5, 1),
            mark(6, 2),
            Entry::Letter(letter, REASONS[0]),
        ],
    );
    assert_eq!((rows(&store), counts(&store).unwrap()[REASONS[0]]), (left, after));
}

#[test]
fn marks_that_do_not_count_are_not_read_again_with_every_batch() {
    let letter = Position::new(0, 65_535);
    let forged = |number: u64| {
        let came = ValueHash::of(Some(&number.to_be_bytes()));
        let what = Happened::Returned {
            became: Returned::DeadLetter {
                reason: "tombstone".to_owned(),
            },
            value: came,
        };
        let (by, at) = (Position::new(1, number), Millis(1));
        (letter, DeadLetterMark { by, at, what })
    };
    let store = MemoryStore::new();
    let book = DeadLetterLock::default();
    enter(&store, &book, &[Entry::Letter(letter, REASONS[0])]);
    for batch in 0..10 {
        let marks = (batch * 50..batch * 50 + 50).map(forged);
        let entries: Vec<_> = marks.map(|(at, mark)| Entry::Mark(at, mark)).collect();
        enter(&store, &book, &entries);
    }
    let counting = CountingStore::new(Arc::new(store.copy()));
    let own = ValueHash::of(Some(&value(letter)));
    assert_eq!(state(&counting, letter, own).unwrap(), DeadLetterState::Open);
    assert_eq!(counted(&counting, letter, own).unwrap(), []);
    let mut changes = DeadLetterChanges::default();
    let (at, mark) = forged(9_999);
    changes.add_mark(at, mark);
    let removal = what(letter, Position::new(0, 99), 3);
    changes.add_mark(
        letter,
        DeadLetterMark {
            by: Position::new(0, 99),
            at: Millis(99),
            what: removal,
        },
    );
    let mut batch = Batch::new();
    DeadLetterLock::enter(&book.hold(), &counting, &mut batch, &changes).unwrap();
    assert_eq!(counting.rows_of(Table::DeadLetterMarks), 0, "none of them counts");
    assert!(
        batch.len() < 12,
        "a removal deletes what counts: {} rows",
        batch.len()
    );
    assert_eq!(marks(&store, letter).unwrap().len(), MAX_MARKS_TOLD);
}

#[test]
fn of_marks_that_say_the_same_the_first_one_stays() {
    let letter = Position::new(0, 65_535);
    let (store, book) = (MemoryStore::new(), DeadLetterLock::default());
    enter(&store, &book, &[Entry::Letter(letter, REASONS[0])]);
    for by in [8u64, 4, 6] {
        let by = Position::new(0, by);
        let mark = |kind| DeadLetterMark {
            by,
            at: Millis(by.offset as i64),
            what: what(letter, by, kind),
        };
        enter(
            &store,
            &book,
            &[Entry::Mark(letter, mark(0)), Entry::Mark(letter, mark(1))],
        );
    }
    let left = marks(&store, letter).unwrap();
    assert_eq!(left.iter().map(|mark| mark.by.offset).collect::<Vec<_>>(), [4, 4]);
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
    let listed = DeadLetterSummaryRecord::read(&row).unwrap();
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

/// A store that reads a letter of this reason and then knows better: it is one of that reason, or none.
fn learns(entries: &[Entry], letter: Position, then: Option<&'static str>) -> MemoryStore {
    let (store, book) = (MemoryStore::new(), DeadLetterLock::default());
    enter(&store, &book, entries);
    let (mut key, mut batch) = (Key::default(), Batch::new());
    let mut changes = DeadLetterChanges::default();
    keys::by_offset(&mut key, letter);
    batch.delete(Table::DeadLetters, &key);
    batch.delete(Table::Letters, &key);
    keys::letter_by_event(&mut key, &format!("e-{letter}"), letter);
    batch.delete(Table::LettersByEvent, &key);
    changes.take_back(letter);
    if let Some(reason) = then {
        put_letter(&mut batch, &mut changes, letter, reason);
    }
    DeadLetterLock::enter(&book.hold(), &store, &mut batch, &changes).unwrap();
    store.write(&batch, Durability::Process).unwrap();
    store
}

#[test]
fn a_letter_whose_schema_is_unknown_only_here_is_removed_when_it_is_known() {
    // It arrived behind the first of these decisions, and before the second.
    let letter = Position::new(0, 65_536);
    let mark = |by: u64, kind| {
        let by = Position::new(0, by);
        let (at, what) = (Millis(by.offset as i64), what(letter, by, kind));
        Entry::Mark(letter, DeadLetterMark { by, at, what })
    };
    let happened = || vec![mark(3, 1), mark(97, 3), mark(98, 3), mark(99, 3)];
    let unknown = Entry::Letter(letter, UNKNOWN_SCHEMA);
    let orders = [
        [happened(), vec![unknown.clone()]].concat(),
        [vec![unknown], happened()].concat(),
    ];
    for order in orders {
        let here = enter_in_parts(&order, &[1]);
        assert!(known_of(&here, letter).unwrap().is_some(), "its rows are gone");
        let counts_here = counts(&here).unwrap()[UNKNOWN_SCHEMA];
        assert_eq!((counts_here.discarded, counts_here.removed()), (1, 0));

        let there = enter_in_parts(
            &[happened(), vec![Entry::Letter(letter, REASONS[0])]].concat(),
            &[9],
        );
        let late = learns(&order, letter, Some(REASONS[0]));
        assert_eq!(rows(&late), rows(&there));
        assert_eq!(
            counts(&late).unwrap()[REASONS[0]],
            counts(&there).unwrap()[REASONS[0]]
        );
        assert_eq!(counts(&late).unwrap()[REASONS[0]].removed_discarded, 1);
        assert_eq!(
            counts(&late).unwrap()[UNKNOWN_SCHEMA],
            DeadLetterCounts::default()
        );

        // An event from the start: what happened to a letter that never came.
        let there = enter_in_parts(&happened(), &[9]);
        let late = learns(&order, letter, None);
        assert_eq!(rows(&late), rows(&there));
        assert_eq!(
            counts(&late).unwrap()[UNKNOWN_SCHEMA],
            DeadLetterCounts::default()
        );
    }
}
