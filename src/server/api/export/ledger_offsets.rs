//! Every offset of the ledger, a row for each; a gap is one.

use super::super::error::ApiError;
use super::super::saga_fields::Status;
use super::super::text::Instant;
use super::columns::{Column, number, text, time};
use super::reads::Reads;
use crate::domain::Position;
use crate::pipeline::query::{LedgerEvent, LedgerOffset, OffsetsRequest};
use serde::Serialize;
use std::fmt;

/// Entries that are read at once.
const PART: usize = 1_000;

pub(super) const COLUMNS: &[Column] = &[
    text("topic"),
    number("partition"),
    number("offset"),
    number("offsets"),
    text("class"),
    time("arrivedAt"),
    text("sagaId"),
    text("eventId"),
    text("step"),
    text("status"),
    time("recordedAt"),
    text("reason"),
    number("decision"),
];

/// What an offset came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OffsetRow {
    topic: String,
    partition: u32,
    offset: u64,
    offsets: u64,
    class: &'static str,
    arrived_at: Option<Instant>,
    saga_id: Option<String>,
    event_id: Option<String>,
    step: Option<String>,
    status: Option<Status>,
    recorded_at: Option<Instant>,
    reason: Option<String>,
    decision: Option<u64>,
}

impl OffsetRow {
    fn of(topic: &str, found: LedgerOffset) -> Self {
        let class = found.class_name();
        let event = found.event.as_ref();
        let text = |of: fn(&LedgerEvent) -> &str| event.map(|event| of(event).to_owned());
        Self {
            topic: topic.to_owned(),
            partition: found.position.partition,
            offset: found.position.offset,
            offsets: found.count,
            class,
            arrived_at: found.arrived_at.map(Instant),
            saga_id: text(|event| event.saga_id.as_str()),
            event_id: text(|event| &event.event_id),
            step: text(|event| &event.step),
            status: event.map(|event| event.status.into()),
            recorded_at: event.map(|event| Instant(event.recorded_at)),
            reason: found.reason,
            decision: found.decision,
        }
    }
}

/// The offset to go on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    partition: u32,
    offset: u64,
}

impl From<Position> for Place {
    fn from(Position { partition, offset }: Position) -> Self {
        Self { partition, offset }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

pub(super) fn parse_place(text: &str) -> Option<Position> {
    let (partition, offset) = text.split_once('-')?;
    Some(Position::new(partition.parse().ok()?, offset.parse().ok()?))
}

/// The next rows from a place on, and where those behind them begin.
pub(super) fn part(
    reads: &Reads,
    partition: Option<u32>,
    from: Place,
    left: u64,
) -> Result<(Vec<OffsetRow>, Option<Place>), ApiError> {
    let page = reads.ledger_offsets(&OffsetsRequest {
        partition,
        from: Position::new(from.partition, from.offset),
        limit: usize::try_from(left).map_or(PART, |left| left.min(PART)),
    })?;
    let topic = reads.query.topic();
    let rows = page.offsets.into_iter().map(|found| OffsetRow::of(topic, found));
    Ok((rows.collect(), page.next.map(Place::from)))
}
