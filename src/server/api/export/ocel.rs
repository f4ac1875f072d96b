//! An event log as OCEL 2.0 (JSON): an event for each step; sagas and orders as objects.
//!
//! Events go out first, in one walk, then objects in a second one, which ends with the saga that the first ended with.
//! What neither keeps in memory is looked up: whether an order was written before.

mod events;
mod objects;
mod seen;

use super::super::chunked::Parts;
use super::super::error::ApiError;
use super::log::each_event;
use super::reads::{Reads, Selection};
use events::{EventAttributes, Events};
use objects::Objects;
use seen::OTHER;
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;

const SAGA: &str = "saga";
const ORDER: &str = "order";

/// Writes the log.
pub(super) fn write(reads: &Reads, selection: &Selection, parts: Parts) -> Result<(), ApiError> {
    let mut events = Events::begin(parts);
    let walked = each_event(reads, selection, None, &mut events)?;
    if walked.broken {
        return Ok(());
    }
    let Events { list, types } = events;
    let mut objects = Objects::begin(&reads.query, &selection.request, list.next("objects"));
    if let Some(last) = &walked.last
        && each_event(reads, selection, Some(last), &mut objects)?.broken
    {
        return Ok(());
    }
    let mut list = objects.list.next("eventTypes");
    for name in types.names() {
        if list.add(&event_type(name)).is_break() {
            return Ok(());
        }
    }
    end(list.next("objectTypes"));
    Ok(())
}

fn event_type(name: &str) -> Value {
    let text = |name| json!({"name": name, "type": "string"});
    let number = |name| json!({"name": name, "type": "integer"});
    let mut attributes: Vec<Value> = EventAttributes::TEXTS.map(text).into();
    attributes.extend(EventAttributes::NUMBERS.map(number));
    if name == OTHER {
        attributes.push(text("step"));
    }
    json!({"name": name, "attributes": attributes})
}

fn end(mut list: List) {
    let text = |name| json!({"name": name, "type": "string"});
    let (of_saga, of_order) = (["sagaId", "sagaType", "status"].map(text), ["orderId"].map(text));
    let saga = json!({"name": SAGA, "attributes": of_saga});
    let order = json!({"name": ORDER, "attributes": of_order});
    if list.add(&saga).is_continue() && list.add(&order).is_continue() {
        list.parts.part().extend_from_slice(b"]}\n");
        list.parts.finish();
    }
}

/// A list of the document, and what follows it.
struct List {
    parts: Parts,
    begun: bool,
}

impl List {
    /// Ends this list and begins the next one.
    fn next(mut self, name: &str) -> Self {
        let next = format!("],\n\"{name}\":[");
        self.parts.part().extend_from_slice(next.as_bytes());
        self.begun = false;
        self
    }

    fn add(&mut self, entry: &impl Serialize) -> ControlFlow<()> {
        self.comma();
        self.json(entry)?;
        self.parts.send_when_full()
    }

    fn comma(&mut self) {
        let between: &[u8] = if self.begun { b",\n" } else { b"\n" };
        self.begun = true;
        self.parts.part().extend_from_slice(between);
    }

    fn json(&mut self, value: &impl Serialize) -> ControlFlow<()> {
        match serde_json::to_writer(self.parts.part(), value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn raw(&mut self, text: &str) {
        self.parts.part().extend_from_slice(text.as_bytes());
    }
}

#[derive(Serialize)]
struct Relationship {
    #[serde(rename = "objectId")]
    object: String,
    qualifier: &'static str,
}

fn related(kind: &'static str, id: &str) -> Relationship {
    Relationship {
        object: object_id(kind, id),
        qualifier: kind,
    }
}

/// A saga may be called as its order is.
fn object_id(kind: &str, id: &str) -> String {
    format!("{kind}:{id}")
}
