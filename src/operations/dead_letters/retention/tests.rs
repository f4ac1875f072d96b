//! Letting go of what was settled long ago.

use super::super::redrive::RedriveParts;
use super::super::{Sources, testing};
use super::*;
use crate::domain::SharedDefinitions;
use crate::domain::clock::Clock;
use crate::operations::audit::Audit;
use crate::operations::decisions::{NewDecision, Verdict};
use crate::pipeline::kafka::{Message, OutError, Outlet};
use crate::pipeline::registry::BundledSchema;
use crate::pipeline::verify;
use crate::store::dead_letters::marks;
use crate::store::dead_letters::{DeadLetterCounts, counts};
use crate::store::records::OffsetRecord;
use crate::store::{Batch, Durability};
use crate::testkit::{self, TOPIC};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const DAY: i64 = 86_400_000;

/// Decisions that take effect at once, and are kept for other replicas to read.
struct Ops {
    store: SharedStore,
    made: Mutex<Vec<NewDecision>>,
}

impl Deciding for Ops {
    fn decide(&self, new: NewDecision) -> Result<u64, OpsError> {
        let mut made = self.made.lock().unwrap();
        let offset = made.len() as u64;
        testing::apply(&self.store, &testing::appliers(TOPIC, "dlt"), offset, &new);
        made.push(new);
        Ok(offset)
    }
}

/// Tells what time a test sets.
struct At(AtomicU64);

impl Clock for At {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed) as i64)
    }
}

struct Nowhere;

impl Outlet for Nowhere {
    fn publish(&self, _: &Message) -> Result<Position, OutError> {
        Err(OutError::Unreachable("nowhere".to_owned()))
    }
}

struct Scene {
    store: SharedStore,
    ops: Arc<Ops>,
    clock: Arc<At>,
    retention: DeadLetterRetention,
}

fn at(offset: u64) -> Position {
    Position::new(0, offset)
}

/// Five letters: the second and the third are discarded.
fn scene() -> Scene {
    let store = testkit::store();
    for offset in 0..5 {
        testing::put_letter_of("truncated", &store, (TOPIC, at(offset)), Some(b"value"));
    }
    let ops = Arc::new(Ops {
        store: store.clone(),
        made: Mutex::default(),
    });
    let clock = Arc::new(At(AtomicU64::new(0)));
    let shutdown = CancellationToken::new();
    let redrives = Redrives::new(RedriveParts {
        sources: Sources {
            store: store.clone(),
            schemas: Arc::new(BundledSchema::new().unwrap()),
            topics: testing::topics(TOPIC, "dlt"),
        },
        definitions: SharedDefinitions::default(),
        out: Arc::new(Nowhere),
        deciding: ops.clone(),
        consumption: Consumption::default(),
        audit: Audit::new(store.clone(), clock.clone()),
        replay_events: 1_000,
        clock: clock.clone(),
        shutdown: shutdown.clone(),
    });
    let retention = DeadLetterRetention {
        store: store.clone(),
        settings: DeadLetterSettings::default(),
        topics: testing::topics(TOPIC, "dlt"),
        deciding: ops.clone(),
        ops_topic: "ops".to_owned(),
        consumption: Consumption::default(),
        publishes: false,
        redrives,
        clock: clock.clone(),
        shutdown,
    };
    let scene = Scene {
        store,
        ops,
        clock,
        retention,
    };
    scene.discard(&[1, 2]);
    scene
}

impl Scene {
    fn discard(&self, offsets: &[u64]) {
        let letters: Vec<_> = offsets
            .iter()
            .map(|offset| serde_json::json!({"topic": TOPIC, "partition": 0, "offset": offset}))
            .collect();
        let new = NewDecision {
            kind: "discard",
            by: "kim".to_owned(),
            from: String::new(),
            reason: "test".to_owned(),
            body: serde_json::json!({ "letters": letters }),
        };
        self.ops.decide(new).unwrap();
    }

    /// The newest arrival on the tracker topic is so many days after the letters.
    fn newest_arrival(&self, days: i64) {
        arrived(&self.store, days);
    }

    fn clock(&self, days: i64) {
        let now = testing::arrival(0).0 + days * DAY + 1_000;
        self.clock.0.store(now as u64, Ordering::Relaxed);
    }

    fn counts(&self) -> (u64, u64, u64) {
        counted(&self.store)
    }
}

fn arrived(store: &SharedStore, days: i64) {
    let (mut batch, mut key) = (Batch::new(), Key::default());
    keys::offsets(&mut key, TOPIC, 0);
    let row = OffsetRecord {
        next: 5,
        arrived_at: testing::arrival(0).0 + days * DAY + 1_000,
        ..OffsetRecord::default()
    };
    batch.put_with(Table::Offsets, &key, |bytes| row.write(bytes));
    store.write(&batch, Durability::Process).unwrap();
}

/// Open, discarded and removed letters.
fn counted(store: &SharedStore) -> (u64, u64, u64) {
    let counts = counts(&**store).unwrap();
    let all = counts
        .values()
        .fold(DeadLetterCounts::default(), |mut all, counts| {
            all.open += counts.open;
            all.discarded += counts.discarded;
            all.removed_discarded += counts.removed_discarded;
            all
        });
    (all.open, all.discarded, all.removed_discarded)
}

#[test]
fn settled_letters_go_after_their_time_and_open_ones_stay() {
    let scene = scene();
    scene.clock(89);
    scene.newest_arrival(89);
    assert_eq!(scene.retention.sweep().unwrap(), Swept::default());
    assert_eq!(scene.counts(), (3, 2, 0));
    scene.clock(90);
    scene.newest_arrival(90);
    assert_eq!(scene.retention.sweep().unwrap().letters, 2);
    assert_eq!(scene.counts(), (3, 0, 2));
    // What became of them is told.
    let gone = scene
        .retention
        .redrives
        .dead_letter_query()
        .show(at(1))
        .unwrap_err()
        .to_string();
    let told = "dead letter 0-1 was discarded and is no longer kept since";
    assert!(gone.starts_with(told), "{gone}");
    let there = [(at(0), true), (at(1), false), (at(2), false)];
    assert_eq!(scene.retention.still_there(&there).unwrap(), [(at(0), true)]);
    // What is gone is not decided again.
    assert_eq!(scene.retention.sweep().unwrap().letters, 0);
    assert_eq!(scene.ops.made.lock().unwrap().len(), 2);
    assert_eq!(testkit::differences(&scene.store), Vec::<String>::new());
}

#[test]
fn a_clock_that_is_ahead_of_the_newest_arrival_removes_nothing() {
    let scene = scene();
    scene.newest_arrival(1);
    scene.clock(400);
    assert_eq!(scene.retention.sweep().unwrap().letters, 0);
    scene.newest_arrival(400);
    scene.clock(1);
    assert_eq!(scene.retention.sweep().unwrap().letters, 0);
}

#[test]
fn a_letter_that_was_not_published_yet_stays() {
    let mut scene = scene();
    scene.retention.publishes = true;
    scene.clock(100);
    scene.newest_arrival(100);
    assert_eq!(scene.retention.sweep().unwrap().letters, 0);
}

#[test]
fn nothing_is_decided_before_both_topics_are_read() {
    let scene = scene();
    let retention = &scene.retention;
    let mut asked = None;
    assert!(!retention.has_read_all(&mut asked));
    retention.consumption.ops.update(|status| status.end = Some(0));
    assert!(!retention.has_read_all(&mut asked));
    retention.consumption.ingest.update(|status| {
        status.next = [(0, 5)].into_iter().collect();
        status.end = [(0, 6)].into_iter().collect();
        (status.asked, status.answered) = (1, 1);
    });
    assert!(!retention.has_read_all(&mut asked));
    retention
        .consumption
        .ingest
        .update(|status| status.next = status.end.clone());
    assert!(retention.has_read_all(&mut asked));
    // What the broker said before is no proof.
    asked = None;
    assert!(!retention.has_read_all(&mut asked), "the end is an old one");
    retention
        .consumption
        .ingest
        .update(|status| (status.asked, status.answered) = (2, 2));
    assert!(retention.has_read_all(&mut asked));
    retention.consumption.ops.update(|status| status.end = Some(1));
    assert!(!retention.has_read_all(&mut asked));
}

/// Another replica reads the decisions before, between and after the letters.
#[test]
fn replicas_agree_whichever_topic_they_read_first() {
    let scene = scene();
    scene.clock(100);
    scene.newest_arrival(100);
    scene.retention.sweep().unwrap();
    let made = scene.ops.made.lock().unwrap();
    let digest = verify::digest(&scene.store, TOPIC).unwrap();
    for first in 0..=made.len() {
        let other = testkit::store();
        let appliers = testing::appliers(TOPIC, "dlt");
        let apply = |offset: usize| testing::apply(&other, &appliers, offset as u64, &made[offset]);
        (0..first).for_each(|offset| _ = apply(offset));
        for offset in 0..5 {
            testing::put_letter_of("truncated", &other, (TOPIC, at(offset)), Some(b"value"));
        }
        (first..made.len()).for_each(|offset| _ = apply(offset));
        arrived(&other, 100);
        assert_eq!(verify::digest(&other, TOPIC).unwrap(), digest);
        assert_eq!(counted(&other), scene.counts());
        assert_eq!(testkit::differences(&other), Vec::<String>::new());
    }
}

/// Who and why is kept with each letter that a decision discards.
#[test]
fn one_decision_discards_a_thousand_letters_at_most_and_each_once() {
    let store = testkit::store();
    let appliers = testing::appliers(TOPIC, "dlt");
    let named = |offsets: &mut dyn Iterator<Item = u64>| {
        let letters =
            offsets.map(|offset| serde_json::json!({"topic": TOPIC, "partition": 0, "offset": offset}));
        let new = NewDecision {
            kind: "discard",
            by: "x".to_owned(),
            from: String::new(),
            reason: String::new(),
            body: serde_json::json!({ "letters": letters.collect::<Vec<_>>() }),
        };
        testing::apply(&store, &appliers, 0, &new)
    };
    assert!(matches!(named(&mut (0..1_001)), Verdict::Refused(_)));
    assert_eq!(marks(&*store, at(7)).unwrap(), []);
    assert!(matches!(
        named(&mut std::iter::repeat_n(7, 1_000)),
        Verdict::Applied(_)
    ));
    assert_eq!(marks(&*store, at(7)).unwrap().len(), 1);
}

/// A decision that names letters that are yet to come removes none of them, in whatever order they are read.
#[test]
fn a_letter_that_arrives_behind_the_decision_to_remove_it_stays() {
    for decided_first in [true, false] {
        let store = testkit::store();
        let appliers = testing::appliers(TOPIC, "dlt");
        let offset = 3;
        let put = || {
            let record = DeadLetterSummaryRecord {
                topic: TOPIC,
                reason: "tombstone",
                arrived_at: testing::arrival(offset).0 + 1,
                ..DeadLetterSummaryRecord::default()
            };
            let (mut rows, mut key) = (Batch::new(), Key::default());
            keys::by_offset(&mut key, at(9));
            rows.put_with(Table::Letters, &key, |bytes| record.write(bytes));
            let mut changes = crate::store::dead_letters::DeadLetterChanges::default();
            changes.add_letter(at(9), &record);
            let book = crate::store::dead_letters::DeadLetterLock::default();
            crate::store::dead_letters::DeadLetterLock::enter(&book.hold(), &*store, &mut rows, &changes)
                .unwrap();
            store.write(&rows, Durability::Process).unwrap();
        };
        let decide = || {
            let letters = serde_json::json!([
                {"topic": TOPIC, "partition": 0, "redriven": false, "offsets": [9]}
            ]);
            let new = NewDecision {
                kind: "remove-letters",
                by: "x".to_owned(),
                from: String::new(),
                reason: String::new(),
                body: serde_json::json!({ "letters": letters }),
            };
            testing::apply(&store, &appliers, offset, &new);
        };
        if decided_first {
            decide();
            put();
        } else {
            put();
            decide();
        }
        let counts = counts(&*store).unwrap()["tombstone"];
        assert_eq!(
            (counts.open, counts.removed()),
            (1, 0),
            "decided first: {decided_first}"
        );
        assert_eq!(marks(&*store, at(9)).unwrap(), []);
    }
}

#[test]
fn a_decision_that_names_too_much_or_nothing_of_ours_does_nothing() {
    let store = testkit::store();
    let appliers = testing::appliers(TOPIC, "dlt");
    let decided = |body: serde_json::Value| {
        let new = NewDecision {
            kind: "remove-letters",
            by: "x".to_owned(),
            from: String::new(),
            reason: String::new(),
            body,
        };
        testing::apply(&store, &appliers, 0, &new)
    };
    let group = |topic: &str, partition: u32, offsets: Vec<u64>| {
        serde_json::json!({"letters": [
            {"topic": topic, "partition": partition, "redriven": true, "offsets": offsets},
        ]})
    };
    assert!(matches!(
        decided(group(TOPIC, 0, vec![0; 20_001])),
        Verdict::Refused(_)
    ));
    assert!(matches!(decided(serde_json::json!(7)), Verdict::Refused(_)));
    // What was found instead is not told whole.
    let Verdict::Refused(why) = decided(serde_json::json!("x".repeat(5_000))) else {
        panic!("it names nothing");
    };
    assert!(why.len() < 600, "{} bytes", why.len());
    let strange = decided(group("other", 0, vec![1]));
    assert_eq!(
        strange,
        Verdict::Applied("0 letters removed; 1 are of no topic of ours".to_owned())
    );
    decided(group(TOPIC, u32::MAX, vec![1]));
    decided(group(TOPIC, 0, vec![u64::MAX]));
    assert_eq!(marks(&*store, at(u64::MAX - 1)).unwrap(), []);
}

#[test]
fn a_letter_of_an_unknown_schema_stays_for_another_replica_may_read_it() {
    let scene = scene();
    testing::put_letter(&scene.store, TOPIC, at(7), Some(b"value"));
    scene.discard(&[7]);
    scene.clock(400);
    scene.newest_arrival(400);
    assert_eq!(scene.retention.sweep().unwrap().letters, 2);
    let there = [(at(7), false)];
    assert_eq!(scene.retention.still_there(&there).unwrap(), there);
}
