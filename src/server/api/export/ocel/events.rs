//! The events of an OCEL log.

use super::super::super::chunked::Parts;
use super::super::super::error::ApiError;
use super::super::log::Visit;
use super::seen::{OTHER, Types};
use super::{List, ORDER, Relationship, SAGA, related};
use crate::domain::SagaId;
use crate::pipeline::query::TimelineStep;
use serde::Serialize;
use std::ops::ControlFlow;

/// The first walk.
pub(super) struct Events {
    pub(super) list: List,
    pub(super) types: Types,
}

#[derive(Serialize)]
struct Event<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'a str,
    time: String,
    attributes: Vec<Attribute<'a>>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    name: &'static str,
    value: Scalar<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Scalar<'a> {
    Text(&'a str),
    Number(u64),
}

impl Events {
    pub(super) fn begin(mut parts: Parts) -> Self {
        parts.part().extend_from_slice(b"{\"events\":[");
        let list = List { parts, begun: false };
        Self {
            list,
            types: Types::default(),
        }
    }
}

impl Visit for Events {
    fn event(&mut self, saga: &SagaId, step: &TimelineStep<'_>) -> ControlFlow<()> {
        let kind = self.types.of_step(step.event.step);
        let position = step.event.place.position;
        let order = step.saga.order_id.as_str();
        let order = (!order.is_empty()).then(|| related(ORDER, order));
        let mut attributes = EventAttributes::of(step);
        if kind == OTHER {
            attributes.push(attribute("step", Scalar::Text(step.event.step)));
        }
        self.list.add(&Event {
            // Ids of events are unique within their saga only, and may be missing.
            id: format!("{}-{}", position.partition, position.offset),
            kind,
            time: step.event.place.recorded_at.to_string(),
            attributes,
            relationships: [related(SAGA, saga.as_str())].into_iter().chain(order).collect(),
        })
    }

    fn saga_ends(&mut self, _: &SagaId) -> Result<ControlFlow<()>, ApiError> {
        Ok(ControlFlow::Continue(()))
    }
}

/// What is told of an event, and what its type says that is.
pub(super) struct EventAttributes;

impl EventAttributes {
    pub(super) const TEXTS: [&'static str; 6] = [
        "eventId",
        "status",
        "effectiveStatus",
        "sagaStatus",
        "producerService",
        "traceId",
    ];
    pub(super) const NUMBERS: [&'static str; 2] = ["partition", "offset"];

    fn of<'a>(step: &TimelineStep<'a>) -> Vec<Attribute<'a>> {
        let event = &step.event;
        let position = event.place.position;
        let texts = [
            Some(event.event_id),
            Some(event.status.as_str()),
            Some(step.effective.as_str()),
            Some(step.saga.status.as_str()),
            event.producer_service,
            event.trace_id,
        ];
        let numbers = [u64::from(position.partition), position.offset];
        let texts = Self::TEXTS.into_iter().zip(texts);
        let texts = texts.filter_map(|(name, text)| Some(attribute(name, Scalar::Text(text?))));
        let numbers = Self::NUMBERS.into_iter().zip(numbers);
        texts
            .chain(numbers.map(|(name, number)| attribute(name, Scalar::Number(number))))
            .collect()
    }
}

fn attribute<'a>(name: &'static str, value: Scalar<'a>) -> Attribute<'a> {
    Attribute { name, value }
}
