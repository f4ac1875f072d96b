//! The objects of an OCEL log: sagas with what their status was when, and their orders.

use super::super::super::error::ApiError;
use super::super::log::Visit;
use super::seen::{Orders, is_first};
use super::{List, ORDER, SAGA, object_id, related};
use crate::domain::{Millis, SagaId, SagaStatus};
use crate::pipeline::query::{Query, SearchRequest, TimelineStep};
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// What an object had from the beginning is said to have had since then.
const ALWAYS: &str = "1970-01-01T00:00:00Z";

/// The second walk.
pub(super) struct Objects<'r> {
    query: &'r Query,
    request: &'r SearchRequest,
    pub(super) list: List,
    /// The saga that is being written.
    open: Option<Open>,
    orders: Orders,
}

struct Open {
    order: String,
    /// The last status that was written.
    told: Option<SagaStatus>,
    /// The status after the last event, which another one of the same instant may change.
    now: (Millis, SagaStatus),
}

impl<'r> Objects<'r> {
    pub(super) fn begin(query: &'r Query, request: &'r SearchRequest, list: List) -> Self {
        Self {
            query,
            request,
            list,
            open: None,
            orders: Orders::default(),
        }
    }

    fn begin_saga(&mut self, saga: &SagaId, step: &TimelineStep<'_>) -> ControlFlow<()> {
        self.list.comma();
        self.list.raw("{\"id\":");
        self.list.json(&object_id(SAGA, saga.as_str()))?;
        self.list.raw(",\"type\":\"saga\",\"attributes\":[");
        self.list.json(&told("sagaId", saga.as_str(), ALWAYS))?;
        self.list.raw(",");
        let saga_type = step.saga.saga_type.as_str();
        self.list.json(&told("sagaType", saga_type, ALWAYS))
    }

    /// Tells the status that the saga had after an instant, if it had another one before.
    fn tell_status(&mut self) -> ControlFlow<()> {
        let Some(open) = &mut self.open else {
            return ControlFlow::Continue(());
        };
        let (at, status) = open.now;
        if open.told.replace(status) == Some(status) {
            return ControlFlow::Continue(());
        }
        self.list.raw(",");
        let attribute = told("status", status.as_str(), &at.to_string());
        self.list.json(&attribute)?;
        self.list.parts.send_when_full()
    }

    fn end_saga(&mut self, order: &str) -> ControlFlow<()> {
        let order = (!order.is_empty()).then(|| related(ORDER, order));
        self.list.raw("],\"relationships\":");
        self.list.json(&order.as_slice())?;
        self.list.raw("}");
        self.list.parts.send_when_full()
    }
}

fn told(name: &str, value: &str, time: &str) -> Value {
    json!({"name": name, "time": time, "value": value})
}

impl Visit for Objects<'_> {
    fn event(&mut self, saga: &SagaId, step: &TimelineStep<'_>) -> ControlFlow<()> {
        let now = (step.event.place.recorded_at, step.saga.status);
        match &mut self.open {
            None => {
                self.open = Some(Open {
                    order: step.saga.order_id.as_str().to_owned(),
                    told: None,
                    now,
                });
                return self.begin_saga(saga, step);
            }
            Some(open) if open.now.0 == now.0 => open.now = now,
            Some(_) => {
                self.tell_status()?;
                if let Some(open) = &mut self.open {
                    open.now = now;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn saga_ends(&mut self, saga: &SagaId) -> Result<ControlFlow<()>, ApiError> {
        let flow = self.tell_status();
        let Some(open) = self.open.take() else {
            return Ok(ControlFlow::Continue(()));
        };
        if flow.is_break() || self.end_saga(&open.order).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let (query, request) = (self.query, self.request);
        let is_first = || is_first(query, request, &open.order, saga);
        if open.order.is_empty() || !self.orders.is_new(&open.order, is_first)? {
            return Ok(ControlFlow::Continue(()));
        }
        let attributes = [told("orderId", &open.order, ALWAYS)];
        Ok(self.list.add(&json!({
            "id": object_id(ORDER, &open.order),
            "type": ORDER,
            "attributes": attributes,
            "relationships": [],
        })))
    }
}
