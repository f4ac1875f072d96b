//! The demo's sagas, many in flight at a time, in the order in which their reports arrive.

use jiff::Timestamp;
use saga_tracker::domain::{Event, MetadataForm, Millis, Position};
use saga_tracker::program::demo::{Message, PlannedEvent, PlannedRecord, Sagas, sagas};
use saga_tracker_sdk::contract::metadata;
use saga_tracker_sdk::encoding::Encoder;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Any id: without a registry every record is read by the bundled schema.
const SCHEMA_ID: u32 = 1;

/// Reports in order of arrival, without end.
pub(crate) struct Traffic {
    sagas: Sagas,
    /// The saga that begins next, and when, microseconds since 1970.
    next: (Vec<PlannedRecord>, i64),
    step_us: i64,
    waiting: BinaryHeap<Reverse<Report>>,
    sequence: u64,
    begun: u64,
    slow: bool,
    outage: Option<Range<i64>>,
}

/// One record, of a saga that began at `start`.
pub(crate) struct Report {
    /// Microseconds since 1970.
    at: i64,
    sequence: u64,
    start: Timestamp,
    record: PlannedRecord,
    pace: Pace,
}

/// How a saga's times are stretched: what takes `planned` milliseconds takes `taken`.
#[derive(Clone, Copy)]
struct Pace {
    planned: i64,
    taken: i64,
}

impl Pace {
    const AS_PLANNED: Self = Self { planned: 1, taken: 1 };

    fn of(self, time: i64) -> i64 {
        i64::try_from(i128::from(time) * i128::from(self.taken) / i128::from(self.planned))
            .unwrap_or(i64::MAX)
    }
}

impl Traffic {
    /// A saga begins every `step_us` microseconds, the first one at `first`.
    pub(crate) fn new(seed: u64, first: Millis, step_us: i64) -> Self {
        let mut sagas = sagas(seed);
        let begun = sagas.next().unwrap_or_default();
        Self {
            sagas,
            next: (begun, first.0 * 1000),
            step_us,
            waiting: BinaryHeap::new(),
            sequence: 0,
            begun: 0,
            slow: false,
            outage: None,
        }
    }

    /// A fifth of the sagas last days, from one to seven.
    #[must_use]
    pub(crate) fn with_slow_sagas(self) -> Self {
        Self { slow: true, ..self }
    }

    /// What would arrive in this time arrives at its end.
    #[must_use]
    pub(crate) fn with_outage(self, from: Millis, until: Millis) -> Self {
        Self {
            outage: Some(from.0 * 1000..until.0 * 1000),
            ..self
        }
    }

    fn begin_saga(&mut self) {
        self.begun += 1;
        let pace = self.pace();
        let (records, begins) = &mut self.next;
        let start = Timestamp::from_microsecond(*begins).unwrap_or_default();
        for record in std::mem::take(records) {
            self.sequence += 1;
            let after = i64::try_from(record.delay.as_micros()).unwrap_or(i64::MAX);
            let at = begins.saturating_add(pace.of(after));
            let outage = self.outage.as_ref().filter(|outage| outage.contains(&at));
            self.waiting.push(Reverse(Report {
                at: outage.map_or(at, |outage| outage.end),
                sequence: self.sequence,
                start,
                record,
                pace,
            }));
        }
        *begins += self.step_us;
        *records = self.sagas.next().unwrap_or_default();
    }

    /// Of the saga that begins.
    fn pace(&self) -> Pace {
        if !self.slow || !self.begun.is_multiple_of(5) {
            return Pace::AS_PLANNED;
        }
        let lasts = self.next.0.iter().map(|record| record.delay.as_millis()).max();
        let days = i64::try_from(self.begun / 5 % 7).unwrap_or(0) + 1;
        Pace {
            planned: lasts
                .and_then(|lasts| i64::try_from(lasts).ok())
                .unwrap_or(1)
                .max(1),
            taken: days * 86_400_000,
        }
    }
}

impl Iterator for Traffic {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        while self
            .waiting
            .peek()
            .is_none_or(|Reverse(first)| first.at >= self.next.1)
        {
            self.begin_saga();
        }
        self.waiting.pop().map(|Reverse(report)| report)
    }
}

impl Report {
    /// Key and value as a producer sends them.
    pub(crate) fn message(&self, encoder: &Encoder) -> anyhow::Result<Message> {
        Ok(self.record.message(self.start, encoder, SCHEMA_ID)?)
    }

    /// When it arrives.
    pub(crate) fn arrives(&self) -> Millis {
        Millis(self.at / 1000)
    }

    /// The saga that it reports on, where it is an event.
    pub(crate) fn planned(&self) -> Option<&PlannedEvent> {
        self.record.planned_event()
    }

    /// The event that the tracker decodes it to; `None` where it is poison.
    pub(crate) fn event(&self, position: Position) -> Option<Event> {
        let planned = self.planned()?;
        let metadata_form = if planned.odd_metadata.is_none() {
            MetadataForm::Object
        } else {
            MetadataForm::Verbatim
        };
        let object = metadata_form == MetadataForm::Object;
        let trace_id = planned
            .metadata
            .get(metadata::TRACE_ID)
            .and_then(|id| id.as_str());
        Some(Event {
            metadata: planned.event(self.start).metadata.map(String::into_boxed_str),
            metadata_form,
            producer_service: object.then(|| planned.service.name().into()),
            trace_id: trace_id.filter(|_| object).map(Into::into),
            ..self.bare_event(position)?
        })
    }

    /// The event without its metadata; `None` where it is poison.
    pub(crate) fn bare_event(&self, position: Position) -> Option<Event> {
        let planned = self.planned()?;
        let recorded_at = Millis(self.start.as_millisecond() + self.pace.of(planned.recorded_after_ms));
        Some(Event {
            position,
            arrived_at: Millis(self.at / 1000),
            recorded_at,
            event_timestamp: recorded_at,
            event_id: planned.event_id.as_str().into(),
            saga_id: planned.saga_id.as_str().into(),
            saga_type: planned.saga_type.as_str().into(),
            step: planned.step.into(),
            status: planned.status,
            order_id: planned.order_id.as_str().into(),
            metadata: None,
            metadata_form: MetadataForm::Absent,
            producer_service: None,
            trace_id: None,
        })
    }
}

impl Ord for Report {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Report {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Report {}
