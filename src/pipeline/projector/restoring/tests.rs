use super::super::restore::Rest;
use super::*;
use crate::domain::{Cut, Millis, SagaDefinitions, evidence};
use crate::pipeline::projector::{Purge, PurgeOutcome, PurgeSaga};
use crate::pipeline::verify::digest;
use crate::store::SharedStore;
use crate::testkit::{TOPIC, behind, project, settings, store, traffic};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn open(store: &SharedStore) -> Projector {
    let generation = reads::active_generation(&**store).unwrap();
    let definitions = Arc::new(SagaDefinitions::default());
    Projector::open(store.clone(), generation, definitions, &settings(2)).unwrap()
}

fn tables(store: &SharedStore) -> BTreeMap<String, String> {
    digest(store, TOPIC).unwrap().tables
}

fn markers(store: &SharedStore) -> bool {
    Rest::unfinished(&**store).unwrap().is_some()
}

/// Deliveries of which those of one saga are removed, up to some place.
#[derive(Debug)]
struct Case {
    inside: Vec<Event>,
    late: Vec<Event>,
    saga: SagaId,
    own: Vec<Event>,
}

impl Case {
    fn of(events: &[Event], split: usize) -> Self {
        let (inside, late) = events.split_at(split);
        let saga = inside[0].saga_id.clone();
        let own = inside.iter().filter(|event| event.saga_id == saga);
        let mut own: Vec<Event> = own.cloned().collect();
        own.sort_by_key(Event::timeline_key);
        Self {
            inside: inside.to_vec(),
            late: late.to_vec(),
            saga,
            own,
        }
    }

    fn restore(&self) -> Restore {
        Restore {
            decision: 18,
            at: Millis(1_795_000_000_001),
            saga: self.saga.clone(),
        }
    }

    /// A store from which the saga is gone.
    fn purged(&self) -> SharedStore {
        let store = store();
        project(&store, &self.inside, &[5], 2);
        let decision = Purge {
            decision: 17,
            at: Millis(1_795_000_000_000),
            rule: "COMPLETED after 90 days".into(),
            extent: behind(&self.inside, Cut::default()).into(),
            definitions: Arc::default(),
        };
        let saga = PurgeSaga {
            saga: self.saga.clone(),
            events: u32::try_from(self.own.len()).unwrap(),
            hash: evidence(&self.own),
            row_groups: None,
        };
        let mut projector = open(&store);
        let outcomes = projector.purge(&decision, &[saga], &|_, _| false).unwrap();
        assert_eq!(outcomes, [PurgeOutcome::Purged]);
        while projector.remove_more().unwrap() {}
        store
    }

    /// What all stores come to: everything is read, and the saga comes back in one write.
    fn in_one_write(&self) -> BTreeMap<String, String> {
        let store = self.purged();
        project(&store, &self.late, &[4], 2);
        let record = purged::purged(&*store, &self.saga).unwrap().unwrap();
        let outcome = open(&store).restore_small(&self.restore(), &self.own, record);
        assert_eq!(outcome.unwrap(), RestoreOutcome::Restored);
        tables(&store)
    }

    /// The same in batches, until so many steps are done; more comes late in between. Whether it ended.
    fn in_batches(&self, store: &SharedStore, late: &mut Late<'_>, mut steps: usize) -> bool {
        let mut go_on = || {
            steps = steps.saturating_sub(1);
            steps > 0
        };
        open(store).begin_restore(&self.restore()).unwrap();
        // One projector for all: what is begun is in memory.
        let mut projector = open(store);
        projector.begin_restore(&self.restore()).unwrap();
        for batch in self.own.chunks(3) {
            if !go_on() {
                return false;
            }
            late.some(&mut projector);
            projector.restore_part(batch).unwrap();
        }
        if !go_on() {
            return false;
        }
        late.some(&mut projector);
        if !go_on() {
            // In the middle of the fold.
            let mut changes = Changes::new(projector.target(), Scope::All);
            projector.fold_restored(&self.saga, &mut changes).unwrap();
            return false;
        }
        assert_eq!(projector.end_restore().unwrap(), RestoreOutcome::Restored);
        loop {
            if !go_on() {
                return false;
            }
            late.some(&mut projector);
            if !projector.remove_more().unwrap() {
                return true;
            }
        }
    }
}

/// Deliveries that come while a saga is brought back.
struct Late<'e> {
    events: &'e [Event],
    store: SharedStore,
}

impl Late<'_> {
    fn some(&mut self, projector: &mut Projector) {
        let (now, then) = self.events.split_at(self.events.len().min(2));
        if !now.is_empty() {
            crate::testkit::append(&self.store, now);
            let cut = behind(now, projector.cursor().clone());
            projector.advance(now, &cut).unwrap();
        }
        self.events = then;
    }
}

/// However often it is stopped in between, it comes to what one write comes to; and as long as it is not
/// back nothing of it is left.
fn stopped_anywhere_it_comes_to_the_same(case: &Case) {
    let expected = case.in_one_write();
    let mut steps = 1;
    loop {
        let store = case.purged();
        let mut late = Late {
            events: &case.late,
            store: store.clone(),
        };
        let ended = case.in_batches(&store, &mut late, steps);
        // The next start.
        super::super::unfinished::finish(&store).unwrap();
        assert!(!markers(&store));
        let record = purged::purged(&*store, &case.saga).unwrap().unwrap();
        if record.is_gone() {
            let untouched = case.purged();
            let read = case.late.len() - late.events.len();
            project(&untouched, &case.late[..read], &[4], 2);
            assert_eq!(tables(&store), tables(&untouched), "{steps} steps, taken back");
            assert!(case.in_batches(&store, &mut late, usize::MAX));
        }
        let rest = late.events;
        project(&store, rest, &[4], 2);
        assert_eq!(tables(&store), expected, "{steps} steps");
        if ended {
            return;
        }
        steps += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_restore_that_is_stopped_between_any_two_writes_comes_to_the_same(
        events in traffic(60), split in any::<prop::sample::Index>(),
    ) {
        let split = split.index(events.len()) + 1;
        stopped_anywhere_it_comes_to_the_same(&Case::of(&events, split));
    }

    #[test]
    fn the_same_of_sagas_with_many_deliveries(
        events in crate::pipeline::projector::tests::timeline::hot(90), split in any::<prop::sample::Index>(),
    ) {
        let split = split.index(events.len()) + 1;
        stopped_anywhere_it_comes_to_the_same(&Case::of(&events, split));
    }
}
