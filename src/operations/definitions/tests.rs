//! Versions over an in-memory store, with an ops topic that is read at once.

mod renewing;

use super::body::DefinitionsBody;
use super::*;
use crate::domain::clock::SystemClock;
use crate::domain::{Cut, DefaultDays, Event, Position, SagaDefinitions, SagaStatus, SharedDefinitions};
use crate::operations::audit::{Act, Audit};
use crate::operations::background::Background;
use crate::operations::decisions::{Applier, Decided, Decision, Decisions, OpsStatus, Verdict};
use crate::operations::rebuild::{RebuildParts, Rebuilds};
use crate::pipeline::kafka::{Message, OutError, Outlet};
use crate::pipeline::projector::{self, Delivery, ProjectorHandle, rebuild};
use crate::pipeline::query::Query;
use crate::pipeline::verify::{Verify, digest};
use crate::store::codec::Record as _;
use crate::store::records::{DecisionOutcome, DecisionRecord};
use crate::store::{Batch, Durability, Key, SharedStore, Table, keys, reads};
use crate::testkit::{self, TOPIC, append, behind, event_at, settings};
use crate::wait;
use saga_tracker_sdk::publishing::RandomEventIds;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// An order is done when its stock is reserved.
const EARLY: &str =
    "# as we had it in spring\n[types.ORDER_CREATION]\ncompleting_steps = [\"STOCK_RESERVED\"]\n";
/// An order is done when it is confirmed.
const LATE: &str = "[types.ORDER_CREATION]\ncompleting_steps = [\"ORDER_CONFIRMED\"]\n";
/// The same, of which it is known earlier that one is stuck.
const IMPATIENT: &str =
    "[types.ORDER_CREATION]\ncompleting_steps = [\"ORDER_CONFIRMED\"]\ndeadline_seconds = 60\n";

/// The ops topic, and the replica that reads it.
struct Topic {
    store: SharedStore,
    applier: Box<dyn Applier>,
    shared: SharedDefinitions,
    status: Arc<OpsStatus>,
    next: Mutex<u64>,
    /// What somebody else publishes before the next message.
    before: Mutex<Option<Message>>,
}

impl Topic {
    fn over(store: &SharedStore, configured: &Configured) -> Arc<Self> {
        let shared = SharedDefinitions::from(in_force(&**store, configured).unwrap());
        Arc::new(Self {
            store: store.clone(),
            applier: applier(&shared),
            shared,
            status: Arc::default(),
            next: Mutex::new(0),
            before: Mutex::default(),
        })
    }

    /// Reads a message as the ledger does: verdict, rows and message are one write.
    fn take(&self, message: &Message) -> (u64, Verdict) {
        let mut next = self.next.lock().unwrap();
        let (offset, value) = (*next, message.value.as_deref().unwrap());
        let decision: Decision = serde_json::from_slice(value).unwrap();
        let decided = Decided {
            offset,
            arrived_at: crate::domain::Millis(testkit::DAY + offset as i64),
            decision: &decision,
        };
        let mut rows = Batch::new();
        let verdict = self
            .applier
            .apply(decided, None, &*self.store, &mut rows)
            .unwrap();
        let (outcome, detail) = match &verdict {
            Verdict::Applied(words) => (DecisionOutcome::Applied, words),
            Verdict::Refused(words) => {
                rows = Batch::new();
                (DecisionOutcome::Refused, words)
            }
        };
        let record = DecisionRecord {
            arrived_at: decided.arrived_at.0,
            outcome: outcome as u8,
            kind: KIND,
            detail,
            message: value,
        };
        let mut key = Key::default();
        keys::decision(&mut key, offset);
        rows.put(Table::Decisions, &key, &record.to_bytes());
        self.store.write(&rows, Durability::Process).unwrap();
        *next += 1;
        self.status.update(|status| status.next = offset + 1);
        self.applier.written();
        (offset, verdict)
    }

    fn decide(&self, version: u64, hash: &str, text: &str) -> Verdict {
        let body = json!({"version": version, "hash": hash, "definitions": text});
        self.take(&message(&body)).1
    }

    /// A version as its author would have it.
    fn apply(&self, version: u64, text: &str) -> Verdict {
        self.decide(version, &hash(text), text)
    }
}

impl Outlet for Topic {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        if let Some(other) = self.before.lock().unwrap().take() {
            self.take(&other);
        }
        Ok(Position::new(0, self.take(message).0))
    }
}

fn message(body: &serde_json::Value) -> Message {
    let decision = json!({
        "version": 1, "kind": KIND, "id": body.to_string().len().to_string(), "by": "lee", "from": "here",
        "at": "2026-01-31T09:30:00Z", "reason": "case 7", "body": body,
    });
    Message {
        topic: "ops".to_owned(),
        partition: Some(0),
        key: None,
        value: Some(decision.to_string().into_bytes()),
        headers: Vec::new(),
    }
}

fn hash(text: &str) -> String {
    SagaDefinitions::from_toml(text).unwrap().hash()
}

fn read(text: &str) -> SagaDefinitions {
    SagaDefinitions::from_toml(text).unwrap()
}

fn refusal(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refused(why) => why,
        Verdict::Applied(words) => panic!("applied: {words}"),
    }
}

fn configured(text: &str) -> Configured {
    Configured {
        definitions: Arc::new(read(text)),
        by_file: true,
    }
}

fn service(topic: &Arc<Topic>, configured: &Configured) -> Definitions {
    Definitions {
        configured: configured.clone(),
        default_days: DefaultDays {
            finished: 90,
            unfinished: 365,
        },
        decisions: Decisions {
            out: topic.clone(),
            topic: "ops".to_owned(),
            status: topic.status.clone(),
            store: topic.store.clone(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomEventIds),
        },
    }
}

fn kim() -> Act {
    Act {
        who: "kim".to_owned(),
        origin: "10.0.0.7".to_owned(),
        why: "ticket 8".to_owned(),
        ..Act::default()
    }
}

#[test]
fn versions_follow_each_other_and_each_is_in_force_from_its_decision_on() {
    let (store, first) = (testkit::store(), configured(LATE));
    let topic = Topic::over(&store, &first);
    assert_eq!(*topic.shared.get(), read(LATE));
    assert_eq!(
        topic.apply(1, EARLY),
        Verdict::Applied(format!(
            "version 1 of the definitions is in force: hash {}",
            hash(EARLY)
        ))
    );
    assert_eq!(*topic.shared.get(), read(EARLY));
    // Somebody who did not see that, and somebody who saw more than there is.
    for stale in [0, 1, 3] {
        let why = refusal(topic.apply(stale, LATE));
        assert!(
            why.contains("the next is 2") && why.contains("applied by lee"),
            "{why}"
        );
    }
    topic.apply(2, IMPATIENT);
    let at = |decision| in_force_at(&*store, decision, &first.definitions).unwrap();
    let texts = [at(0), at(1), at(4), at(5), at(u64::MAX)].map(|found| (*found).clone());
    assert_eq!(texts, [LATE, EARLY, EARLY, IMPATIENT, IMPATIENT].map(read));
    // A restart, and whoever has another file, find the same.
    for configured in [&first, &configured(EARLY)] {
        let found = in_force(&*store, configured).unwrap();
        assert_eq!((&*found.definitions, found.unreadable), (&read(IMPATIENT), None));
    }
    let known = versions_before(&*store, None, 10).unwrap();
    let known: Vec<_> = known.iter().map(|one| (one.number, one.decision)).collect();
    assert_eq!(known, [(2, 4), (1, 0)]);
    let texts = [1, 2].map(|number| version(&*store, number).unwrap().unwrap().text);
    assert_eq!(texts, [EARLY, IMPATIENT]);
    assert_eq!(versions_before(&*store, Some(2), 10).unwrap().len(), 1);
    assert_eq!(version(&*store, 3).unwrap(), None);
}

#[test]
fn what_has_not_the_form_of_a_version_is_refused_and_the_next_number_stays_free() {
    let store = testkit::store();
    let topic = Topic::over(&store, &Configured::default());
    let long = format!("{LATE}{}", "#".repeat(MAX_TEXT_BYTES));
    let cases = [
        (topic.apply(2, LATE), "the next is 1"),
        (topic.decide(1, &hash(LATE), &long), "accepted: up to 262144"),
        (topic.decide(1, "", LATE), "accepted: 64 hexadecimal digits"),
        (
            topic.decide(1, &hash(LATE).to_uppercase(), LATE),
            "accepted: 64 hexadecimal digits",
        ),
        (
            topic.take(&message(&json!({"version": 1}))).1,
            "its body is not of its kind",
        ),
        (
            topic.take(&message(&json!([1, 2]))).1,
            "its body is not of its kind",
        ),
    ];
    for (verdict, words) in cases {
        let why = refusal(verdict);
        assert!(why.contains(words) && why.len() < 2_000, "{why}");
    }
    assert_eq!(*topic.shared.get(), SagaDefinitions::default());
    assert_eq!(topic.shared.in_force().unreadable, None);
    assert!(matches!(topic.apply(1, LATE), Verdict::Applied(_)));
}

/// What a tracker of a later version may write into a file.
const OF_THE_FUTURE: &str =
    "[types.ORDER_CREATION]\ncompleting_steps = [\"ORDER_CONFIRMED\"]\nweather = \"fair\"\n";

#[test]
fn a_version_that_cannot_be_read_takes_its_number_and_the_last_that_can_stays_in_force() {
    let (store, file) = (testkit::store(), configured(LATE));
    let topic = Topic::over(&store, &file);
    topic.apply(1, EARLY);
    // A key that is not known here, a file that others read otherwise, and what nobody can read.
    let unreadable = [
        (OF_THE_FUTURE.to_owned(), "weather"),
        (LATE.to_owned(), "it says that it holds those of"),
        ("types = 7".to_owned(), "types"),
    ];
    for (number, (text, words)) in (2u64..).zip(&unreadable) {
        assert!(matches!(
            topic.decide(number, &hash(IMPATIENT), text),
            Verdict::Applied(_)
        ));
        let told = topic.shared.in_force();
        assert_eq!(*told.definitions, read(EARLY));
        let found = told.unreadable.unwrap();
        assert_eq!((found.version, found.since), (number, 1));
        assert!(found.why.contains(words), "{}", found.why);
        // A restart finds the same.
        let again = in_force(&*store, &file).unwrap();
        assert_eq!(
            (&*again.definitions, again.unreadable),
            (&read(EARLY), Some(found))
        );
    }
    let at = |decision| in_force_at(&*store, decision, &file.definitions).unwrap();
    assert_eq!(
        [at(0), at(1), at(3)].map(|found| (*found).clone()),
        [LATE, EARLY, EARLY].map(read)
    );
    // What comes behind it is in force as ever.
    topic.apply(5, IMPATIENT);
    let told = topic.shared.in_force();
    assert_eq!((&*told.definitions, told.unreadable), (&read(IMPATIENT), None));
    let again = in_force(&*store, &file).unwrap();
    assert_eq!((&*again.definitions, again.unreadable), (&read(IMPATIENT), None));
}

#[test]
fn replicas_of_which_one_cannot_read_a_version_agree_on_what_was_decided() {
    // Their topics differ in what one of them cannot read.
    let [old, new] = [OF_THE_FUTURE, LATE].map(|text| {
        let store = testkit::store();
        let topic = Topic::over(&store, &Configured::default());
        let verdicts = [
            topic.apply(1, EARLY),
            topic.decide(2, &hash(LATE), text),
            topic.apply(2, EARLY),
            topic.apply(3, IMPATIENT),
        ];
        (verdicts, versions_before(&*store, None, 9).unwrap(), topic)
    });
    assert_eq!(old.0, new.0);
    assert_eq!(old.1, new.1);
    assert_eq!(*old.2.shared.get(), *new.2.shared.get());
}

#[test]
fn whoever_is_second_is_told_who_was_first() {
    let (store, file) = (testkit::store(), configured(LATE));
    let topic = Topic::over(&store, &file);
    let definitions = service(&topic, &file);
    assert_eq!(
        definitions.overview().unwrap(),
        Overview {
            last: None,
            configured_hash: hash(LATE),
            file_differs: false
        }
    );
    let body = DefinitionsBody {
        version: 1,
        hash: hash(EARLY),
        definitions: EARLY.to_owned(),
    };
    *topic.before.lock().unwrap() = Some(message(&json!(body)));
    let new = |text: &str, expected| NewVersion {
        text: text.to_owned(),
        expected,
        allow_shorter_retention: false,
    };
    let second = definitions
        .apply(new(IMPATIENT, Some(0)), &kim())
        .unwrap_err()
        .to_string();
    assert!(
        second.contains("version 1 was applied by lee") && second.contains("case 7"),
        "{second}"
    );
    let stale = definitions
        .apply(new(IMPATIENT, Some(0)), &kim())
        .unwrap_err()
        .to_string();
    assert!(
        stale.contains("version 1 of the definitions is in force, not 0"),
        "{stale}"
    );
    let applied = definitions
        .apply(new(IMPATIENT, Some(1)), &kim())
        .unwrap()
        .version;
    assert_eq!(
        (applied.number, applied.by.as_str(), applied.reason.as_str()),
        (2, "kim", "ticket 8")
    );
    let overview = definitions.overview().unwrap();
    assert_eq!(overview.last, Some(applied));
    assert!(overview.file_differs);
    // Back to what was: an old text is a new version.
    let back = definitions.version(1).unwrap().unwrap().text;
    let back = definitions.apply(new(&back, None), &kim()).unwrap().version;
    assert_eq!((back.number, back.hash), (3, hash(EARLY)));
    assert_eq!(*topic.shared.get(), read(EARLY));
}

#[test]
fn what_keeps_sagas_for_less_long_comes_into_force_only_when_that_is_said() {
    let store = testkit::store();
    let topic = Topic::over(&store, &configured(LATE));
    let definitions = service(&topic, &configured(LATE));
    let apply = |days: u64, allow_shorter_retention| {
        let new = NewVersion {
            text: format!("{LATE}retention_days = {{ COMPLETED = {days} }}\n"),
            expected: None,
            allow_shorter_retention,
        };
        definitions.apply(new, &kim())
    };
    let refused = apply(89, false).unwrap_err();
    assert!(matches!(refused, ApplyError::ShorterRetention(_)), "{refused}");
    let refused = refused.to_string();
    assert!(
        refused.contains("ORDER_CREATION in COMPLETED for 89 days instead of 90")
            && refused.contains("allowShorterRetention"),
        "{refused}"
    );
    assert_eq!(*topic.next.lock().unwrap(), 0, "nothing was published");
    // As long, and longer, needs no word.
    assert_eq!(apply(90, false).unwrap().shorter_retention, []);
    assert_eq!(apply(400, false).unwrap().version.number, 2);
    let applied = apply(30, true).unwrap();
    assert_eq!(applied.version.number, 3);
    let [shorter] = applied.shorter_retention.as_slice() else {
        panic!("{applied:?}");
    };
    assert_eq!((shorter.current_days, shorter.new_days), (400, 30));
    // Nobody here knows how long what cannot be read keeps them.
    topic.decide(4, &hash(LATE), OF_THE_FUTURE);
    let refused = apply(900, false).unwrap_err();
    assert!(matches!(refused, ApplyError::UnknownRetention(_)), "{refused}");
    assert_eq!(apply(900, true).unwrap().version.number, 5);
    // Others read the decision and follow.
    let other = testkit::store();
    let topic = Topic::over(&other, &configured(LATE));
    topic.apply(1, &format!("{LATE}retention_days = {{ COMPLETED = 1 }}\n"));
    assert_eq!(
        topic
            .shared
            .get()
            .retention_days("ORDER_CREATION", SagaStatus::Completed),
        Some(1)
    );
}

#[test]
fn a_file_with_faults_is_not_decided_on() {
    let store = testkit::store();
    let topic = Topic::over(&store, &Configured::default());
    let definitions = service(&topic, &Configured::default());
    let apply = |text: String| {
        definitions
            .apply(
                NewVersion {
                    text,
                    expected: None,
                    allow_shorter_retention: false,
                },
                &kim(),
            )
            .unwrap_err()
    };
    let faults = "[types.A]\ncompleting_steps = []\n[types.B]\ncompleting_steps = []\n";
    let ApplyError::Faults(found) = apply(faults.to_owned()) else {
        panic!("other error");
    };
    assert_eq!(found.len(), 2);
    let long = format!("{LATE}{}", "#".repeat(MAX_TEXT_BYTES));
    assert!(matches!(apply(long), ApplyError::TooLarge { .. }));
    assert_eq!(*topic.next.lock().unwrap(), 0, "nothing was published");
    // What is built in says nothing against what was decided.
    topic.apply(1, EARLY);
    assert!(!definitions.overview().unwrap().file_differs);
}

/// As if a version had been applied whose file nobody here can read.
fn put_unread(store: &SharedStore, number: u64, offset: u64) {
    let body = json!({"version": number, "hash": hash(LATE), "definitions": "from = the future"});
    let message = message(&body).value.unwrap();
    let record = DecisionRecord {
        arrived_at: testkit::DAY,
        outcome: DecisionOutcome::Applied as u8,
        kind: KIND,
        detail: "",
        message: &message,
    };
    let (mut rows, mut key) = (Batch::new(), Key::default());
    keys::decision(&mut key, offset);
    rows.put(Table::Decisions, &key, &record.to_bytes());
    versions::put(&mut rows, number, offset);
    store.write(&rows, Durability::Process).unwrap();
}

#[test]
fn versions_are_listed_page_by_page_without_a_look_into_their_files() {
    let store = testkit::store();
    for number in 1..=5 {
        put_unread(&store, number, 10 + number);
    }
    let page = |before, limit| {
        let found = versions_before(&*store, before, limit).unwrap();
        found
            .into_iter()
            .map(|version| version.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2), [5, 4]);
    assert_eq!(page(Some(4), 2), [3, 2]);
    assert_eq!(page(Some(2), 2), [1]);
    assert_eq!(version(&*store, 3).unwrap().unwrap().text, "from = the future");
}

/// Decisions are held against it, today's and those of years ago: definitions that say the same have the same
/// hash whatever version of the tracker reads them, so a key that is added later is left out where it is not given.
#[test]
fn the_hash_of_a_text_never_changes() {
    let text = r#"
        [types.REFUND]
        completing_steps = ["REFUNDED"]
        failing_steps = ["REFUND_REFUSED"]
        aliases = { REFUND_DONE = "REFUNDED" }
        compensates = { REFUND_TAKEN_BACK = "REFUNDED", "UNDO_*" = [] }
        expected_steps = ["REFUND_ASKED", "REFUNDED"]
        order = ["REFUND_ASKED", "REFUNDED"]
        known_steps = ["NOTED"]
        owner = "payments"
        deadline_seconds = 60
        compensation_seconds = 30
        retention_days = { COMPLETED = 10 }
        [services.payment-service]
        owner = "payments"
    "#;
    assert_eq!(
        hash(text),
        "806fb94cfbe1e5369e71e2980f440a5c0a842ea4606ab282c4a747b50dbe8166"
    );
    assert_eq!(
        hash("[types.A]\ncompleting_steps = [\"B\"]"),
        "86bd4adf12c8f4151d7cf021b44657a20098a5b3f4fa486e94b2fbcb4b818788"
    );
}
