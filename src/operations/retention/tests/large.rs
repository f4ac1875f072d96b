//! A saga of many deliveries goes, lies in the archive and comes back with a part of it in memory.

use super::left::in_parts;
use super::sweeps::{DAYS, NOW, Tracker, event};
use super::*;
use crate::operations::objects::Objects;
use crate::store::counting::CountingStore;

/// So many deliveries of one saga that was over 91 days ago, every ninth of them one that was there
/// before; two other sagas around it, and something of today.
fn hot(deliveries: u64) -> Vec<Event> {
    let at = NOW - 91 * DAYS - 1_000_000;
    let one = |offset, saga: &str, at| event(offset, saga, "ORDER_CONFIRMED", SagaStatus::Completed, at);
    let mut events = vec![one(0, "before", at), one(1, "z-behind", at)];
    events.extend((0..deliveries).map(|number| {
        let mut delivery = one(2 + number, "hot", at + i64::try_from(number).unwrap());
        if number % 9 == 5 {
            delivery.event_id = "event-4".into();
        }
        delivery.metadata = Some(format!("{{\"number\":{number}}}").into());
        delivery
    }));
    events.push(event(
        2 + deliveries,
        "today",
        "ORDER_CREATED",
        SagaStatus::Started,
        NOW,
    ));
    events
}

#[test]
fn what_a_search_archives_is_what_went_however_large_the_saga_is() {
    let events = hot(9_000);
    let store = store();
    project(&store, &events, &[512], 1);
    let said = Arc::new(Said::of(TOPIC, &behind(&events, Cut::default())));
    let (objects, runtime) = (
        Objects::in_memory(),
        tokio::runtime::Builder::new_current_thread().build().unwrap(),
    );
    let mut tracker = Tracker::over(&store, &said);
    tracker.objects = Some(objects.clone());
    assert_eq!(tracker.sweep(NOW).unwrap().decided, 3);
    for saga in ["before", "hot", "z-behind"].map(SagaId::from) {
        assert!(is_gone(&store, &saga), "{saga}");
        let found = archived::find(&*store, Some(&objects), &saga).unwrap();
        let groups = found.purged.row_groups.unwrap();
        assert_eq!(
            groups.count,
            if saga.as_str() == "hot" { 3 } else { 1 },
            "{groups:?}"
        );
        let mut back = Vec::new();
        let read = found.each(runtime.handle(), &mut |event| {
            back.push(event);
            Ok::<_, RetentionError>(())
        });
        read.unwrap();
        assert_eq!(back, own(&events, &saga));
    }
    assert_eq!(differences(&store), Vec::<String>::new());
    tracker.stop();
}

#[test]
fn a_large_saga_goes_and_comes_back_in_small_writes() {
    let events = hot(600);
    let saga = SagaId::from("hot");
    let (pieces, mut body) = in_parts(&events, &saga, 2_000);
    body.parts = (1..=pieces.len() as u64).collect();
    let mut list = vec![(PURGE, purge_of(&events, std::slice::from_ref(&saga)))];
    list.extend(pieces.into_iter().map(|piece| (RESTORE_PART, piece)));
    list.push((RESTORE, serde_json::to_value(body).unwrap()));
    let counting = Arc::new(CountingStore::new(store()));
    let store: SharedStore = counting.clone();
    project(&store, &events, &[9], 1);
    let topic = Topic::new(list).beside(&events);
    topic.read_into(&store);
    counting.forget();
    topic.work(&store);
    let record = purged::purged(&*store, &saga).unwrap().unwrap();
    assert!(record.restored.is_some(), "it went, and is back");
    assert!(
        counting.largest_write() < 120,
        "{} rows",
        counting.largest_write()
    );
    assert_eq!(differences(&store), Vec::<String>::new());
}
