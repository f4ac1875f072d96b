use super::*;
use crate::pipeline::ingest::tests::{
    KnowsNothing, Scripted, bundled, events, letter_counts, record, redriven, run_with, with_a_letter,
};
use crate::pipeline::kafka::source::Observed;
use crate::pipeline::projector;
use crate::pipeline::registry::BundledSchema;
use crate::pipeline::verify::digest;
use crate::testkit::{TOPIC, differences, settings, store};
use saga_tracker_sdk::contract::SagaStatus;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rounds until there is nothing more to do, and how many letters became something else.
fn remaining(store: &SharedStore, schemas: Arc<dyn SchemaSource>) -> usize {
    let (projector, thread) = projector::spawn(store.clone(), TOPIC, Arc::default(), settings(1)).unwrap();
    // Caught up with the log.
    projector.between_windows(|_| ()).unwrap();
    let remaining = Reread {
        store: store.clone(),
        schemas,
        projector,
        book: DeadLetterLock::default(),
        topics: DeadLetterTopics {
            topic: TOPIC.to_owned(),
            dlt_topic: String::new(),
        },
        shutdown: CancellationToken::new(),
    };
    let mut next = Position::new(0, 0);
    let mut all = 0;
    loop {
        let (letters, ended) = remaining.round(&mut next).unwrap();
        all += letters;
        if letters == 0 && ended == Ended::Pass {
            break;
        }
    }
    drop(remaining);
    thread.join().unwrap();
    all
}

fn fed(records: &[Scripted], schemas: Arc<dyn SchemaSource>) -> SharedStore {
    let store = store();
    run_with(&store, records.to_vec(), 7, Observed::default(), schemas);
    store
}

/// Events, a letter that stays one, one that came back, and one that came back as a letter.
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
    // An operator redrove a letter of the unknown schema by hand.
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

    fn patience(&self) -> Duration {
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

/// Knows nothing but the bundled schema's id, and has to be asked.
struct Asks;

impl SchemaSource for Asks {
    fn plan(&self, id: u32) -> Result<Arc<DecodePlan>, SchemaError> {
        if id == 1 {
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

#[test]
fn made_up_ids_in_front_of_a_good_one_starve_nobody() {
    let made_up = (0..).zip(events(0, 0..40));
    let mut records: Vec<Scripted> = made_up.map(|(id, record)| under(900 + id, record)).collect();
    records.push(record(0, 40, "s9", SagaStatus::Started));
    let late = fed(&records, Arc::new(KnowsNothing));
    assert_eq!(remaining(&late, Arc::new(Asks)), 1);
    assert_eq!(differences(&late), Vec::<String>::new());
}
