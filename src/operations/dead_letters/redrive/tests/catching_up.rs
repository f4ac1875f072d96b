//! Nothing is published before what others published, announced and discarded is known.

use super::*;

impl Topic {
    /// The broker says that there is more than was read.
    fn ends_behind_what_is_read(&self) {
        let next = self.consumption.ingest.snapshot().next;
        let end = [(0, next.next(0) + 1)].into_iter().collect();
        self.consumption.ingest.update(|status| status.end = end);
    }
}

/// A redrive, once it has ended.
fn ended(redrives: &Redrives, number: u64) -> RedriveStatus {
    let status = redrives
        .wait_for(number, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    assert!(status.ended_at.is_some(), "{status:?}");
    status
}

/// That nothing of it was published so far.
fn assert_waits(redrives: &Redrives, number: u64) {
    let early = redrives
        .wait_for(number, Duration::from_millis(300))
        .unwrap()
        .unwrap();
    assert_eq!((early.ended_at, early.sent), (None, 0));
}

#[test]
fn a_restored_store_finds_out_what_was_published_since_before_it_goes_on() {
    for asked_before in [true, false] {
        let (topic, letters, change) = with_letters(20);
        let order = order(letters.clone(), change, false);
        if asked_before {
            redrives(&topic, &CancellationToken::new()).ask(&order).unwrap();
        }
        // The store is of a moment at which none was published. Ten were since, and nobody has consumed these.
        put_back(&topic, &letters[..10]);
        topic.ends_behind_what_is_read();
        let shutdown = CancellationToken::new();
        let redrives = redrives(&topic, &shutdown);
        if !asked_before {
            redrives.ask(&order).unwrap();
        }
        let thread = redrives.spawn().unwrap();
        assert_waits(&redrives, 1);
        topic.consume();
        let done = ended(&redrives, 1);
        shutdown.cancel();
        thread.join().unwrap();
        assert_eq!((done.sent, done.skipped, done.waiting), (10, 10, 0));
        assert_eq!(topic.records.lock().unwrap().len(), 40, "each was published once");
    }
}

#[test]
fn what_was_discarded_since_the_snapshot_is_not_published() {
    let (topic, letters, change) = with_letters(2);
    topic.consumption.ops.update(|status| status.end = Some(1));
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    redrives.ask(&order(letters.clone(), change, false)).unwrap();
    let thread = redrives.spawn().unwrap();
    assert_waits(&redrives, 1);
    let named = serde_json::json!({ "topic": TOPIC, "partition": 0, "offset": letters[0].offset });
    let discard = NewDecision {
        kind: "discard",
        by: "lee".to_owned(),
        from: "test".to_owned(),
        reason: "a test".to_owned(),
        body: serde_json::json!({ "letters": [named] }),
    };
    topic.decide(discard).unwrap();
    topic.consumption.ops.update(|status| status.next = 1);
    let done = ended(&redrives, 1);
    shutdown.cancel();
    thread.join().unwrap();
    assert_eq!((done.sent, done.skipped, done.waiting), (1, 1, 0));
}

#[test]
fn a_redrive_that_waits_for_the_topics_can_be_cancelled_and_holds_up_nothing_behind_it() {
    let (topic, letters, change) = with_letters(3);
    topic.ends_behind_what_is_read();
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let number = redrives
        .ask(&order(letters.clone(), change.clone(), false))
        .unwrap()
        .number;
    let rehearsal = redrives.ask(&order(letters, change, true)).unwrap().number;
    let thread = redrives.spawn().unwrap();
    assert_waits(&redrives, number);
    let cancelled = redrives.cancel(number, "lee", None).unwrap();
    assert!(cancelled.ended_at.is_some(), "{cancelled:?}");
    assert_eq!((cancelled.sent, cancelled.left), (0, 3));
    ended(&redrives, rehearsal);
    shutdown.cancel();
    thread.join().unwrap();
}

#[test]
fn a_topic_of_decisions_that_never_was_holds_no_redrive_up() {
    let topic = Topic::new();
    topic.consume();
    topic.consumption.ops.update(|status| {
        status.end = None;
        status.missing_since = Some(Millis(1));
        status.waiting = Some("the ops topic does not exist".to_owned());
    });
    let consumption = &topic.consumption;
    assert_eq!(consumption.unread_since(0), None);
    consumption.ops.update(|status| status.next = 1);
    let why = consumption.unread_since(0).unwrap();
    assert!(why.contains("the ops topic does not exist"), "{why}");
}
