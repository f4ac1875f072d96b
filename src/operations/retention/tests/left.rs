//! Decisions that cannot be done: they are skipped, counted and told, and what comes after them is done.

use super::*;
use crate::store::counting::CountingStore;
use proptest::prelude::*;

/// A purge of one saga that is gone when it was done.
fn good(events: &[Event]) -> (SagaId, Value) {
    let saga = sagas(events)
        .into_iter()
        .find(|saga| saga.as_str() != "later")
        .unwrap();
    let purge = purge_of(events, std::slice::from_ref(&saga));
    (saga, purge)
}

fn changed(value: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut value = value.clone();
    change(&mut value);
    value
}

/// Runs these before a good purge. What is told.
fn before_a_good_one(said: Said, mut list: Vec<(&str, Value)>) -> RetentionSnapshot {
    let events = later(&events(), 1);
    let store = store();
    project(&store, &events, &[9], 1);
    let (saga, purge) = good(&events);
    list.push((PURGE, purge));
    let mut topic = Topic::new(list);
    topic.said = Arc::new(said);
    topic.store_unchecked(&store);
    let told = topic.work(&store);
    assert!(is_gone(&store, &saga), "{told:?}");
    assert_eq!(differences(&store), Vec::<String>::new());
    // Whoever starts again knows, and does nothing twice.
    let again = topic.work(&store);
    assert_eq!(
        (&again.skipped, &again.last_skipped),
        (&told.skipped, &told.last_skipped)
    );
    told
}

fn left(told: &RetentionSnapshot, why: Skipped) -> u64 {
    told.skipped[&why]
}

fn here() -> Said {
    Said::of(TOPIC, &behind(&later(&events(), 1), Cut::default()))
}

/// Bodies that were tried, or could be, and what they would cost whoever believed them.
fn beyond_bounds() -> Vec<(&'static str, Value)> {
    let events = later(&events(), 1);
    let (saga, purge) = good(&events);
    let restore = serde_json::to_value(restore_of(&events, &saga, 0)).unwrap();
    let mut far = own(&events, &saga);
    far[0].position.partition = u32::MAX;
    let far = restore_of(&far, &saga, 0);
    let object = |size: u64, name: &str| {
        let object = json!({"name": name, "size": size, "hash": hex(&[7; 32])});
        changed(&purge, |purge| purge["object"] = object)
    };
    vec![
        (
            PURGE,
            changed(&purge, |purge| purge["cut"] = json!({"4294967295": 5})),
        ),
        (
            PURGE,
            changed(&purge, |purge| purge["cut"]["0"] = json!(u64::MAX)),
        ),
        (PURGE, changed(&purge, |purge| purge["cut"]["0"] = json!(-1))),
        (PURGE, object(1 << 45, "archive/x.parquet")),
        (PURGE, object(10, "../outside.parquet")),
        (PURGE, object(10, "archive/../snapshots/latest.json")),
        (PURGE, changed(&purge, |purge| purge["days"] = json!(u64::MAX))),
        (
            PURGE,
            changed(&purge, |purge| purge["seen"]["0"]["offset"] = json!(u64::MAX)),
        ),
        (
            PURGE,
            changed(&purge, |purge| {
                let sagas = purge["sagas"].as_array_mut().unwrap();
                sagas.push(sagas[0].clone());
            }),
        ),
        (
            PURGE,
            changed(&purge, |purge| purge["sagas"][0]["id"] = json!("x".repeat(300))),
        ),
        (
            PURGE,
            changed(&purge, |purge| purge["sagas"][0]["events"] = json!(1u64 << 40)),
        ),
        (
            PURGE,
            changed(&purge, |purge| purge["sagas"][0]["hash"] = json!("é".repeat(32))),
        ),
        (
            PURGE,
            changed(&purge, |purge| _ = purge.as_object_mut().unwrap().remove("topic")),
        ),
        (
            RESTORE,
            changed(&restore, |restore| restore["parts"] = json!([7, 7])),
        ),
        (
            RESTORE,
            changed(&restore, |restore| restore["data"] = json!("A".repeat(3 << 20))),
        ),
        // As it was tried: the deliveries in the decision itself, one of a partition that no topic has.
        (
            RESTORE,
            json!({"saga": saga.as_str(), "purge": 0, "events": [{"partition": u32::MAX}]}),
        ),
        (RESTORE, serde_json::to_value(far).unwrap()),
    ]
}

#[test]
fn what_is_beyond_bounds_is_refused_when_it_is_read() {
    let store = store();
    let topic = Topic::new(beyond_bounds());
    let all = topic.decisions.len();
    let verdicts = topic.read_into(&store);
    let refused = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Verdict::Refused(_)));
    // What the deliveries are shows when they are put together.
    assert_eq!(refused.count(), all - 1, "{verdicts:?}");
    assert_eq!(archived::list(&*store, 0, 100).unwrap(), []);
}

#[test]
fn what_is_beyond_bounds_and_was_stored_all_the_same_is_left_at_every_start() {
    let bodies = beyond_bounds();
    let all = bodies.len() as u64;
    let told = before_a_good_one(here(), bodies);
    // Two bring back what nobody removed: nobody looks at what they carry.
    assert_eq!(left(&told, Skipped::Malformed), all - 2, "{told:?}");
}

#[test]
fn a_restore_of_other_deliveries_or_of_a_partition_that_no_topic_has_is_left() {
    let events = later(&events(), 1);
    let (saga, purge) = good(&events);
    let mut far = own(&events, &saga);
    far[0].position.partition = u32::MAX;
    let mut other = own(&events, &saga);
    other[0].order_id = "another".into();
    let store = store();
    project(&store, &events, &[9], 1);
    let as_json = |events: &[Event]| serde_json::to_value(restore_of(events, &saga, 0)).unwrap();
    let topic = Topic::new(vec![
        (PURGE, purge),
        (RESTORE, as_json(&far)),
        (RESTORE, as_json(&other)),
    ]);
    topic.read_into(&store);
    let told = topic.work(&store);
    assert_eq!(
        (left(&told, Skipped::Malformed), left(&told, Skipped::Differs)),
        (1, 1)
    );
    assert!(is_gone(&store, &saga));
}

/// A restore in pieces of so many bytes: the messages before the decision, and the decision.
pub(super) fn in_parts(events: &[Event], saga: &SagaId, bytes: usize) -> (Vec<Value>, RestoreBody) {
    let mut own = own(events, saga);
    own.sort_by_key(Event::timeline_key);
    let mut pieces = parts::cut(&own, bytes).unwrap();
    let data = pieces.pop().unwrap();
    let part = |data: String| json!({"saga": saga.as_str(), "purge": 0, "data": data});
    let body = RestoreBody {
        data,
        ..restore_of(events, saga, 0)
    };
    (pieces.into_iter().map(part).collect(), body)
}

#[test]
fn a_saga_comes_back_in_as_many_messages_as_it_takes_and_not_before_the_last_or_with_others() {
    let events = later(&events(), 1);
    let (saga, purge) = good(&events);
    let (pieces, body) = in_parts(&events, &saga, 100);
    assert!(pieces.len() > 10, "{}", pieces.len());
    let untouched = store();
    project(&untouched, &events, &[9], 1);
    // Parts of a restore that nobody ended, then those of one that was, one of them twice.
    let mut list = vec![(PURGE, purge)];
    list.extend(pieces[..3].iter().map(|piece| (RESTORE_PART, piece.clone())));
    let first = list.len() as u64;
    list.extend(pieces.iter().map(|piece| (RESTORE_PART, piece.clone())));
    list.push((RESTORE_PART, pieces[1].clone()));
    let parts: Vec<u64> = (first..first + pieces.len() as u64).collect();
    let last = list.len();
    let ends = [
        (
            false,
            RestoreBody {
                parts: parts[1..].to_vec(),
                ..body.clone()
            },
        ),
        (
            false,
            RestoreBody {
                parts: (0..first).collect(),
                ..body.clone()
            },
        ),
        (
            false,
            RestoreBody {
                events: body.events + 1,
                parts: parts.clone(),
                ..body.clone()
            },
        ),
        (
            false,
            RestoreBody {
                parts: parts.clone(),
                data: String::new(),
                ..body.clone()
            },
        ),
        (true, RestoreBody { parts, ..body }),
    ];
    for (comes, end) in ends {
        let store = store();
        project(&store, &events, &[9], 1);
        list.truncate(last);
        Topic::new(list.clone()).read_into(&store);
        Topic::new(list.clone()).work(&store);
        assert!(is_gone(&store, &saga), "nothing happens before the decision");
        list.push((RESTORE, serde_json::to_value(&end).unwrap()));
        let topic = Topic::new(list.clone());
        topic.read_into(&store);
        let told = topic.work(&store);
        assert_eq!(is_gone(&store, &saga), !comes, "{told:?}");
        assert_eq!(differences(&store), Vec::<String>::new());
        if comes {
            let tables = |store: &SharedStore| {
                let mut tables = digest(store, TOPIC).unwrap().tables;
                tables.retain(|table, _| !["purged", "archived", "decisions"].contains(&table.as_str()));
                tables
            };
            assert_eq!(tables(&store), tables(&untouched));
        }
    }
}

#[test]
fn a_cut_that_is_never_reached_holds_nothing_up_and_is_told() {
    let (_, purge) = good(&later(&events(), 1));
    let far = changed(&purge, |purge| purge["cut"]["0"] = json!(1_000_000));
    let nowhere = changed(&purge, |purge| purge["cut"]["9"] = json!(3));
    let told = before_a_good_one(here(), vec![(PURGE, far), (PURGE, nowhere)]);
    assert_eq!(left(&told, Skipped::Unreachable), 2);
    let last = told.last_skipped.unwrap();
    assert!(last.contains("has no partition 9"), "{last}");
}

#[test]
fn a_partition_of_which_everything_expired_holds_nothing_up() {
    let events = later(&events(), 1);
    let (saga, purge) = good(&events);
    let purge = changed(&purge, |purge| purge["cut"]["3"] = json!(50));
    let store = store();
    project(&store, &events, &[9], 1);
    let topic = Topic::new(vec![(PURGE, purge)]).beside(&events);
    topic.said.set(TOPIC, 3, 50, 50);
    topic.read_into(&store);
    let told = topic.work(&store);
    assert_eq!(
        (told.purged, told.skipped.values().sum::<u64>()),
        (1, 0),
        "{told:?}"
    );
    assert!(is_gone(&store, &saga));
}

#[test]
fn while_nobody_says_where_the_topic_ends_or_it_may_be_another_one_a_decision_waits() {
    let events = later(&events(), 1);
    let store = store();
    project(&store, &events, &[9], 1);
    let definitions = Arc::new(SagaDefinitions::default());
    let (handle, projecting) =
        projector::spawn(store, TOPIC, definitions, ProjectorSettings::default()).unwrap();
    let said = Arc::new(Said::default());
    let (ops, status) = (Arc::new(OpsStatus::default()), Arc::default());
    ops.update(|status| status.next = 1);
    let edge = edge(&said, &handle, &ops, &status);
    let here = behind(&events, Cut::default());
    let mut far = here.clone();
    far.set(0, here.next(0) + 7);
    assert_eq!(edge.reach(0, &here), Reach::Here);
    assert_eq!(edge.reach(0, &far), Reach::Ahead);
    // It ends before what was read of it: somebody made it anew, and consumption will say so.
    for (partition, _) in here.iter() {
        said.set(TOPIC, partition, 0, 1);
    }
    assert_eq!(edge.reach(0, &far), Reach::Ahead);
    for (partition, end) in here.iter() {
        said.set(TOPIC, partition, 0, end);
    }
    let anew = || super::edge(&said, &handle, &ops, &status);
    assert!(matches!(anew().reach(0, &far), Reach::Never(_)));
    // The answer is older than this decision: when it was made there may have been more.
    assert_eq!(anew().reach(1, &far), Reach::Ahead);
    said.set(TOPIC, 0, 0, here.next(0) + 7);
    assert_eq!(anew().reach(0, &far), Reach::Ahead);
    // What lies up to its end are markers of transactions: nothing will move this replica on.
    said.markers.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(anew().reach(0, &far), Reach::Here);
    drop((edge, handle));
    projecting.join().unwrap();
}

#[test]
fn a_decision_about_another_topic_is_left_by_name_and_by_what_it_has_seen() {
    let (_, purge) = good(&later(&events(), 1));
    let elsewhere = changed(&purge, |purge| purge["seen"]["0"]["mark"] = json!(hex(&[1; 8])));
    let told = before_a_good_one(here(), vec![(PURGE, elsewhere)]);
    assert_eq!(left(&told, Skipped::Elsewhere), 1);
    let named = changed(&purge, |purge| purge["topic"] = json!("another"));
    let store = store();
    let verdict = Topic::new(vec![(PURGE, named)]).read_into(&store).remove(0);
    assert!(
        matches!(&verdict, Verdict::Refused(why) if why.contains("another")),
        "{verdict:?}"
    );
}

#[test]
fn a_saga_that_is_not_due_by_what_the_decision_has_seen_stays_on_every_replica() {
    let events = later(&events(), 1);
    let ids = [good(&events).0];
    let body = |days: u64, quiet_hours: u64| {
        let body = PurgeBody {
            days,
            quiet_hours,
            ..purge_body(&events, &ids[..1])
        };
        serde_json::to_value(body).unwrap()
    };
    // Two and a half days lie between the last events and what was seen.
    for (days, quiet_hours, goes) in [(90, 0, false), (0, 48, false), (1, 12, true)] {
        for read_on in [false, true] {
            let store = store();
            project(&store, &events, &[9], 1);
            let topic = Topic::new(vec![(PURGE, body(days, quiet_hours))]);
            topic.read_into(&store);
            if read_on {
                // A replica that has read half a year more comes to the same.
                let more = later(&events, 180);
                project(&store, &more[events.len()..], &[1], 1);
            }
            let told = topic.work(&store);
            assert_eq!(is_gone(&store, &ids[0]), goes, "{days} days, {quiet_hours} hours");
            assert_eq!(told.not_due, u64::from(!goes));
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        Just(json!(u32::MAX)),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[0-9]{1,10}|[a-z]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The paths of all parts of a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(name, part)| {
            places(part, &format!("{at}/{name}"), found);
        }),
        Value::Array(list) => list.iter().enumerate().for_each(|(number, part)| {
            places(part, &format!("{at}/{number}"), found);
        }),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// One part of a good decision is replaced by anything: it is refused or left or done, the worker
    /// lives, and the store is whole.
    #[test]
    fn whatever_a_decision_says_the_worker_lives(
        which in 0usize..3, place in any::<prop::sample::Index>(), put in any_json(),
    ) {
        let events = later(&events(), 1);
        let (saga, purge) = good(&events);
        let restore = serde_json::to_value(restore_of(&events, &saga, 0)).unwrap();
        let part = json!({"saga": saga.as_str(), "purge": 0, "data": ""});
        let (kind, body) = [(PURGE, purge.clone()), (RESTORE, restore), (RESTORE_PART, part)][which].clone();
        let mut all = Vec::new();
        places(&body, "", &mut all);
        let place = &all[place.index(all.len())];
        let strange = changed(&body, |body| *body.pointer_mut(place).unwrap() = put);
        let store = store();
        project(&store, &events, &[50], 1);
        let topic = Topic::new(vec![(PURGE, purge), (kind, strange)]).beside(&events);
        topic.read_into(&store);
        topic.work(&store);
        prop_assert_eq!(differences(&store), Vec::<String>::new());
    }
}

/// A decision is done in several writes. The first of them may take away the delivery by whose time the rest
/// is due, and then the process may end.
#[test]
fn a_decision_that_was_done_by_half_is_done_by_the_same_time() {
    let before = events();
    let (only, ids) = (later(&before, 1), sagas(&before));
    // What was seen last is of the sagas themselves.
    let purge = purge_of(&before, &ids);
    let topic = Topic::new(vec![(PURGE, purge.clone())]);
    let (whole, half) = (store(), store());
    for store in [&whole, &half] {
        project(store, &only, &[9], 1);
        topic.store_unchecked(store);
    }
    topic.work(&whole);
    assert!(ids.iter().all(|saga| is_gone(&whole, saga)));
    // Up to the first write, which held the saga of what was seen last.
    let last = before.iter().max_by_key(|event| event.position).unwrap();
    let first = changed(&purge, |purge| {
        let all = purge["sagas"].as_array().unwrap().clone();
        let one = all.into_iter().filter(|one| one["id"] == last.saga_id.as_str());
        purge["sagas"] = one.collect();
    });
    let by_half = Topic::new(vec![(PURGE, first)]);
    by_half.store_unchecked(&half);
    by_half.work(&half);
    assert!(is_gone(&half, &last.saga_id));
    topic.store_unchecked(&half);
    let mut batch = Batch::new();
    crate::store::reads::put_meta(&mut batch, crate::store::totals::RETENTION_CURSOR, "0");
    half.write(&batch, Durability::Process).unwrap();
    let told = topic.work(&half);
    assert_eq!(told.not_due, 0);
    assert_eq!(
        digest(&half, TOPIC).unwrap().tables,
        digest(&whole, TOPIC).unwrap().tables
    );
}

#[test]
fn a_decision_that_is_left_is_counted_on_disk_before_anybody_is_told() {
    let events = later(&events(), 1);
    let counting = Arc::new(CountingStore::new(store()));
    let store: SharedStore = counting.clone();
    project(&store, &events, &[9], 1);
    let (_, purge) = good(&events);
    let mut topic = Topic::new(vec![(PURGE, json!({"sagas": "all"})), (PURGE, purge)]).beside(&events);
    topic.letters = Duration::ZERO;
    topic.store_unchecked(&store);
    let (_, before) = counting.writes();
    let told = topic.work(&store);
    assert_eq!(left(&told, Skipped::Malformed), 1);
    // Of the one that was done nothing has to survive a power failure: it is done again.
    assert_eq!(counting.writes().1 - before, 1);
}
