//! A cancelled redrive publishes no more, over a crash too, and says what it had done.

use super::*;

#[test]
fn a_cancelled_redrive_publishes_no_more_and_what_was_not_published_stays_open() {
    let (topic, letters, change) = with_letters(250);
    topic.away.store(usize::MAX, Ordering::Relaxed);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let number = redrives
        .ask(&order(letters.clone(), change.clone(), false))
        .unwrap()
        .number;
    let thread = redrives.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while topic.away.load(Ordering::Relaxed) == usize::MAX {
        assert!(Instant::now() < deadline, "it was never tried");
        std::thread::sleep(Duration::from_millis(5));
    }
    let unknown = redrives.cancel(number + 1, "kim", None);
    assert!(
        matches!(unknown, Err(CancelError::Unknown(n)) if n == number + 1),
        "{unknown:?}"
    );
    let cancelled = redrives.cancel(number, "lee", Some("wrong schema".to_owned()));
    let cancelled = cancelled.unwrap();
    assert!(cancelled.ended_at.is_some(), "{cancelled:?}");
    assert_eq!((cancelled.sent, cancelled.waiting, cancelled.left), (0, 0, 250));
    let by = cancelled.cancelled.as_ref().unwrap();
    assert_eq!((by.by.as_str(), by.why.as_deref()), ("lee", Some("wrong schema")));
    // Once is enough, whoever asks.
    assert_eq!(redrives.cancel(number, "park", None).unwrap(), cancelled);
    let items = redrives.items(number, None, usize::MAX, Stop::default()).unwrap();
    assert!(items.iter().all(|item| item.result == RedriveResult::Cancelled));
    assert_eq!((items.len(), open_letters(&topic)), (250, 250));
    // They can be redriven later; and what has ended cannot be cancelled.
    topic.away.store(0, Ordering::Relaxed);
    let again = redrives.ask(&order(letters, change, false)).unwrap().number;
    let ended = redrives
        .wait_for(again, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    assert_eq!((ended.sent, ended.left, ended.cancelled), (250, 0, None));
    assert!(matches!(
        redrives.cancel(again, "kim", None),
        Err(CancelError::Ended(_))
    ));
    shutdown.cancel();
    thread.join().unwrap();
    assert_eq!(open_letters(&topic), 0);
}

#[test]
fn a_queued_redrive_ends_when_it_is_cancelled_not_when_its_turn_comes() {
    let (topic, letters, change) = with_letters(4);
    topic.away.store(usize::MAX, Ordering::Relaxed);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let ask = || {
        redrives
            .ask(&order(letters.clone(), change.clone(), false))
            .unwrap()
            .number
    };
    let (first, second) = (ask(), ask());
    let thread = redrives.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while topic.away.load(Ordering::Relaxed) == usize::MAX {
        assert!(Instant::now() < deadline, "it was never tried");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The first has its turn, and will not get further.
    let cancelled = redrives.cancel(second, "lee", None).unwrap();
    assert!(cancelled.ended_at.is_some(), "{cancelled:?}");
    assert_eq!((cancelled.sent, cancelled.left), (0, 4));
    assert_eq!(redrives.status(first).unwrap().unwrap().ended_at, None);
    assert_eq!(redrives.cancel(second, "park", None).unwrap(), cancelled);
    topic.away.store(0, Ordering::Relaxed);
    let ended = redrives
        .wait_for(first, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    assert_eq!((ended.sent, ended.cancelled), (4, None));
    // Its turn never comes.
    assert_eq!(redrives.status(second).unwrap().unwrap(), cancelled);
    shutdown.cancel();
    thread.join().unwrap();
}

#[test]
fn a_redrive_stays_cancelled_over_a_crash_and_what_was_under_way_is_told() {
    let (topic, letters, change) = with_letters(250);
    let number = {
        let redrives = redrives(&topic, &CancellationToken::new());
        redrives
            .ask(&order(letters.clone(), change, false))
            .unwrap()
            .number
    };
    // Twenty were being published when it was cancelled; ten of them are in the topic.
    let sending = letters[..20]
        .iter()
        .map(|letter| (*letter, RedriveLetterRecord::Sending));
    tally::settle(&topic.store, number, sending, Durability::Process).unwrap();
    let cancelled = Cancelled {
        at: AT,
        by: "kim".to_owned(),
        why: None,
    };
    assert!(matches!(
        jobs::cancel(&topic.store, number, cancelled).unwrap(),
        jobs::Met::Cancelled
    ));
    come_back(&topic, &letters[..10]);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let thread = redrives.spawn().unwrap();
    let ended = redrives
        .wait_for(number, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    assert_eq!((ended.sent, ended.waiting, ended.left), (10, 0, 240));
    assert_eq!(ended.cancelled.unwrap().by, "kim");
    assert_eq!(topic.records.lock().unwrap().len(), 260);
    assert_eq!(open_letters(&topic), 240);
    let items = redrives.items(number, None, usize::MAX, Stop::default()).unwrap();
    let came = |item: &&RedriveItem| matches!(item.result, RedriveResult::Came(..));
    assert_eq!(items.iter().filter(came).count(), 10);
    assert_eq!(
        items
            .iter()
            .filter(|item| item.result == RedriveResult::Cancelled)
            .count(),
        240
    );
}
