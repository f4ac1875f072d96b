//! An event log as XES (IEEE 1849): a trace for each saga, in which its events stand as they are folded.

use super::super::chunked::Parts;
use super::super::error::ApiError;
use super::log::{Visit, each_event};
use super::reads::{Reads, Selection};
use super::xml;
use crate::domain::{SagaId, SagaStatus};
use crate::pipeline::query::TimelineStep;
use std::ops::ControlFlow;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<log xmlns="http://www.xes-standard.org/" xes.version="1849.2016" xes.features="">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<global scope="trace"><string key="concept:name" value=""/><string key="sagaType" value=""/></global>
<global scope="event"><string key="concept:name" value=""/><date key="time:timestamp" value="1970-01-01T00:00:00Z"/><string key="lifecycle:transition" value="complete"/></global>
<classifier name="Step" keys="concept:name"/>
<classifier name="Step and lifecycle" keys="concept:name lifecycle:transition"/>
<string key="lifecycle:model" value="standard"/>
"#;
const TAIL: &[u8] = b"</log>\n";

/// Writes the log.
pub(super) fn write(reads: &Reads, selection: &Selection, parts: Parts) -> Result<(), ApiError> {
    let mut log = Xes {
        parts,
        in_trace: false,
    };
    log.parts.part().extend_from_slice(HEAD.as_bytes());
    if !each_event(reads, selection, None, &mut log)?.broken {
        log.parts.part().extend_from_slice(TAIL);
        log.parts.finish();
    }
    Ok(())
}

struct Xes {
    parts: Parts,
    in_trace: bool,
}

impl Visit for Xes {
    fn event(&mut self, saga: &SagaId, step: &TimelineStep<'_>) -> ControlFlow<()> {
        let out = self.parts.part();
        if !std::mem::replace(&mut self.in_trace, true) {
            begin_trace(out, saga, step);
        }
        event(out, step);
        self.parts.send_when_full()
    }

    fn saga_ends(&mut self, _: &SagaId) -> Result<ControlFlow<()>, ApiError> {
        if std::mem::replace(&mut self.in_trace, false) {
            self.parts.part().extend_from_slice(b"</trace>\n");
        }
        Ok(self.parts.send_when_full())
    }
}

fn begin_trace(out: &mut Vec<u8>, saga: &SagaId, step: &TimelineStep<'_>) {
    out.extend_from_slice(b"<trace>");
    text(out, "concept:name", saga.as_str());
    text(out, "sagaType", step.saga.saga_type.as_str());
    text(out, "orderId", step.saga.order_id.as_str());
    out.push(b'\n');
}

fn event(out: &mut Vec<u8>, step: &TimelineStep<'_>) {
    let event = &step.event;
    let position = event.place.position;
    out.extend_from_slice(b"<event>");
    text(out, "concept:name", event.step);
    value(
        out,
        "date",
        "time:timestamp",
        &event.place.recorded_at.to_string(),
    );
    text(out, "lifecycle:transition", transition(event.status));
    for (key, found) in [
        ("org:resource", event.producer_service),
        ("traceId", event.trace_id),
        ("eventId", Some(event.event_id)),
    ] {
        if let Some(found) = found {
            text(out, key, found);
        }
    }
    text(out, "status", event.status.as_str());
    text(out, "effectiveStatus", step.effective.as_str());
    text(out, "sagaStatus", step.saga.status.as_str());
    value(out, "int", "partition", &position.partition.to_string());
    value(out, "int", "offset", &position.offset.to_string());
    out.extend_from_slice(b"</event>\n");
}

/// What a report says of its step, in the standard lifecycle: STARTED that it was begun, FAILED that it came to
/// nothing, the others that it was done.
fn transition(status: SagaStatus) -> &'static str {
    match status {
        SagaStatus::Started => "start",
        SagaStatus::InProgress | SagaStatus::Completed | SagaStatus::Compensated => "complete",
        SagaStatus::Failed => "ate_abort",
    }
}

fn text(out: &mut Vec<u8>, key: &str, text: &str) {
    value(out, "string", key, text);
}

fn value(out: &mut Vec<u8>, kind: &str, key: &str, value: &str) {
    out.extend_from_slice(format!("<{kind} key=\"{key}\" value=\"").as_bytes());
    xml::attribute(out, value);
    out.extend_from_slice(b"\"/>");
}
