use super::entry::MAX_CHARS;
use super::*;
use crate::domain::Millis;
use crate::store::codec::Record;
use crate::store::records::AuditRecord;
use crate::store::{Batch, Durability, Key, Table, keys};
use crate::testkit;

struct Ticking(std::sync::atomic::AtomicI64);

impl crate::domain::clock::Clock for Ticking {
    fn now(&self) -> Millis {
        Millis(self.0.fetch_add(1_000, std::sync::atomic::Ordering::SeqCst))
    }
}

struct Standing(Millis);

impl crate::domain::clock::Clock for Standing {
    fn now(&self) -> Millis {
        self.0
    }
}

fn act(action: &str, target: &str) -> Act {
    Act {
        who: "kim".into(),
        origin: "10.0.0.7".into(),
        action: action.into(),
        target: target.into(),
        why: "ticket 7".into(),
    }
}

/// A log of so many entries, alternately of two actions.
fn log(entries: usize) -> (SharedStore, Audit) {
    let store = testkit::store();
    let audit = Audit::new(store.clone(), Arc::new(Ticking(testkit::DAY.into())));
    for number in 0..entries {
        let action = if number % 2 == 0 { "set-status" } else { "rebuild" };
        let outcome = Outcome::ALL[number % 4];
        let written = audit.record(&act(action, &format!("t{number}")), outcome, "as told");
        assert_eq!(written.unwrap(), number as u64);
    }
    (store, audit)
}

fn row(store: &SharedStore, number: u64) -> (Key, Vec<u8>) {
    let mut key = Key::default();
    keys::audit(&mut key, number);
    let value = store.get(Table::Audit, &key).unwrap().unwrap();
    (key, value)
}

fn faults(store: &SharedStore) -> Vec<String> {
    verify(store).unwrap().faults
}

#[test]
fn pages_go_from_the_newest_to_the_first() {
    let (store, _) = log(7);
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = page(&*store, &Filter::default(), before, 3).unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.number));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn a_filter_lets_only_pass_what_matches_all_of_it() {
    let (store, _) = log(8);
    let of = |filter: &Filter| -> Vec<u64> {
        let page = page(&*store, filter, None, 100).unwrap();
        assert_eq!(page.next, None);
        page.entries.iter().map(|entry| entry.number).collect()
    };
    let by_action = Filter {
        action: Some("rebuild".into()),
        ..Filter::default()
    };
    assert_eq!(of(&by_action), [7, 5, 3, 1]);
    let also_done = Filter {
        result: Some(Outcome::Done),
        from: Some(Millis(testkit::DAY + 2_000)),
        ..by_action
    };
    assert_eq!(of(&also_done), [5]);
    assert_eq!(
        of(&Filter {
            who: Some("lee".into()),
            ..Filter::default()
        }),
        [0; 0]
    );
    assert_eq!(
        of(&Filter {
            target: Some("t2".into()),
            ..Filter::default()
        }),
        [2]
    );
}

#[test]
fn an_untouched_log_verifies_and_says_where_it_ends() {
    for entries in [0, 1, 9] {
        let (store, _) = log(entries);
        let found = verify(&store).unwrap();
        assert_eq!((found.entries, found.faulty), (entries as u64, 0), "{found:?}");
        assert_eq!(count(&*store).unwrap(), entries as u64);
    }
}

#[test]
fn a_changed_entry_is_found_even_with_a_hash_that_fits_it() {
    let (store, _) = log(5);
    let (key, value) = row(&store, 2);
    let mut record = AuditRecord::read(&value).unwrap();
    record.who = "lee";
    let mut batch = Batch::new();
    batch.put(Table::Audit, &key, &record.to_bytes());
    store.write(&batch, Durability::Process).unwrap();
    assert_eq!(faults(&store), ["entry 2 is not as it was written"]);
    record.hash = chain::hash(2, &record);
    let mut batch = Batch::new();
    batch.put(Table::Audit, &key, &record.to_bytes());
    store.write(&batch, Durability::Process).unwrap();
    assert_eq!(faults(&store), ["entry 3 does not follow the one before it"]);
}

#[test]
fn a_removed_entry_is_found_wherever_it_stood() {
    for (number, expected) in [
        (0, "entries 0 to 1, exclusive, are missing"),
        (2, "entries 2 to 3, exclusive, are missing"),
        (4, "the log ends behind 4 entries, the store's head says 5"),
    ] {
        let (store, _) = log(5);
        let (key, _) = row(&store, number);
        let mut batch = Batch::new();
        batch.delete(Table::Audit, &key);
        store.write(&batch, Durability::Process).unwrap();
        assert_eq!(faults(&store)[0], expected);
    }
}

#[test]
fn several_writers_make_one_chain() {
    let (store, audit) = log(0);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let audit = audit.clone();
            scope.spawn(move || {
                for _ in 0..25 {
                    audit
                        .record(&act("redrive", &writer.to_string()), Outcome::Done, "")
                        .unwrap();
                }
            });
        }
    });
    let found = verify(&store).unwrap();
    assert_eq!((found.entries, found.faulty), (100, 0));
}

#[test]
fn endless_texts_are_cut_and_still_verify() {
    let (store, audit) = log(0);
    let endless = Act {
        why: "ä".repeat(100_000),
        ..act("purge", "x")
    };
    audit
        .record(&endless, Outcome::Failed, &"y".repeat(100_000))
        .unwrap();
    let page = page(&*store, &Filter::default(), None, 1).unwrap();
    assert_eq!(page.entries[0].act.why.chars().count(), MAX_CHARS);
    assert_eq!(faults(&store), [""; 0]);
}

#[test]
fn endless_refusals_are_counted_and_told_at_the_end() {
    let store = testkit::store();
    let clock = Arc::new(Standing(Millis(testkit::DAY)));
    let audit = Audit::new(store.clone(), clock);
    for number in 0..10_000 {
        let long = Act {
            why: "y".repeat(10_000),
            ..act("set-status", &number.to_string())
        };
        audit
            .record(&long, Outcome::Refused, &"x".repeat(10_000))
            .unwrap();
    }
    audit
        .record(&act("set-status", "t"), Outcome::Failed, "")
        .unwrap();
    assert_eq!(count(&*store).unwrap(), 6, "five refusals, and what failed");
    drop(audit);
    let page = page(&*store, &Filter::default(), None, 100).unwrap();
    assert_eq!(page.entries.len(), 7);
    let last = &page.entries[0];
    assert!(
        last.detail.starts_with("9995 more calls like this were refused"),
        "{last:?}"
    );
    assert_eq!((&*last.act.target, last.result), ("9999", Outcome::Refused));
    assert!(
        page.entries
            .iter()
            .all(|entry| entry.act.why.len() <= 200 && entry.detail.len() <= 200)
    );
    assert_eq!(faults(&store), [""; 0]);
}
