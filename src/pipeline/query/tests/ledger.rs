//! The ledger over random traffic: every offset in the class that a naive look gives it, through purges, restores and
//! rebuilds.

use super::*;
use crate::domain::{Cut, EventKey, Position, evidence};
use crate::pipeline::projector::{Projector, Purge, PurgeOutcome, PurgeSaga, Restore, RestoreOutcome};
use crate::store::codec::Record;
use crate::store::records::{FeedRecord, GapKind, GapRecord, OffsetClass, OffsetRecord};
use crate::store::{Batch, Durability, Key, Table, keys, reads};
use crate::testkit::{TOPIC, append, behind, differences, rebuild, settings};
use std::ops::ControlFlow;

const ALL_DAYS: std::ops::RangeInclusive<i64> = 0..=100_000;

fn ledger(store: &SharedStore) -> Ledger {
    let query = Query::new(store.clone(), Arc::default()).of_topic(TOPIC);
    let request = LedgerRequest {
        partition: None,
        days: Some(ALL_DAYS),
    };
    query.ledger(&request).unwrap()
}

/// By partition and day: applied, duplicate, operator, purged.
type Classes = BTreeMap<(u32, i64), [u64; 4]>;

fn answered(ledger: &Ledger) -> Classes {
    let mut classes = Classes::new();
    for partition in &ledger.partitions {
        let mut whole = [0; 4];
        for (day, offsets) in &partition.days {
            let of = [
                offsets.applied,
                offsets.duplicate,
                offsets.operator,
                offsets.purged,
            ];
            assert_eq!(offsets.sum(), of.iter().sum::<u64>(), "{offsets:?}");
            whole.iter_mut().zip(of).for_each(|(sum, by)| *sum += by);
            classes.insert((partition.partition, *day), of);
        }
        let all = &partition.offsets;
        assert_eq!([all.applied, all.duplicate, all.operator, all.purged], whole);
        assert_eq!(all.sum(), partition.next - partition.start);
        assert!(partition.is_complete());
    }
    classes
}

/// All offsets, a few at a time.
fn offsets(store: &SharedStore, limit: usize) -> Vec<LedgerOffset> {
    let query = Query::new(store.clone(), Arc::default()).of_topic(TOPIC);
    let (mut found, mut from) = (Vec::new(), Some(Position::new(0, 0)));
    while let Some(next) = from {
        let partition = None;
        let request = OffsetsRequest {
            partition,
            from: next,
            limit,
        };
        let page = query.ledger_offsets(&request).unwrap();
        assert!(page.offsets.len() <= limit);
        from = page.next;
        found.extend(page.offsets);
    }
    found
}

/// Each offset was looked at by itself: none is left out, and in each class there are as many as the sums say.
fn assert_agrees(ledger: &Ledger, offsets: Vec<LedgerOffset>) {
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    let mut counts: BTreeMap<(u32, &str), u64> = BTreeMap::new();
    for entry in offsets {
        let partition = entry.position.partition;
        let expected = next.entry(partition).or_insert(0);
        assert_eq!(entry.position.offset, *expected);
        *expected = entry.next().offset;
        *counts.entry((partition, entry.class_name())).or_default() += entry.count;
    }
    for partition in &ledger.partitions {
        assert_eq!(
            next.get(&partition.partition).copied().unwrap_or(0),
            partition.next
        );
        for (label, sum) in partition.offsets.by_label() {
            let found = counts.get(&(partition.partition, label)).copied().unwrap_or(0);
            assert_eq!(found, sum, "{label} of {}", partition.partition);
        }
    }
}

/// What the ledger answers, which its offsets must agree with.
fn checked(store: &SharedStore) -> Classes {
    let ledger = ledger(store);
    assert_agrees(&ledger, offsets(store, 7));
    answered(&ledger)
}

/// The same by looking at every delivery: of those of an event the lowest position stands.
fn wanted(events: &[Event], gone: &dyn Fn(&SagaId) -> bool) -> Classes {
    let mut standing: BTreeMap<(&SagaId, String), Position> = BTreeMap::new();
    let name = |event: &Event| match event.key() {
        EventKey::Id(id) => id.to_owned(),
        EventKey::Content(..) => {
            format!("{} {} {}", event.step.as_str(), event.status, event.recorded_at.0)
        }
    };
    for event in events {
        let lowest = standing
            .entry((&event.saga_id, name(event)))
            .or_insert(event.position);
        *lowest = event.position.min(*lowest);
    }
    let mut classes = Classes::new();
    for event in events {
        let stands = standing[&(&event.saga_id, name(event))] == event.position;
        let class = match (gone(&event.saga_id), stands) {
            (true, _) => 3,
            (false, false) => 1,
            (false, true) => usize::from(event.step.as_str() == "OPERATOR_STATUS_CHANGE") * 2,
        };
        let day = event.arrived_at.0.div_euclid(86_400_000);
        classes.entry((event.position.partition, day)).or_default()[class] += 1;
    }
    classes
}

/// Some events are operators'.
fn with_operators(mut events: Vec<Event>) -> Vec<Event> {
    for event in events.iter_mut().filter(|event| event.recorded_at.0 % 5 == 0) {
        event.step = "OPERATOR_STATUS_CHANGE".into();
    }
    events
}

pub(super) fn open(store: &SharedStore) -> Projector {
    let generation = reads::active_generation(&**store).unwrap();
    Projector::open(store.clone(), generation, Arc::default(), &settings(1)).unwrap()
}

/// Purges a saga by a decision that was made under these definitions.
pub(super) fn purge(projector: &mut Projector, of: (&SagaId, Arc<SagaDefinitions>), events: &[Event]) {
    start_to_purge(projector, of, events);
    while projector.remove_more().unwrap() {}
}

/// The same; of a large saga the rows are still in the log.
pub(super) fn start_to_purge(
    projector: &mut Projector,
    (saga, definitions): (&SagaId, Arc<SagaDefinitions>),
    events: &[Event],
) {
    let mut own: Vec<Event> = events
        .iter()
        .filter(|event| event.saga_id == *saga)
        .cloned()
        .collect();
    own.sort_by_key(Event::timeline_key);
    let purge = Purge {
        decision: 3,
        at: Millis(DAY),
        rule: "test".into(),
        extent: behind(events, Cut::default()).into(),
        definitions,
    };
    let entry = PurgeSaga {
        saga: saga.clone(),
        events: u32::try_from(own.len()).unwrap(),
        hash: evidence(&own),
        row_groups: None,
    };
    let outcome = projector.purge(&purge, &[entry], &|_, _| false).unwrap();
    assert_eq!(outcome, [PurgeOutcome::Purged]);
}

pub(super) fn bring_back(projector: &mut Projector, saga: &SagaId, events: &[Event]) {
    let mut own: Vec<Event> = events
        .iter()
        .filter(|event| event.saga_id == *saga)
        .cloned()
        .collect();
    own.sort_by_key(Event::timeline_key);
    let restore = Restore {
        decision: 4,
        at: Millis(DAY),
        saga: saga.clone(),
    };
    let outcome = projector.restore(&restore, &own).unwrap();
    assert_eq!(outcome, RestoreOutcome::Restored);
    while projector.remove_more().unwrap() {}
}

pub(super) fn advance(store: &SharedStore, projector: &mut Projector, events: &[Event]) {
    append(store, events);
    let after = behind(events, projector.cursor().clone());
    projector.advance(events, &after).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_offset_is_in_the_class_that_a_naive_look_gives_it(
        events in traffic(60),
        windows in proptest::collection::vec(1usize..9, 1..6),
    ) {
        let (events, store) = (with_operators(events), store());
        project(&store, &events, &windows, 2);
        prop_assert_eq!(checked(&store), wanted(&events, &|_| false));
        rebuild(&store);
        prop_assert_eq!(checked(&store), wanted(&events, &|_| false));
    }

    #[test]
    fn a_purge_moves_all_of_a_saga_and_what_comes_late_and_a_restore_brings_it_back(
        events in traffic(60),
        at in 0usize..60,
        number in 0usize..60,
    ) {
        let (events, store) = (with_operators(events), store());
        let (before, after) = events.split_at(at.clamp(1, events.len()));
        let saga = &before[number % before.len()].saga_id;
        let mut projector = open(&store);
        advance(&store, &mut projector, before);
        purge(&mut projector, (saga, Arc::default()), before);
        prop_assert_eq!(checked(&store), wanted(before, &|id| id == saga));
        advance(&store, &mut projector, after);
        prop_assert_eq!(checked(&store), wanted(&events, &|id| id == saga));
        let copy = differences(&store);
        prop_assert_eq!(copy, Vec::<String>::new());
        rebuild(&store);
        prop_assert_eq!(checked(&store), wanted(&events, &|id| id == saga));
        let mut projector = open(&store);
        bring_back(&mut projector, saga, before);
        prop_assert_eq!(checked(&store), wanted(&events, &|_| false));
        prop_assert_eq!(differences(&store), Vec::<String>::new());
    }
}

#[test]
fn what_is_not_folded_yet_is_pending() {
    let (store, events) = (store(), [crate::testkit::event()]);
    append(&store, &events);
    assert_agrees(&ledger(&store), offsets(&store, 7));
    let offsets = ledger(&store).partitions[0].offsets;
    assert_eq!((offsets.pending, offsets.applied, offsets.sum()), (1, 0, 1));
    assert_eq!(ledger(&store).cursor, Cut::default());
}

#[test]
fn a_saga_names_its_offsets_page_by_page() {
    let first = crate::testkit::event();
    let again = Event {
        position: Position::new(1, 4),
        ..first.clone()
    };
    let by_operator = Event {
        position: Position::new(0, 1),
        recorded_at: Millis(DAY + 1),
        event_id: "other".into(),
        step: "OPERATOR_STATUS_CHANGE".into(),
        ..first.clone()
    };
    let store = store();
    project(&store, &[first, again, by_operator], &[3], 1);
    let query = Query::new(store, Arc::default());
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let mut page = Vec::new();
        let visit = |offset: SagaOffset| {
            page.push(offset);
            ControlFlow::Break(())
        };
        assert!(query.saga_offsets(&"s".into(), after, visit).unwrap());
        let Some(offset) = page.first() else { break };
        after = Some(offset.place);
        found.push((offset.place.position.to_string(), offset.class.as_str()));
    }
    let wanted = [("0@0", "applied"), ("1@4", "duplicate"), ("0@1", "operator")];
    assert_eq!(found, wanted.map(|(at, class)| (at.to_owned(), class)));
    let known = query.saga_offsets(&"nobody".into(), None, |_| ControlFlow::Continue(()));
    assert!(!known.unwrap());
}

/// Feed entries of one partition, and how far it is accounted for.
fn put_feed(store: &SharedStore, entries: &[(u64, FeedRecord<'_>)], next: u64) {
    let (mut batch, mut key) = (Batch::new(), Key::default());
    for (offset, entry) in entries {
        keys::by_offset(&mut key, Position::new(2, *offset));
        batch.put_with(Table::Feed, &key, |bytes| entry.write(bytes));
    }
    keys::offsets(&mut key, TOPIC, 2);
    let row = OffsetRecord {
        start: 10,
        next,
        ..OffsetRecord::default()
    };
    batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
    let expired = GapRecord {
        next: 200_000,
        kind: GapKind::Expired as u8,
        broker_low: 200_000,
        arrived_at: DAY,
    };
    keys::gap(&mut key, Position::new(2, 14));
    batch.put_with(Table::Gaps, &key, |bytes| expired.write(bytes));
    store.write(&batch, Durability::Process).unwrap();
}

#[test]
fn a_gap_is_one_entry_over_all_parts_of_the_feed_and_what_the_feed_lacks_is_unexplained() {
    let store = store();
    let entries = [
        (11, FeedRecord::DeadLetter),
        (13, FeedRecord::Purged { decision: 5 }),
        (14, FeedRecord::Gap { next: 200_000 }),
        (200_000, FeedRecord::DeadLetter),
    ];
    put_feed(&store, &entries, 200_003);
    let expected = [
        (10, 1, OffsetClass::Unexplained),
        (11, 1, OffsetClass::DeadLetter),
        (12, 1, OffsetClass::Unexplained),
        (13, 1, OffsetClass::Purged),
        (14, 199_986, OffsetClass::Expired),
        (200_000, 1, OffsetClass::DeadLetter),
        (200_001, 2, OffsetClass::Unexplained),
    ];
    for limit in 1..9 {
        let found = offsets(&store, limit);
        let told = found
            .iter()
            .map(|entry| (entry.position.offset, entry.count, entry.class));
        assert_eq!(told.collect::<Vec<_>>(), expected, "{limit}");
        assert_eq!(
            (found[3].decision, found[4].arrived_at),
            (Some(5), Some(Millis(DAY)))
        );
    }
}

#[test]
fn offsets_are_asked_for_by_partition_and_from_any_on() {
    let store = store();
    let event = crate::testkit::event();
    project(&store, std::slice::from_ref(&event), &[1], 1);
    put_feed(&store, &[(10, FeedRecord::DeadLetter)], 11);
    let query = Query::new(store.clone(), Arc::default()).of_topic(TOPIC);
    let asked = |partition, from| {
        let request = OffsetsRequest {
            partition,
            from,
            limit: 9,
        };
        let page = query.ledger_offsets(&request).unwrap();
        assert_eq!(page.next, None);
        let positions = page.offsets.iter().map(|entry| entry.position.to_string());
        positions.collect::<Vec<_>>()
    };
    let first = Position::new(0, 0);
    let here = event.position.to_string();
    assert_eq!(asked(None, first), [here.as_str(), "2@10"]);
    assert_eq!(asked(Some(2), first), ["2@10"]);
    assert_eq!(asked(Some(0), first), [here.as_str()]);
    assert_eq!(asked(None, Position::new(1, 77)), ["2@10"]);
    assert_eq!(asked(Some(0), Position::new(2, 10)), Vec::<String>::new());
    assert_eq!(asked(None, Position::new(2, 11)), Vec::<String>::new());
    let told = &offsets(&store, 1)[0];
    assert_eq!(told.event.as_ref().unwrap().event_id, event.event_id.as_str());
    assert_eq!(told.arrived_at, Some(event.arrived_at));
}
