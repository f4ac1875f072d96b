//! What a replica has: the records that it was given, less what it has not stored, with their
//! arrival times.

use super::super::registry;
use super::super::source::Given;
use super::super::topic::{Record, TRACKER};
use crate::domain::{Cut, Event, Millis, Position, SagaId};
use crate::store::records::OffsetRecord;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One record of the account.
pub(crate) struct Seen {
    pub(in crate::simulator) record: Arc<Record>,
    /// The event, or why the record is no event.
    pub(crate) outcome: Result<Event, &'static str>,
    /// The first offset that the broker held when it was fetched.
    pub(crate) low: u64,
    /// It came by a replay, when this was the next decision to be applied.
    pub(crate) filled: Option<u64>,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) seen: BTreeMap<Position, Seen>,
    pub(crate) start: BTreeMap<u32, u64>,
    pub(crate) next: Cut,
    /// The same, and up to where the topic ends: what lies between will never come.
    pub(crate) reached: Cut,
    /// Letters that a record names as its origin, with the values of those records.
    pub(crate) came_back: BTreeMap<Position, Vec<Option<Vec<u8>>>>,
}

impl Account {
    /// What was given inside the offsets that the store names.
    pub(in crate::simulator) fn of(given: &Given, offsets: &[(u32, OffsetRecord)]) -> Self {
        let mut account = Self::default();
        for (partition, row) in offsets {
            account.start.insert(*partition, row.start);
            account.next.set(*partition, row.next);
        }
        let mut arrivals: BTreeMap<u32, Arrivals> = BTreeMap::new();
        for (position, (record, low)) in &given.records {
            if !account.covers(*position) {
                continue;
            }
            let arrivals = arrivals.entry(position.partition).or_default();
            let at = arrivals.next(record.timestamp);
            let outcome = registry::read(record, at).map_err(|rejected| rejected.defect.reason.as_str());
            account.add(*position, record, *low, outcome, None);
        }
        for (position, (record, decision, arrived)) in &given.filled {
            if !account.covers(*position) {
                continue;
            }
            // When such a record arrived lies between its neighbours; the store said where.
            let mut outcome =
                registry::read(record, record.timestamp).map_err(|rejected| rejected.defect.reason.as_str());
            if let Ok(event) = &mut outcome {
                event.arrived_at = arrived.unwrap_or(event.arrived_at);
            }
            account.add(*position, record, 0, outcome, Some(*decision));
        }
        account
    }

    fn add(
        &mut self,
        position: Position,
        record: &Arc<Record>,
        low: u64,
        outcome: Result<Event, &'static str>,
        filled: Option<u64>,
    ) {
        let record = record.clone();
        if let Some(letter) = origin(&record) {
            let values = self.came_back.entry(letter).or_default();
            values.push(record.value.clone());
        }
        self.seen.insert(
            position,
            Seen {
                record,
                outcome,
                low,
                filled,
            },
        );
    }

    /// Leaves out what lies behind a cut.
    pub(crate) fn cut(&mut self, cut: &Cut) {
        self.seen.retain(|position, _| cut.contains(*position));
        self.next.clone_from(cut);
    }

    fn covers(&self, position: Position) -> bool {
        let start = self.start.get(&position.partition);
        start.is_some_and(|start| *start <= position.offset) && self.next.contains(position)
    }

    /// The events by saga, each with the decision before which it came to be there.
    pub(crate) fn events(&self) -> BTreeMap<SagaId, Vec<(Event, Option<u64>)>> {
        let mut sagas: BTreeMap<SagaId, Vec<(Event, Option<u64>)>> = BTreeMap::new();
        for seen in self.seen.values() {
            if let Ok(event) = &seen.outcome {
                let events = sagas.entry(event.saga_id.clone()).or_default();
                events.push((event.clone(), seen.filled));
            }
        }
        sagas
    }
}

/// A week, in milliseconds.
const WEEK: i64 = 7 * 24 * 3_600_000;

/// When the records of a partition arrived, by the table in `ingest::arrival`.
#[derive(Default)]
struct Arrivals {
    at: i64,
    /// The newest that was believed; 0 before any was.
    believed: i64,
    /// Timestamps in a row that are too far ahead.
    ahead: Vec<i64>,
    /// Of the first: how many agree, and those far behind it; until five agree.
    doubt: Option<(usize, Vec<i64>)>,
}

impl Arrivals {
    fn next(&mut self, told: Millis) -> Millis {
        if (Millis::EARLIEST_EVENT..Millis::LATEST_EVENT).contains(&told) {
            self.take(told.0);
        }
        Millis(self.at)
    }

    fn take(&mut self, told: i64) {
        if self.believed == 0 {
            self.begin(told);
        } else if told > self.believed + WEEK {
            self.ahead.push(told);
            let oldest = *self.ahead.iter().min().unwrap();
            let reached = self.believed + WEEK * i64::try_from(self.ahead.len() / 5).unwrap();
            self.at = self.at.max(oldest.min(reached));
            if oldest <= reached {
                self.believed = oldest;
                self.ahead.clear();
                self.doubt = None;
            }
        } else if told >= self.believed - WEEK {
            self.believed = self.believed.max(told);
            self.at = self.at.max(told);
            self.ahead.clear();
            if let Some((agree, _)) = &mut self.doubt {
                *agree += 1;
            }
            self.doubt.take_if(|(agree, _)| *agree == 5);
        } else if let Some((_, behind)) = &mut self.doubt {
            behind.push(told);
            if behind.len() == 5 {
                let youngest = *behind.iter().max().unwrap();
                self.begin(youngest);
            }
        }
    }

    fn begin(&mut self, told: i64) {
        *self = Self {
            at: told,
            believed: told,
            ahead: Vec::new(),
            doubt: Some((0, Vec::new())),
        };
    }
}

/// The letter that a record's headers name.
pub(crate) fn origin(record: &Record) -> Option<Position> {
    let header = |wanted: &str| {
        let found = record.headers.iter().rfind(|(name, _)| name == wanted);
        found.and_then(|(_, value)| String::from_utf8(value.clone()?).ok())
    };
    let named = header("saga-tracker-origin-topic")?;
    let partition = header("saga-tracker-origin-partition")?.parse().ok()?;
    let offset = header("saga-tracker-origin-offset")?.parse().ok()?;
    (named == TRACKER).then(|| Position::new(partition, offset))
}
