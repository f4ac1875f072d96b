//! The columns. Added to, never changed: files of years ago are read beside those of today.

use crate::domain::{Event, MetadataForm, Millis, Position, SagaId, SagaState};
use crate::parquet_table::Cell;
use parquet::record::{Field, Row};

/// The schema of every file.
pub(super) const MESSAGE: &str = "
message saga_event {
  required binary saga_id (STRING);
  required binary order_id (STRING);
  required binary saga_status (STRING);
  required binary saga_last_step (STRING);
  required int64 saga_started_at (TIMESTAMP(MILLIS,true));
  required int64 saga_updated_at (TIMESTAMP(MILLIS,true));
  required int32 saga_steps;
  required int32 saga_duplicates;
  required int32 saga_anomalies;
  optional int32 number;
  required binary event_id (STRING);
  required binary step (STRING);
  required binary status (STRING);
  required int64 recorded_at (TIMESTAMP(MILLIS,true));
  required int64 event_timestamp (TIMESTAMP(MILLIS,true));
  required int64 arrived_at (TIMESTAMP(MILLIS,true));
  required binary event_saga_type (STRING);
  required binary event_order_id (STRING);
  optional binary metadata (STRING);
  required int32 metadata_form;
  optional binary producer_service (STRING);
  optional binary trace_id (STRING);
  required int32 kafka_partition;
  required int64 kafka_offset;
}
";

/// One row: a delivery, its saga's final state, and its place in the timeline (none for a duplicate).
pub(super) struct Line<'e> {
    pub(super) event: &'e Event,
    pub(super) state: &'e SagaState,
    pub(super) number: Option<i32>,
}

/// The cells of a row, in the order of the columns.
pub(super) fn cells<'e>(line: &Line<'e>) -> [Cell<'e>; 24] {
    let (event, state) = (line.event, line.state);
    let int = |number: u32| Cell::Int(i32::try_from(number).unwrap_or(i32::MAX));
    [
        Cell::Text(event.saga_id.as_str()),
        Cell::Text(state.order_id.as_str()),
        Cell::Text(state.status.as_str()),
        Cell::Text(state.last_step.as_str()),
        Cell::Long(state.started_at.0),
        Cell::Long(state.updated_at.0),
        int(state.step_count),
        int(state.duplicates),
        int(state.anomalies.total.saturating_add(state.conflicts.total)),
        Cell::MaybeInt(line.number),
        Cell::Text(event.event_id.as_str()),
        Cell::Text(event.step.as_str()),
        Cell::Text(event.status.as_str()),
        Cell::Long(event.recorded_at.0),
        Cell::Long(event.event_timestamp.0),
        Cell::Long(event.arrived_at.0),
        Cell::Text(event.saga_type.as_str()),
        Cell::Text(event.order_id.as_str()),
        Cell::MaybeText(event.metadata.as_deref()),
        Cell::Int(event.metadata_form as i32),
        Cell::MaybeText(event.producer_service.as_deref()),
        Cell::MaybeText(event.trace_id.as_deref()),
        int(event.position.partition),
        Cell::Long(i64::try_from(event.position.offset).unwrap_or(i64::MAX)),
    ]
}

/// The saga of a row.
pub(super) fn saga_of(row: &Row) -> Option<&str> {
    match field(row, "saga_id")? {
        Field::Str(saga) => Some(saga),
        _ => None,
    }
}

/// The delivery of a row; `None` when the row is of another form.
pub(super) fn event_of(row: &Row) -> Option<Event> {
    let text = |name: &str| match field(row, name)? {
        Field::Str(text) => Some(text.as_str()),
        _ => None,
    };
    let maybe = |name: &str| match field(row, name)? {
        Field::Str(text) => Some(Some(Box::from(text.as_str()))),
        Field::Null => Some(None),
        _ => None,
    };
    let long = |name: &str| match field(row, name)? {
        Field::TimestampMillis(at) | Field::Long(at) => Some(*at),
        _ => None,
    };
    let int = |name: &str| match field(row, name)? {
        Field::Int(number) => Some(*number),
        _ => None,
    };
    Some(Event {
        position: Position::new(
            u32::try_from(int("kafka_partition")?).ok()?,
            u64::try_from(long("kafka_offset")?).ok()?,
        ),
        arrived_at: Millis(long("arrived_at")?),
        recorded_at: Millis(long("recorded_at")?),
        event_timestamp: Millis(long("event_timestamp")?),
        event_id: text("event_id")?.into(),
        saga_id: SagaId::from(text("saga_id")?),
        saga_type: text("event_saga_type")?.into(),
        step: text("step")?.into(),
        status: text("status")?.parse().ok()?,
        order_id: text("event_order_id")?.into(),
        metadata: maybe("metadata")?,
        metadata_form: MetadataForm::from_tag(u8::try_from(int("metadata_form")?).ok()?)?,
        producer_service: maybe("producer_service")?,
        trace_id: maybe("trace_id")?,
    })
}

/// Whether the delivery of a row stands for its event; none when the row is of another form.
pub(super) fn stands(row: &Row) -> Option<bool> {
    match field(row, "number")? {
        Field::Int(_) => Some(true),
        Field::Null => Some(false),
        _ => None,
    }
}

fn field<'r>(row: &'r Row, name: &str) -> Option<&'r Field> {
    row.get_column_iter()
        .find(|(column, _)| column.as_str() == name)
        .map(|(_, field)| field)
}
