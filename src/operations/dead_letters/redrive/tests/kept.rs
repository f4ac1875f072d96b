//! What is kept of redrives, for how long, and what reading it costs.

use super::*;

#[test]
fn redrives_are_forgotten_some_time_after_they_ended_and_numbers_are_not_given_out_twice() {
    let (topic, letters, change) = with_letters(3);
    worked(&topic, &order(letters.clone(), change.clone(), true));
    worked(&topic, &order(letters.clone(), change.clone(), true));
    let redrives = redrives(&topic, &CancellationToken::new());
    let waiting = redrives
        .ask(&order(letters.clone(), change.clone(), true))
        .unwrap();
    let newest = redrives.ask(&order(letters, change, true)).unwrap();
    let ended = redrives.status(2).unwrap().unwrap().ended_at.unwrap();
    assert_eq!(redrives.forget_ended_before(Millis(0)).unwrap(), 0);
    assert_eq!(redrives.forget_ended_before(ended).unwrap(), 2);
    let left: Vec<u64> = redrives
        .latest(9, Stop::default())
        .unwrap()
        .iter()
        .map(|one| one.number)
        .collect();
    assert_eq!(left, [newest.number, waiting.number]);
    assert_eq!(redrives.items(1, None, 9, Stop::default()).unwrap(), []);
    assert_eq!(
        redrives
            .items(waiting.number, None, 9, Stop::default())
            .unwrap()
            .len(),
        3
    );
    // The newest stays even when it has ended.
    jobs::end(&topic.store, newest.number, ended, None).unwrap();
    assert_eq!(redrives.forget_ended_before(ended).unwrap(), 0);
}

/// Stores a redrive that changes the value of one letter to so many bytes.
fn stored(store: &SharedStore, letters: u64, bytes: usize) -> u64 {
    let letters = (0..letters).map(|offset| Position::new(0, offset));
    let change = Change {
        value: Some(vec![7; bytes]),
        ..Change::default()
    };
    let order = order(letters.collect(), change, true);
    jobs::create(store, &order, Millis(0)).unwrap().number
}

fn counted() -> (Arc<CountingStore>, SharedStore) {
    let counting = Arc::new(CountingStore::new(Arc::new(MemoryStore::new())));
    (counting.clone(), counting)
}

#[test]
fn what_is_due_is_found_without_reading_what_has_ended() {
    let (counting, store) = counted();
    for _ in 0..1_001 {
        let number = stored(&store, 1, 10 << 10);
        jobs::end(&store, number, Millis(1), None).unwrap();
    }
    unended::list_all_once(&store).unwrap();
    counting.forget();
    assert_eq!(unended::first(&*store).unwrap(), None);
    let due = stored(&store, 1, 10);
    assert_eq!(unended::first(&*store).unwrap(), Some(due));
    let read = counting.bytes_of(Table::Redrives);
    assert!(read < 64 << 10, "{read}");
}

#[test]
fn what_an_older_version_stored_and_did_not_end_is_due() {
    let (_, store) = counted();
    let ended = stored(&store, 1, 1);
    jobs::end(&store, ended, Millis(1), None).unwrap();
    let due = stored(&store, 3, 1);
    let (mut key, mut batch) = (Key::default(), Batch::new());
    keys::redrive_unended(&mut key, due);
    batch.delete(Table::Redrives, &key);
    keys::redrive_tally(&mut key, due);
    batch.delete(Table::Redrives, &key);
    store.write(&batch, Durability::Process).unwrap();
    assert_eq!(unended::first(&*store).unwrap(), None);
    unended::list_all_once(&store).unwrap();
    assert_eq!(unended::first(&*store).unwrap(), Some(due));
    assert_eq!(jobs::status(&*store, due).unwrap().unwrap().waiting, 3);
}

#[test]
fn so_many_redrives_wait_and_further_ones_are_refused() {
    let topic = Topic::new();
    let letter = topic.put("s", Some(vec![9]), Vec::new());
    topic.consume();
    let redrives = redrives(&topic, &CancellationToken::new());
    let ask = |dry_run| redrives.ask(&order(vec![letter], Change::default(), dry_run));
    let numbers: Vec<u64> = (0..MAX_UNENDED)
        .map(|n| ask(n % 2 == 0).unwrap().number)
        .collect();
    for dry_run in [true, false] {
        assert!(matches!(ask(dry_run), Err(AskError::TooMany)));
    }
    redrives.cancel(numbers[50], "kim", None).unwrap();
    assert!(ask(true).is_ok());
    assert!(matches!(ask(true), Err(AskError::TooMany)));
}

#[test]
fn how_far_redrives_are_is_told_without_reading_their_letters() {
    let (counting, store) = counted();
    let numbers: Vec<u64> = (0..50).map(|_| stored(&store, 1_000, 1)).collect();
    let sent = |offset| {
        let record = RedriveLetterRecord::Sent { partition: 0, offset };
        (Position::new(0, offset), record)
    };
    // Twice, as after a crash.
    for _ in 0..2 {
        tally::settle(&store, numbers[0], (0..100).map(sent), Durability::Process).unwrap();
    }
    counting.forget();
    let latest = jobs::latest(&*store, 50).unwrap();
    let read = counting.rows_of(Table::Redrives);
    assert!(read <= 200, "{read}");
    let (first, newest) = (latest.last().unwrap(), &latest[0]);
    assert_eq!((first.number, first.sent, first.waiting), (numbers[0], 100, 900));
    assert_eq!((newest.sent, newest.waiting), (0, 1_000));
}

#[test]
fn reading_about_redrives_ends_when_nobody_waits() {
    let redrives = redrives(&Topic::new(), &CancellationToken::new());
    let stop = Stop::default();
    assert!(redrives.latest(50, stop.clone()).is_ok());
    stop.stop();
    assert!(matches!(
        redrives.latest(50, stop.clone()),
        Err(StoreError::Stopped)
    ));
    assert!(matches!(
        redrives.items(1, None, 100, stop),
        Err(StoreError::Stopped)
    ));
}
