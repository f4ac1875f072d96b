use super::*;
use crate::pipeline::decode::DecodePlan;
use crate::pipeline::ingest::tests::{
    KnowsNothing, Scripted, bundled, events, letter_counts, record, redriven, run_with, with_a_letter,
};
use crate::pipeline::kafka::source::Observed;
use crate::pipeline::projector;
use crate::pipeline::registry::{BundledSchema, SchemaError};
use crate::pipeline::verify::digest;
use crate::testkit::{TOPIC, differences, settings, store};
use saga_tracker_sdk::contract::SagaStatus;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Rounds until there is nothing more to do, and how many dead letters became something else.
fn remaining(store: &SharedStore, schemas: Arc<dyn SchemaSource>) -> usize {
    let mut walking = Walking::over(store, schemas);
    let mut all = 0;
    loop {
        let (letters, ended) = walking.round();
        all += letters;
        if letters == 0 && ended == Ended::Pass {
            break;
        }
    }
    walking.stop();
    all
}

/// Rounds, with the waits between them, as far as the clock that it brings is concerned.
struct Walking {
    reread: LateSchemas,
    walk: Walk,
    now: Instant,
    thread: JoinHandle<()>,
}

impl Walking {
    fn over(store: &SharedStore, schemas: Arc<dyn SchemaSource>) -> Self {
        let (projector, thread) =
            projector::spawn(store.clone(), TOPIC, Arc::default(), settings(1)).unwrap();
        // Caught up with the log.
        projector.between_windows(|_| ()).unwrap();
        let reread = LateSchemas {
            store: store.clone(),
            schemas,
            projector,
            book: DeadLetterLock::default(),
            topics: DeadLetterTopics {
                topic: TOPIC.to_owned(),
                dlt_topic: String::new(),
            },
            asked_for: Arc::default(),
            shutdown: CancellationToken::new(),
        };
        Self {
            reread,
            walk: Walk::default(),
            now: Instant::now(),
            thread,
        }
    }

    fn round(&mut self) -> (usize, Ended) {
        let (letters, ended) = self.reread.round(&mut self.walk, self.now).unwrap();
        self.now += ended.wait();
        (letters, ended)
    }

    fn stop(self) {
        drop(self.reread);
        self.thread.join().unwrap();
    }
}

fn fed(records: &[Scripted], schemas: Arc<dyn SchemaSource>) -> SharedStore {
    let store = store();
    run_with(&store, records.to_vec(), 7, Observed::default(), schemas);
    store
}

/// Events, a dead letter that stays one, one that came back, and one that came back as a dead letter.
fn topic() -> Vec<Scripted> {
    let mut records = with_a_letter();
    records.extend(events(2, 0..300));
    records.push(redriven(
        record(1, 0, "s2", SagaStatus::InProgress),
        Position::new(0, 2),
    ));
    let tombstone = Scripted {
        value: None,
        ..record(1, 1, "s2", SagaStatus::InProgress)
    };
    records.push(redriven(tombstone, Position::new(0, 2)));
    // An operator redrove a dead letter of the unknown schema by hand.
    let mut again = records[1].clone();
    again.position = Position::new(1, 2);
    records.push(redriven(again, records[1].position));
    records
}

#[test]
fn replicas_that_met_the_registry_at_different_moments_end_with_the_same_state() {
    let knew = fed(&topic(), bundled());
    let late = fed(&topic(), Arc::new(KnowsNothing));
    assert_ne!(digest(&knew, TOPIC).unwrap(), digest(&late, TOPIC).unwrap());
    assert_eq!(remaining(&late, bundled()), 308);
    assert_eq!(digest(&knew, TOPIC).unwrap(), digest(&late, TOPIC).unwrap());
    let mut counts = letter_counts(&late);
    assert_eq!(counts.remove("unknown_schema"), Some(0));
    assert_eq!(letter_counts(&knew), counts);
    assert_eq!(differences(&late), Vec::<String>::new());
    assert_eq!(remaining(&late, bundled()), 0, "read once");
}

#[test]
fn a_letter_stays_while_nobody_knows_its_schema() {
    let late = fed(&topic(), Arc::new(KnowsNothing));
    let before = digest(&late, TOPIC).unwrap();
    assert_eq!(remaining(&late, Arc::new(KnowsNothing)), 0);
    assert_eq!(digest(&late, TOPIC).unwrap(), before);
}

/// Knows the schema from the second question on.
struct Slow {
    asked: AtomicBool,
}

impl SchemaSource for Slow {
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        if self.asked.swap(true, Ordering::Relaxed) {
            BundledSchema::new().unwrap().plan(id)
        } else {
            Err(SchemaError::Unknown)
        }
    }

    fn unknown_id_timeout(&self) -> Duration {
        Duration::from_secs(60)
    }
}

#[test]
fn a_registry_that_is_a_moment_late_costs_no_letter() {
    let store = fed(
        &topic(),
        Arc::new(Slow {
            asked: AtomicBool::new(false),
        }),
    );
    assert_eq!(
        digest(&store, TOPIC).unwrap(),
        digest(&fed(&topic(), bundled()), TOPIC).unwrap()
    );
}

/// Knows nothing but the bundled schema's id, and that from some question on.
#[derive(Default)]
struct Asks {
    asked: AtomicUsize,
    /// Questions before it knows it.
    late: usize,
    away: AtomicBool,
}

impl SchemaSource for Asks {
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(SchemaError::Unavailable("down".to_owned()));
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) >= self.late && id == 1 {
            return BundledSchema::new().unwrap().plan(id);
        }
        Err(SchemaError::Unknown)
    }

    fn known(&self, _: u32) -> Option<Arc<DecodePlan>> {
        None
    }
}

/// The same record, written under another id.
fn under(id: u32, mut record: Scripted) -> Scripted {
    let value = record.value.as_mut().unwrap();
    value[1..5].copy_from_slice(&id.to_be_bytes());
    record
}

/// Records of so many made-up ids, and then one of a good one.
fn behind_made_up_ids(count: u64) -> Vec<Scripted> {
    let made_up = (0..).zip(events(0, 0..count));
    let mut records: Vec<Scripted> = made_up.map(|(id, record)| under(900 + id, record)).collect();
    records.push(record(0, count, "s9", SagaStatus::Started));
    records
}

#[test]
fn made_up_ids_in_front_of_a_good_one_starve_nobody() {
    let late = fed(&behind_made_up_ids(40), Arc::new(KnowsNothing));
    assert_eq!(remaining(&late, Arc::new(Asks::default())), 1);
    assert_eq!(differences(&late), Vec::<String>::new());
}

#[test]
fn what_came_last_is_read_soon_however_many_made_up_ids_lie_in_front_of_it() {
    let late = fed(&behind_made_up_ids(2_000), Arc::new(KnowsNothing));
    let mut walking = Walking::over(&late, Arc::new(Asks::default()));
    let read = (0..20).any(|_| walking.round().0 > 0);
    assert!(read, "not within 20 rounds");
    walking.stop();
    // The registry hears of it later, when each id was asked for at least once.
    let schemas = Arc::new(Asks {
        late: 2_500,
        ..Asks::default()
    });
    let late = fed(&behind_made_up_ids(2_000), Arc::new(KnowsNothing));
    let mut walking = Walking::over(&late, schemas.clone());
    while schemas.asked.load(Ordering::Relaxed) < schemas.late {
        assert_eq!(walking.round().0, 0);
    }
    let known = walking.now;
    let read = (0..1_000).any(|_| walking.round().0 > 0);
    assert!(read);
    // It had been refused for some minutes: it waits about as long again, and not for the others.
    let waited = walking.now - known;
    assert!(waited < Duration::from_secs(256), "{waited:?}");
    walking.stop();
}

#[test]
fn letters_count_as_asked_for_when_the_registry_has_said_of_each_id_that_it_does_not_know_it() {
    let store = fed(&behind_made_up_ids(40), Arc::new(KnowsNothing));
    let schemas = Arc::new(Asks {
        late: usize::MAX,
        away: true.into(),
        ..Asks::default()
    });
    let mut walking = Walking::over(&store, schemas.clone());
    let letter = Position::new(0, 17);
    for _ in 0..20 {
        assert_ne!(walking.round().1, Ended::Pass);
        assert!(!walking.reread.asked_for.contains(letter), "nobody answered");
    }
    schemas.away.store(false, Ordering::Relaxed);
    let mut asked = 0;
    while walking.round().1 != Ended::Pass {
        asked += 1;
        assert!(asked < 20);
    }
    assert!(asked >= 2, "41 questions");
    assert_eq!(walking.reread.asked_for.within().next(0), 41);
    // One that comes later counts when the next pass has asked for it.
    let later = under(903, record(0, 41, "s9", SagaStatus::Started));
    run_with(
        &store,
        vec![later],
        7,
        Observed::default(),
        Arc::new(KnowsNothing),
    );
    walking.stop();
    let mut again = Walking::over(&store, schemas);
    again.reread.asked_for.pretend([(0, 41)].into_iter().collect());
    assert!((0..20).any(|_| again.round().1 == Ended::Pass));
    assert_eq!(again.reread.asked_for.within().next(0), 42);
    // Dead letters that were put between others were not asked for.
    again.reread.asked_for.forget();
    assert!(!again.reread.asked_for.contains(letter));
    again.stop();
}
