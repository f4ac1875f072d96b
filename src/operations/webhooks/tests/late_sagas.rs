//! Who is late is told of once, and only who is.

use super::*;

#[test]
fn a_saga_that_is_late_is_told_of_once_and_again_when_it_is_late_again() {
    let world = World::new();
    let events = [event_at("a", 0, "ORDER_CREATED", InProgress)];
    world.project(&events);
    world.round();
    assert_eq!(world.told(), []);
    world.wait(24 * HOUR);
    let stuck = [(NoticeEvent::SagaStuck, "a".to_owned())];
    world.round();
    assert_eq!(world.told(), stuck);
    world.round();
    assert_eq!(world.told(), [], "after a restart too");
    let mut ended = event_at("a", 1, "PAYMENT_FAILED", Failed);
    ended.recorded_at = Millis(DAY + 25 * HOUR);
    world.project(&[ended]);
    world.round();
    assert_eq!(world.told(), [failed("a")]);
    world.wait(24 * HOUR);
    world.round();
    assert_eq!(world.told(), [(NoticeEvent::CompensationOverdue, "a".to_owned())]);
}

fn stuck(saga: &str) -> (NoticeEvent, String) {
    (NoticeEvent::SagaStuck, saga.to_owned())
}

#[test]
fn a_saga_whose_end_is_only_not_read_yet_is_not_late() {
    let world = World::new();
    world.round();
    let events = [
        event_at("a", 0, "ORDER_CREATED", Started),
        event_at("a", 1, "ORDER_CONFIRMED", Completed),
    ];
    testkit::append(&world.store, &events);
    world.fold(&events[..1]);
    world.ingest.update(|status| {
        status.next.set(0, 2);
        status.end.set(0, 2);
        status.projected = Some(testkit::behind(&events[..1], Cut::default()));
    });
    world.wait(2 * HOUR);
    world.round();
    assert_eq!(world.told(), [], "answers do not show all");
    world.fold(&events[1..]);
    world.ingest.update(|status| status.projected = None);
    world.round();
    assert_eq!(world.told(), []);
}

#[test]
fn nobody_is_told_who_is_late_before_the_broker_says_where_the_topic_ends() {
    let world = World::new();
    world.round();
    world.project(&[event_at("a", 0, "ORDER_CREATED", Started)]);
    world.wait(2 * HOUR);
    let webhooks = world.webhooks();
    let receiver = Receiver(|notice: &Notice| {
        world.take(notice);
        Ok(())
    });
    let mut sender = Sender::new(webhooks, Webhook::of("https://hook.example/"), receiver);
    sender.round().unwrap();
    sender.round().unwrap();
    assert_eq!(world.told(), [], "what the broker said before is no proof");
    world.answer();
    sender.round().unwrap();
    assert_eq!(world.told(), [stuck("a")]);
}

#[test]
fn a_saga_that_is_late_again_since_the_same_millisecond_is_told_of_under_another_id() {
    let mut world = World::new();
    world.settings.events = "saga.compensation_overdue".to_owned();
    world.round();
    let mut events = [
        event_at("a", 0, "ORDER_CREATED", InProgress),
        event_at("a", 1, "PAYMENT_FAILED", Failed),
        event_at("a", 2, "REFUND", Compensated),
        event_at("a", 3, "STOCK_RESERVATION_FAILED", Failed),
    ];
    events[1..]
        .iter_mut()
        .for_each(|event| event.recorded_at = Millis(DAY + 1));
    world.project(&events[..2]);
    world.wait(2 * HOUR);
    world.round();
    let first = world.ids();
    world.project(&events[2..3]);
    world.round();
    assert_eq!(world.ids(), [""; 0]);
    world.project(&events[3..]);
    world.round();
    let again = world.ids();
    assert_eq!((first.len(), again.len()), (1, 1));
    assert_ne!(first, again);
}

#[test]
fn a_saga_that_began_earlier_than_it_seemed_is_not_late_twice() {
    let world = World::new();
    world.round();
    world.project(&[event_at("a", 0, "ORDER_CREATED", Started)]);
    world.wait(2 * HOUR);
    world.round();
    assert_eq!(world.told(), [stuck("a")]);
    let mut earlier = event_at("a", 1, "ORDER_CREATED", Started);
    earlier.recorded_at = Millis(DAY - 1);
    world.project(&[earlier]);
    world.round();
    assert_eq!(world.told(), []);
}

#[test]
fn what_an_earlier_build_told_of_late_sagas_is_not_told_again() {
    let world = World::new();
    world.round();
    world.project(&[event_at("a", 0, "ORDER_CREATED", Started)]);
    world.wait(2 * HOUR);
    let (mut batch, mut key) = (Batch::new(), Key::default());
    let target = Webhook::of("https://hook.example/").key;
    keys::notice_told(&mut key, &target, NoticeEvent::SagaStuck.tag(), "a");
    let value = DAY + HOUR / 2;
    batch.put_with(Table::Notices, &key, |bytes| TotalRecord { value }.write(bytes));
    world.store.write(&batch, Durability::Process).unwrap();
    world.round();
    assert_eq!(world.told(), []);
}

#[test]
fn a_clock_that_goes_back_is_no_recovery() {
    let world = World::new();
    world.round();
    world.project(&[event_at("a", 0, "ORDER_CREATED", Started)]);
    for millis in [2 * HOUR, -2 * HOUR, 2 * HOUR] {
        world.wait(millis);
        world.round();
    }
    assert_eq!(world.told(), [stuck("a")]);
}

/// Sagas that start one behind the other.
fn starting(from: u64, sagas: u64) -> Vec<Event> {
    let start = |n| event_at(&format!("s{n:03}"), n, "ORDER_CREATED", Started);
    (from..from + sagas).map(start).collect()
}

#[test]
fn of_more_late_sagas_than_are_looked_at_the_new_ones_are_told_and_none_twice() {
    const MANY: u64 = 12;
    assert_eq!(late::MAX_LATE as u64, MANY);
    let world = World::new();
    world.round();
    let mut all = Vec::new();
    // Together they are three times as many as are looked at.
    for batch in 0..6 {
        let events = starting(batch * MANY / 2, MANY / 2);
        all.extend(events.iter().map(|event| stuck(event.saga_id.as_str())));
        world.project(&events);
        world.wait(HOUR);
        world.round();
    }
    assert_eq!(world.told(), all);
    // Those that became late last end, so that the first ones are looked at once more.
    let end = |(n, (_, saga)): (u64, &(NoticeEvent, String))| event_at(saga, n, "ORDER_CONFIRMED", Completed);
    let ends: Vec<Event> = (36..).zip(&all[6..]).map(end).collect();
    world.project(&ends);
    world.round();
    assert_eq!(world.told(), []);
    let rows = cursors_of(&world).late(NoticeEvent::SagaStuck).unwrap();
    assert_eq!(rows.len(), 6, "who is late no more is forgotten: {rows:?}");
}

fn cursors_of(world: &World) -> cursors::Cursors {
    cursors::Cursors {
        store: world.store.clone(),
        target: Webhook::of("https://hook.example/").key,
    }
}

#[test]
fn what_is_seen_to_be_late_only_now_is_told_however_long_it_is() {
    let world = World::new();
    world.round();
    let mut event = event_at("a", 0, "ORDER_CREATED", Started);
    event.recorded_at = Millis(DAY - 100 * HOUR);
    world.project(&[event]);
    world.round();
    assert_eq!(world.told(), [stuck("a")]);
}

#[test]
fn what_nobody_was_there_to_take_for_too_long_is_given_up() {
    let world = World::new();
    world.round();
    world.project(&[event_at("a", 0, "ORDER_CREATED", Started)]);
    world.wait(HOUR);
    let webhooks = world.webhooks();
    let away = Receiver(|_: &Notice| Err(SendError::Away("no route".to_owned())));
    assert!(world.sender(&webhooks, away).round().is_err(), "nobody is there");
    world.wait(73 * HOUR);
    for _ in 0..2 {
        world.round();
    }
    assert_eq!(world.told(), []);
    assert_eq!(world.count(NoticeEvent::SagaStuck, NoticeResult::Expired), 1);
}
