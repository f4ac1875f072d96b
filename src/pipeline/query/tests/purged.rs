//! Purged sagas stay in the totals: at every instant the census tells those that are gone beside those that are there.
//! What came late of them changed nothing that is told, and is among no late events.

use super::as_of::{arriving, as_of, stood};
use super::ledger::{advance, bring_back, open, purge, start_to_purge};
use super::*;
use crate::domain::Position;
use crate::testkit::{differences, rebuild};
use proptest::sample::Index;

/// How often each status was entered and left.
type Moves = ([i64; 5], [i64; 5]);

/// The statuses of a saga, each with the instant since when: folds of everything up to each of its instants.
fn statuses(own: &[Event]) -> Vec<(Millis, SagaStatus)> {
    let instants: BTreeSet<Millis> = own.iter().map(|event| event.recorded_at).collect();
    let status = |at: Millis| stood(own, as_of(at.0)).pop().map(|view| (at, view.state.status));
    let mut found: Vec<_> = instants.into_iter().filter_map(status).collect();
    found.dedup_by_key(|(_, status)| *status);
    found
}

fn by_saga(events: &[Event]) -> BTreeMap<SagaId, Vec<Event>> {
    let mut found = BTreeMap::<SagaId, Vec<Event>>::new();
    for event in events {
        found
            .entry(event.saga_id.clone())
            .or_default()
            .push(event.clone());
    }
    found
}

/// What sagas of a type (none: of all) entered and left up to an instant.
fn counted<'e>(
    sagas: impl Iterator<Item = &'e Vec<Event>>,
    saga_type: Option<&SagaType>,
    at: Millis,
) -> Moves {
    let (mut entered, mut left) = ([0; 5], [0; 5]);
    for own in sagas {
        let of_type = |wanted: &SagaType| stood(own, Moment::default())[0].state.saga_type == *wanted;
        if !saga_type.is_none_or(of_type) {
            continue;
        }
        let mut before = None;
        for (_, status) in statuses(own).into_iter().take_while(|(since, _)| *since <= at) {
            entered[usize::from(status.tag())] += 1;
            if let Some(before) = before.replace(status) {
                left[usize::from(before.tag())] += 1;
            }
        }
    }
    (entered, left)
}

fn moves(sums: &CensusRecord) -> Moves {
    (sums.entered, sums.left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn purged_sagas_are_counted_beside_those_that_are_there_at_every_instant(
        events in crowd(), split in any::<Index>(), gone in proptest::collection::vec(any::<Index>(), 1..6),
        instants in proptest::collection::vec((any::<Index>(), -1i64..=1), 4),
        saga_type in proptest::option::of(select(vec!["ORDER_CREATION", "REFUND"])),
    ) {
        let all = by_saga(&events);
        let (before, late) = events.split_at(split.index(events.len()) + 1);
        let then = by_saga(before);
        // Of more changes not all are counted.
        let mut timelines = all.values().chain(then.values());
        let is_kept = |own: &Vec<Event>| fold(own, &SagaDefinitions::default()).unwrap().changes.is_complete();
        prop_assume!(timelines.all(is_kept));
        let ids: Vec<SagaId> = then.keys().cloned().collect();
        let mut gone: BTreeSet<SagaId> = gone.iter().map(|index| index.get(&ids).clone()).collect();
        let store = store();
        let mut projector = open(&store);
        advance(&store, &mut projector, before);
        for saga in &gone {
            purge(&mut projector, (saga, Arc::default()), before);
        }
        // What comes after a saga is gone belongs to none.
        advance(&store, &mut projector, late);

        let filter = Filter { saga_type: saga_type.map(SagaType::from), ..Filter::default() };
        let instants = instants.iter().map(|(index, by)| Millis(index.get(&events).recorded_at.0 + by));
        let instants: Vec<Millis> = instants.chain([Millis(i64::MAX)]).collect();
        let moments: Vec<Moment> = instants.iter().map(|at| as_of(at.0)).collect();
        for round in 0..3 {
            let query = Query::new(store.clone(), Arc::default());
            let censuses = query.censuses(&filter, &moments).unwrap();
            for (at, census) in instants.iter().zip(&censuses) {
                let there = all.iter().filter(|(saga, _)| !gone.contains(*saga)).map(|(_, own)| own);
                let there = counted(there, filter.saga_type.as_ref(), *at);
                let gone = counted(gone.iter().map(|saga| &then[saga]), filter.saga_type.as_ref(), *at);
                prop_assert_eq!(moves(&census.all()), there, "round {} at {}", round, at);
                prop_assert_eq!(moves(&census.purged), gone, "round {} at {}", round, at);
                for status in SagaStatus::ALL {
                    let place = usize::from(status.tag());
                    prop_assert_eq!(census.purged.standing(status), gone.0[place] - gone.1[place]);
                }
            }
            // The same is told by projections that are made anew, and when one of them is back.
            if round == 0 {
                rebuild(&store);
            } else if let Some(saga) = gone.pop_first() {
                bring_back(&mut open(&store), &saga, before);
            }
        }
        prop_assert_eq!(differences(&store), Vec::<String>::new());
    }
}

/// The deliveries that happened by an instant and arrived between two others, of sagas that are there.
fn late_of(
    events: &[Event],
    gone: &BTreeSet<SagaId>,
    (happened, after, until): (Millis, Millis, Millis),
) -> Vec<(Millis, Position)> {
    let mut found: Vec<_> = events
        .iter()
        .filter(|event| !gone.contains(&event.saga_id))
        .filter(|event| event.recorded_at <= happened)
        .filter(|event| event.arrived_at > after && event.arrived_at <= until)
        .map(|event| (event.arrived_at, event.position))
        .collect();
    found.sort_unstable();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn late_events_of_purged_sagas_are_not_told_until_they_are_back(
        events in crowd().prop_map(arriving), split in any::<Index>(),
        gone in proptest::collection::vec(any::<Index>(), 1..6),
        instants in proptest::collection::vec(any::<[Index; 3]>(), 4),
    ) {
        let (before, late) = events.split_at(split.index(events.len()) + 1);
        let instants = instants.iter().map(|[happened, one, other]| {
            let [one, other] = [one, other].map(|index| index.get(&events).arrived_at);
            let (after, until) = (one.min(other), one.max(other));
            (happened.get(&events).recorded_at.min(after), after, until)
        });
        let instants: Vec<_> = instants.collect();
        let store = store();
        let query = Query::new(store.clone(), Arc::default());
        let check = |what: &str, events: &[Event], gone: &BTreeSet<SagaId>| {
            for at in &instants {
                let told = query.late_events(*at, 1_000).unwrap();
                let wanted = late_of(events, gone, *at);
                prop_assert_eq!(told.total, wanted.len() as u64, "{} at {:?}", what, at);
                let told = told.events.iter().map(|event| (event.arrived_at, event.position));
                prop_assert_eq!(told.collect::<Vec<_>>(), wanted, "{} at {:?}", what, at);
            }
            Ok(())
        };
        let ids: Vec<SagaId> = by_saga(before).into_keys().collect();
        let goes: BTreeSet<SagaId> = gone.iter().map(|index| index.get(&ids).clone()).collect();
        let mut projector = open(&store);
        advance(&store, &mut projector, before);
        let mut gone = BTreeSet::new();
        check("whole", before, &gone)?;
        for saga in goes {
            start_to_purge(&mut projector, (&saga, Arc::default()), before);
            gone.insert(saga);
            check("while rows are removed", before, &gone)?;
        }
        while projector.remove_more().unwrap() {}
        check("purged", before, &gone)?;
        advance(&store, &mut projector, late);
        check("with what came late", &events, &gone)?;
        rebuild(&store);
        check("made anew", &events, &gone)?;
        while let Some(saga) = gone.pop_first() {
            bring_back(&mut open(&store), &saga, before);
            check("back", &events, &gone)?;
        }
    }
}
