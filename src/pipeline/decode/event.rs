//! A decoded record, and the limits it has to keep to become an event.

use super::defect::shown;
use super::metadata::Outline;
use super::{Defect, DefectReason};
use crate::domain::text::is_longer;
use crate::domain::{Event, Millis, Position, SagaStatus};
use saga_tracker_sdk::contract::limits::{
    MAX_ID_CHARS, MAX_METADATA_BYTES, MAX_SAGA_TYPE_CHARS, MAX_STEP_CHARS,
};

/// The fields of the contract as the bytes have them, not yet held against its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Decoded<'a> {
    /// `eventId`.
    pub event_id: &'a str,
    /// `eventTimestamp`, milliseconds since 1970.
    pub event_timestamp: i64,
    /// `sagaId`.
    pub saga_id: &'a str,
    /// `sagaType`.
    pub saga_type: &'a str,
    /// `step`.
    pub step: &'a str,
    /// `status`, any symbol of the writer.
    pub status: &'a str,
    /// `orderId`.
    pub order_id: &'a str,
    /// `metadata`.
    pub metadata: Option<&'a str>,
    /// `recordedAt`, milliseconds since 1970.
    pub recorded_at: i64,
}

impl Decoded<'_> {
    /// The event, if the fields keep the contract's limits.
    ///
    /// # Errors
    /// A [`Defect`] that names the first field that does not.
    pub fn into_event(self, position: Position, arrived_at: Millis) -> Result<Event, Defect> {
        if self.saga_id.is_empty() {
            let detail = format!("field sagaId is empty; accepted: 1 to {MAX_ID_CHARS} characters");
            return Err(Defect::new(DefectReason::EmptySagaId, detail));
        }
        short("sagaId", self.saga_id, MAX_ID_CHARS)?;
        short("eventId", self.event_id, MAX_ID_CHARS)?;
        short("orderId", self.order_id, MAX_ID_CHARS)?;
        filled("sagaType", self.saga_type, MAX_SAGA_TYPE_CHARS)?;
        filled("step", self.step, MAX_STEP_CHARS)?;
        let status: SagaStatus = self.status.parse().map_err(|_| unknown_status(self.status))?;
        let recorded_at = instant("recordedAt", self.recorded_at)?;
        let event_timestamp = instant("eventTimestamp", self.event_timestamp)?;
        if let Some(length) = self
            .metadata
            .map(str::len)
            .filter(|length| *length > MAX_METADATA_BYTES)
        {
            let detail = format!("field metadata has {length} bytes; accepted: up to {MAX_METADATA_BYTES}");
            return Err(Defect::new(DefectReason::FieldTooLong, detail));
        }
        let outline = Outline::of(self.metadata);
        Ok(Event {
            position,
            arrived_at,
            recorded_at,
            event_timestamp,
            event_id: self.event_id.into(),
            saga_id: self.saga_id.into(),
            saga_type: self.saga_type.into(),
            step: self.step.into(),
            status,
            order_id: self.order_id.into(),
            metadata: self.metadata.map(Into::into),
            metadata_form: outline.form,
            producer_service: outline.producer_service.map(Into::into),
            trace_id: outline.trace_id.map(Into::into),
        })
    }
}

fn filled(field: &str, text: &str, limit: usize) -> Result<(), Defect> {
    if text.is_empty() {
        let detail = format!("field {field} is empty; accepted: 1 to {limit} characters");
        return Err(Defect::new(DefectReason::EmptyField, detail));
    }
    short(field, text, limit)
}

fn short(field: &str, text: &str, limit: usize) -> Result<(), Defect> {
    if !is_longer(text, limit) {
        return Ok(());
    }
    let found = text.chars().count();
    let detail = format!(
        "field {field} has {found} characters; accepted: up to {limit}; it begins {}",
        shown(text)
    );
    Err(Defect::new(DefectReason::FieldTooLong, detail))
}

#[cold]
fn unknown_status(found: &str) -> Defect {
    let accepted = SagaStatus::ALL.map(SagaStatus::as_str).join(", ");
    Defect::new(
        DefectReason::UnknownStatus,
        format!("field status is {}; accepted: {accepted}", shown(found)),
    )
}

fn instant(field: &str, millis: i64) -> Result<Millis, Defect> {
    let found = Millis(millis);
    if (Millis::EARLIEST_EVENT..Millis::LATEST_EVENT).contains(&found) {
        return Ok(found);
    }
    let detail = format!(
        "field {field} is {millis} ({found}); accepted: milliseconds since 1970, from {} up to {}",
        Millis::EARLIEST_EVENT,
        Millis::LATEST_EVENT
    );
    Err(Defect::new(DefectReason::BadTimestamp, detail))
}

#[cfg(test)]
mod tests;
