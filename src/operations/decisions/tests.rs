//! Decisions over an in-memory store, with an outlet that is a list.

mod reading;
mod status_change;

use super::consumer::Reading;
use super::ledger::{Ledger, LedgerError};
use super::*;
use crate::domain::clock::Clock;
use crate::domain::{
    AnomalyKind, Cut, Event, MetadataForm, Millis, OPERATOR_STATUS_CHANGE, Position, SagaDefinitions, SagaId,
    SagaStatus,
};
use crate::pipeline::decode::wire;
use crate::pipeline::ingest::space::{Gate, Shortage};
use crate::pipeline::kafka::source::{Broker, Observed, RawHeaders, RawRecord, Source, SourceError, Taken};
use crate::pipeline::kafka::{Message, OutError, Outlet};
use crate::pipeline::projector::{self, Delivery, ProjectorHandle};
use crate::pipeline::registry::{BundledSchema, SchemaSource};
use crate::store::codec::Record as _;
use crate::store::dead_letters::DeadLetterGuard;
use crate::store::records::{DecisionOutcome, DecisionRecord, MetaRecord};
use crate::store::{Batch, Key, SharedStore, StoreError, StoreRead, Table, keys, reads, totals};
use crate::testkit;
use saga_tracker_sdk::publishing::EventIds;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const OPS: &str = "ops";

/// Keeps, of each note, the words under the decision's number.
struct TakesAll;

impl Applier for TakesAll {
    fn kind(&self) -> &'static str {
        "note"
    }

    fn apply(
        &self,
        decided: Decided<'_>,
        _held: Option<&DeadLetterGuard<'_>>,
        _store: &dyn StoreRead,
        rows: &mut Batch,
    ) -> Result<Verdict, StoreError> {
        let mut key = Key::default();
        keys::meta_named(&mut key, "notes", &decided.offset.to_string());
        let value = decided.decision.body["text"].as_str().unwrap_or_default();
        rows.put(Table::Meta, &key, &MetaRecord { value }.to_bytes());
        if value.is_empty() {
            return Ok(Verdict::Refused("a note without text".to_owned()));
        }
        Ok(Verdict::Applied(format!("noted {value}")))
    }
}

fn note(store: &SharedStore, offset: u64) -> Option<String> {
    let mut key = Key::default();
    keys::meta_named(&mut key, "notes", &offset.to_string());
    let value = store.get(Table::Meta, &key).unwrap()?;
    Some(MetaRecord::read(&value).unwrap().value.to_owned())
}

fn ledger(store: &SharedStore) -> Ledger {
    let appliers: Vec<Box<dyn Applier>> = vec![Box::new(TakesAll)];
    Ledger::open(store.clone(), OPS, appliers.into()).unwrap()
}

fn decision(kind: &str, text: &str) -> Vec<u8> {
    json!({
        "version": 1, "kind": kind, "id": format!("d-{kind}-{text}"), "by": "kim", "at": "2026-01-31T09:30:00Z", "reason": "r",
        "body": {"text": text}, "later": true,
    })
    .to_string()
    .into_bytes()
}

fn take(ledger: &mut Ledger, offset: u64, value: Option<&[u8]>) -> Result<(), LedgerError> {
    ledger.take(&RawRecord {
        position: Position::new(0, offset),
        timestamp: Some(Millis(testkit::DAY + offset as i64)),
        key: None,
        value,
        headers: RawHeaders::List(&[]),
    })
}

fn outcomes(store: &SharedStore) -> Vec<(u64, DecisionOutcome, String)> {
    let (all, _) = decisions_from(&**store, 0, 1_000, 100).unwrap();
    all.into_iter()
        .map(|recorded| (recorded.offset, recorded.outcome, recorded.detail))
        .collect()
}

#[test]
fn every_message_is_recorded_and_only_what_holds_takes_effect() {
    use DecisionOutcome::{Applied, Malformed, Refused, Unknown};
    let store = testkit::store();
    let mut ledger = ledger(&store);
    let messages: [Option<Vec<u8>>; 8] = [
        Some(decision("note", "one")),
        Some(decision("note", "")),
        Some(decision("dance", "two")),
        Some(br#"{"version": 2, "kind": "note", "shape": "new"}"#.to_vec()),
        Some(br#"{"version": 1, "kind": "note"}"#.to_vec()),
        Some(b"\xff not json".to_vec()),
        None,
        Some(decision("note", "three")),
    ];
    for (offset, message) in (0..).zip(&messages) {
        take(&mut ledger, offset, message.as_deref()).unwrap();
    }
    let seen: Vec<_> = outcomes(&store)
        .into_iter()
        .map(|(_, outcome, _)| outcome)
        .collect();
    assert_eq!(
        seen,
        [
            Applied, Refused, Unknown, Unknown, Malformed, Malformed, Malformed, Applied
        ]
    );
    assert_eq!(note(&store, 0).as_deref(), Some("one"));
    assert_eq!(note(&store, 1), None, "a refused decision leaves no rows");
    assert_eq!(note(&store, 7).as_deref(), Some("three"));
    let counts = reads::meta_counts(&*store, totals::DECISION_COUNTS).unwrap();
    let counted: Vec<_> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(
        counted,
        [
            ("note applied", 2),
            ("note refused", 1),
            ("other malformed", 3),
            ("other unknown", 2)
        ]
    );
}

#[test]
fn a_decision_counts_once_whatever_became_of_it() {
    use DecisionOutcome::{Applied, Duplicate, Refused};
    let store = testkit::store();
    let mut first = ledger(&store);
    take(&mut first, 0, Some(&decision("note", "one"))).unwrap();
    take(&mut first, 1, Some(&decision("note", ""))).unwrap();
    // A publish that was tried again, a message that somebody copied; also after a restart.
    take(&mut first, 2, Some(&decision("note", "one"))).unwrap();
    let mut again = ledger(&store);
    take(&mut again, 3, Some(&decision("note", "one"))).unwrap();
    take(&mut again, 4, Some(&decision("note", ""))).unwrap();
    let seen: Vec<_> = outcomes(&store)
        .into_iter()
        .map(|(_, outcome, _)| outcome)
        .collect();
    assert_eq!(seen, [Applied, Refused, Duplicate, Duplicate, Duplicate]);
    assert!(
        outcomes(&store)[3].2.contains("at offset 0"),
        "{:?}",
        outcomes(&store)[3]
    );
    assert_eq!((note(&store, 2), note(&store, 3)), (None, None));
    let counts = reads::meta_counts(&*store, totals::DECISION_COUNTS).unwrap();
    assert_eq!(counts.get("note duplicate"), Some(&3));
}

#[test]
fn what_a_decision_says_of_itself_is_bounded() {
    let store = testkit::store();
    let mut ledger = ledger(&store);
    let with = |field: &str, text: String| {
        let mut json: serde_json::Value = serde_json::from_slice(&decision("note", "one")).unwrap();
        json[field] = json!(text);
        json.to_string().into_bytes()
    };
    let mut long = decision("note", "one");
    long.resize(MAX_MESSAGE_BYTES + 1, b' ');
    let messages = [
        with("id", String::new()),
        with("id", "x".repeat(201)),
        with("by", "x".repeat(1_001)),
        with("reason", "x".repeat(4_001)),
        with("kind", "x".repeat(201)),
        long,
        "[".repeat(100_000).into_bytes(),
    ];
    for (offset, message) in (0..).zip(&messages) {
        take(&mut ledger, offset, Some(message)).unwrap();
    }
    let seen = outcomes(&store);
    assert_eq!(seen.len(), messages.len());
    let mut key = Key::default();
    keys::decision(&mut key, 5);
    let row = store.get(Table::Decisions, &key).unwrap().unwrap();
    assert_eq!(
        DecisionRecord::read(&row).unwrap().message.len(),
        MAX_MESSAGE_BYTES
    );
    for (offset, outcome, detail) in seen {
        assert_eq!(outcome, DecisionOutcome::Malformed, "{offset}: {detail}");
    }
}

#[test]
fn reading_goes_on_where_the_store_ends_and_recognises_the_topic() {
    let store = testkit::store();
    assert_eq!(ledger(&store).resume_from(), None);
    take(&mut ledger(&store), 0, Some(&decision("note", "one"))).unwrap();
    let mut again = ledger(&store);
    assert_eq!((again.resume_from(), again.next()), (Some(0), 1));
    take(&mut again, 0, Some(&decision("note", "one"))).unwrap();
    assert_eq!(outcomes(&store).len(), 1);
    let other = take(&mut again, 0, Some(&decision("note", "another")));
    assert!(matches!(other, Err(LedgerError::Replaced { .. })), "{other:?}");
    assert!(again.check_end(1).is_ok() && again.check_end(0).is_err());
}

#[test]
fn offsets_that_never_came_are_recorded_as_a_gap() {
    let store = testkit::store();
    let mut ledger = ledger(&store);
    take(&mut ledger, 3, Some(&decision("note", "one"))).unwrap();
    take(&mut ledger, 5, Some(&decision("note", "two"))).unwrap();
    let seen = outcomes(&store);
    assert_eq!(
        seen[0],
        (
            0,
            DecisionOutcome::Gap,
            "the broker did not deliver the offsets 0 to 2".to_owned()
        )
    );
    assert_eq!(
        (seen[1].0, seen[2].0, seen[2].1, seen[3].0),
        (3, 4, DecisionOutcome::Gap, 5)
    );
}

#[test]
fn decisions_are_found_page_by_page() {
    let store = testkit::store();
    let mut ledger = ledger(&store);
    for offset in 0..7 {
        take(&mut ledger, offset, Some(&decision("note", &offset.to_string()))).unwrap();
    }
    let (mut from, mut seen) = (0, Vec::new());
    while from < 7 {
        let (page, next) = decisions_from(&*store, from, 7, 3).unwrap();
        seen.extend(page.into_iter().map(|recorded| recorded.detail));
        from = next;
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[6], "noted 6");
}

/// Numbers in order.
#[derive(Default)]
struct Counting(AtomicU64);

impl EventIds for Counting {
    fn next(&self) -> String {
        format!("id-{}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

struct At(Millis);

impl Clock for At {
    fn now(&self) -> Millis {
        self.0
    }
}

/// Gives every message to a ledger at once, as a broker and a consumer would.
struct Loopback {
    ledger: Mutex<Ledger>,
    status: Arc<OpsStatus>,
    fails: Option<OutError>,
}

impl Outlet for Loopback {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        if let Some(error) = &self.fails {
            return Err(error.clone());
        }
        assert_eq!((message.topic.as_str(), message.partition), (OPS, Some(0)));
        let mut ledger = self.ledger.lock().unwrap();
        let offset = ledger.next();
        take(&mut ledger, offset, message.value.as_deref()).unwrap();
        self.status.update(|status| status.next = offset + 1);
        Ok(Position::new(0, offset))
    }
}

fn decisions(store: &SharedStore, fails: Option<OutError>) -> Decisions {
    let status = Arc::new(OpsStatus::default());
    Decisions {
        out: Arc::new(Loopback {
            ledger: Mutex::new(ledger(store)),
            status: status.clone(),
            fails,
        }),
        topic: OPS.to_owned(),
        status,
        store: store.clone(),
        clock: Arc::new(At(Millis(testkit::DAY))),
        ids: Arc::new(Counting::default()),
    }
}

fn new(text: &str) -> NewDecision {
    NewDecision {
        kind: "note",
        by: "kim".to_owned(),
        from: "10.0.0.7".to_owned(),
        reason: "because".to_owned(),
        body: json!({ "text": text }),
    }
}

#[test]
fn a_decision_is_made_when_it_has_been_read_back() {
    let store = testkit::store();
    let decisions = decisions(&store, None);
    let made = decisions.make(new("one")).unwrap();
    assert_eq!((made.offset, made.detail.as_str()), (0, "noted one"));
    let (all, _) = decisions_from(&*store, 0, 1, 1).unwrap();
    let kept = all[0].decision.as_ref().unwrap();
    assert_eq!(
        (kept.by.as_str(), kept.from.as_str(), kept.id.as_str()),
        ("kim", "10.0.0.7", "id-0")
    );
    let refused = decisions.make(new(""));
    assert!(matches!(&refused, Err(OpsError::Conflict(why)) if why.to_string() == "a note without text"));
}

#[test]
fn what_was_not_published_is_told_apart_from_what_may_have_been() {
    let store = testkit::store();
    let failing = |error: OutError| decisions(&store, Some(error)).make(new("one")).unwrap_err();
    let gone = failing(OutError::Unreachable("no broker".to_owned()));
    assert_eq!(
        gone.to_string(),
        "Kafka cannot take it now: no broker; nothing was changed"
    );
    let uncertain = failing(OutError::Uncertain("timed out".to_owned()));
    assert!(
        matches!(&uncertain, OpsError::Unsettled(why) if why.to_string().contains("decision id-0")),
        "{uncertain}"
    );
    assert_eq!(outcomes(&store), []);
}

#[test]
fn no_decision_is_published_that_would_not_be_read_here() {
    let store = testkit::store();
    let decisions = decisions(&store, None);
    let shortage = Some(Shortage {
        free: 1,
        minimum: 10,
        resume_at: 12,
    });
    for (short, fatal) in [(shortage, None), (None, Some("the topic went back".to_owned()))] {
        decisions.status.update(|status| {
            status.waiting = Some("no room".to_owned());
            (status.shortage, status.fatal) = (short, fatal);
        });
        let refused = decisions.make(new("one")).unwrap_err();
        assert!(
            matches!(&refused, OpsError::Unreachable(_))
                && refused.to_string().ends_with("; nothing was changed"),
            "{refused}"
        );
        assert_eq!(outcomes(&store), []);
    }
    decisions
        .status
        .update(|status| (status.shortage, status.fatal) = (None, None));
    assert_eq!(decisions.make(new("one")).unwrap().offset, 0);
}
