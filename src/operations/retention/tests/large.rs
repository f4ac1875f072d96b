//! A saga of many deliveries goes, lies in the archive and comes back with a part of it in memory.

use super::left::in_parts;
use super::sweeps::{DAYS, NOW, Tracker, event};
use super::*;
use crate::domain::deduplicate;
use crate::operations::objects::Objects;
use crate::pipeline::query::Deliveries;
use crate::store::counting::CountingStore;
use crate::store::until;

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
    changed_in_the_bucket(&store, &objects, runtime.handle());
    assert_eq!(differences(&store), Vec::<String>::new());
    tracker.stop();
}

/// Nothing of an object that was changed is shown, nor restored.
fn changed_in_the_bucket(store: &SharedStore, objects: &Objects, runtime: &tokio::runtime::Handle) {
    let saga = SagaId::from("hot");
    let found = archived::find(&**store, Some(objects), &saga).unwrap();
    for object in archived::list(&**store, 0, 10).unwrap() {
        let mut bytes = runtime.block_on(objects.get(&object.name)).unwrap().unwrap();
        bytes[9] ^= 1;
        runtime.block_on(objects.put(&object.name, bytes)).unwrap();
    }
    let mut visited = 0;
    let shown = found.deliveries(runtime).map(|_| ());
    let brought = found.each(runtime, &mut |_| {
        visited += 1;
        Ok::<_, RetentionError>(())
    });
    for told in [shown, brought] {
        let told = told.unwrap_err().to_string();
        assert!(told.contains("is damaged") && told.contains("BLAKE3"), "{told}");
    }
    assert_eq!(visited, 0);
}

#[test]
fn steps_from_the_archive_are_of_one_row_group_at_a_time_and_more_than_fits_is_told() {
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
    let saga = SagaId::from("hot");
    let found = archived::find(&*store, Some(&objects), &saga).unwrap();
    let steps = |limit: usize| {
        let mut steps = Vec::new();
        let mut deliveries = found.deliveries(runtime.handle()).unwrap();
        let visited = deliveries.each(&mut |event, stands| {
            if stands {
                steps.push(event.to_event(&saga));
            }
            until(steps.len() >= limit)
        });
        visited.unwrap();
        steps
    };
    let own = own(&events, &saga);
    let timeline: Vec<Event> = deduplicate(&own).timeline.into_iter().cloned().collect();
    assert!(timeline.len() < own.len());
    assert_eq!(steps(usize::MAX), timeline);
    assert_eq!(steps(5_000), timeline[..5_000]);
    let bytes: usize = own.iter().map(Event::weight).sum();
    assert_eq!(found.all(runtime.handle(), bytes).unwrap(), own);
    let told = found.all(runtime.handle(), bytes - 1);
    assert!(
        matches!(
            &told,
            Err(RetentionError::TooLarge {
                deliveries: 9_000,
                ..
            })
        ),
        "{told:?}"
    );
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
