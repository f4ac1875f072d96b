//! How the shop's sagas go: which service reports which step with which status, and when.

use std::time::Duration;

use saga_tracker_sdk::contract::SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
use saga_tracker_sdk::contract::steps::{
    COMPENSATION_ORDER, COMPENSATION_STOCK, ORDER_CANCELLED, ORDER_CONFIRMED, ORDER_CREATED, ORDER_TIMEOUT,
    PAYMENT_CANCELLED, PAYMENT_COMPLETED, PAYMENT_FAILED, PAYMENT_INITIALIZATION, PAYMENT_INITIALIZED,
    PAYMENT_REFUNDED, STOCK_RELEASED, STOCK_RESERVATION, STOCK_RESERVATION_FAILED, STOCK_RESERVED,
};
use saga_tracker_sdk::contract::{Metadata, SagaStatus, SagaType, metadata};
use uuid::Builder;

use super::record::{Content, PlannedEvent, PlannedRecord, Service};
use super::rng::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OrderStory {
    Confirmed,
    OutOfStock,
    PaymentFailed,
    TimedOut,
    /// Nobody goes on, and nobody says so.
    Stuck,
    /// Failed, and the stock is never given back.
    NeverCompensated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PaymentStory {
    Paid,
    PaidAndRefunded,
    Declined,
    Stuck,
}

/// An order's saga, and the payment's where it comes to one.
pub(super) fn order(rng: &mut Rng, order_id: &str) -> (Vec<PlannedEvent>, Option<Vec<PlannedEvent>>) {
    let story = rng.weighted([
        (620, OrderStory::Confirmed),
        (110, OrderStory::OutOfStock),
        (140, OrderStory::PaymentFailed),
        (40, OrderStory::TimedOut),
        (60, OrderStory::Stuck),
        (30, OrderStory::NeverCompensated),
    ]);
    let payment = match story {
        OrderStory::Confirmed if rng.per_mille(60) => Some(PaymentStory::PaidAndRefunded),
        OrderStory::Confirmed => Some(PaymentStory::Paid),
        OrderStory::PaymentFailed | OrderStory::NeverCompensated => Some(PaymentStory::Declined),
        OrderStory::TimedOut => Some(PaymentStory::Stuck),
        OrderStory::OutOfStock | OrderStory::Stuck => None,
    };
    let order = tell_order(rng, order_id, story);
    (order, payment.map(|story| tell_payment(rng, order_id, story)))
}

fn tell_order(rng: &mut Rng, order_id: &str, story: OrderStory) -> Vec<PlannedEvent> {
    let mut saga = Telling::new(rng, order_id, order_id.to_owned(), SagaType::OrderCreation);
    let amount = saga.rng.between(10, 2_000) * 100;
    let customer = format!("customer-{}", saga.rng.below(5_000));
    saga.report(0, Service::Order, ORDER_CREATED, Started);
    saga.with(metadata::ORDER_AMOUNT, amount);
    saga.with("customerId", customer);
    saga.report(40, Service::Product, STOCK_RESERVATION, InProgress);
    if story == OrderStory::OutOfStock {
        saga.out_of_stock();
        return saga.events;
    }
    if story == OrderStory::Stuck && saga.rng.per_mille(400) {
        return saga.events;
    }
    // Both services report the step: for the one it is done, for the other the saga goes on.
    saga.report(120, Service::Product, STOCK_RESERVED, Completed);
    saga.report(30, Service::Order, STOCK_RESERVED, InProgress);
    match story {
        OrderStory::Confirmed => {
            saga.report(1_500, Service::Order, PAYMENT_COMPLETED, InProgress);
            saga.with_payment_method();
            saga.report(80, Service::Order, ORDER_CONFIRMED, Completed);
        }
        OrderStory::PaymentFailed => {
            let reason = saga.fail_payment();
            saga.undo(reason);
        }
        OrderStory::NeverCompensated => {
            saga.fail_payment();
        }
        OrderStory::TimedOut => {
            let reason = "PAYMENT_TIMEOUT";
            saga.report(15_000, Service::Order, ORDER_TIMEOUT, Failed);
            saga.with(metadata::FAILURE_REASON, reason);
            saga.undo(reason);
        }
        OrderStory::OutOfStock | OrderStory::Stuck => {}
    }
    saga.events
}

fn tell_payment(rng: &mut Rng, order_id: &str, story: PaymentStory) -> Vec<PlannedEvent> {
    let saga_id = uuid(rng);
    let mut saga = Telling::new(rng, order_id, saga_id, SagaType::PaymentCompletion);
    saga.report(0, Service::Payment, PAYMENT_INITIALIZATION, Started);
    saga.with_payment_method();
    saga.report(90, Service::Payment, PAYMENT_INITIALIZED, InProgress);
    match story {
        PaymentStory::Paid => saga.report(1_200, Service::Payment, PAYMENT_COMPLETED, Completed),
        PaymentStory::PaidAndRefunded => {
            saga.report(1_200, Service::Payment, PAYMENT_COMPLETED, Completed);
            saga.report(6_000, Service::Payment, PAYMENT_REFUNDED, Compensated);
        }
        PaymentStory::Declined => {
            saga.fail_payment();
            if saga.rng.per_mille(900) {
                saga.report(250, Service::Payment, PAYMENT_CANCELLED, Compensated);
            }
        }
        PaymentStory::Stuck => {}
    }
    saga.events
}

fn uuid(rng: &mut Rng) -> String {
    let bits = u128::from(rng.bits()) << 64 | u128::from(rng.bits());
    Builder::from_random_bytes(bits.to_be_bytes())
        .into_uuid()
        .to_string()
}

/// A saga as it is told: each report comes some time after the one before.
struct Telling<'a> {
    rng: &'a mut Rng,
    saga_id: String,
    order_id: String,
    saga_type: SagaType,
    trace_id: String,
    now_ms: u64,
    events: Vec<PlannedEvent>,
}

impl<'a> Telling<'a> {
    fn new(rng: &'a mut Rng, order_id: &str, saga_id: String, saga_type: SagaType) -> Self {
        let trace_id = format!("{:016x}{:016x}", rng.bits(), rng.bits());
        Self {
            rng,
            saga_id,
            order_id: order_id.to_owned(),
            saga_type,
            trace_id,
            now_ms: 0,
            events: Vec::new(),
        }
    }

    /// Adds a report, half to one and a half times `usual_ms` after the one before.
    fn report(&mut self, usual_ms: u64, service: Service, step: &'static str, status: SagaStatus) {
        self.now_ms += self.rng.between(usual_ms / 2, usual_ms + usual_ms / 2);
        let metadata = Metadata::new()
            .with(metadata::TRACE_ID, self.trace_id.as_str())
            .with(metadata::SPAN_ID, format!("{:016x}", self.rng.bits()));
        self.events.push(PlannedEvent {
            event_id: uuid(self.rng),
            saga_id: self.saga_id.clone(),
            saga_type: self.saga_type.clone(),
            step,
            status,
            order_id: self.order_id.clone(),
            service,
            metadata,
            odd_metadata: None,
            recorded_after_ms: i64::try_from(self.now_ms).unwrap_or(i64::MAX),
        });
    }

    /// Adds metadata to the last report.
    fn with(&mut self, key: &str, value: impl Into<serde_json::Value>) {
        if let Some(event) = self.events.last_mut() {
            event.metadata = std::mem::take(&mut event.metadata).with(key, value);
        }
    }

    fn with_payment_method(&mut self) {
        let method = self.rng.pick(["CARD", "CARD", "TRANSFER", "MOBILE"]);
        self.with(metadata::PAYMENT_METHOD, method);
    }

    fn fail_payment(&mut self) -> &'static str {
        let reason = self.rng.pick([
            "CARD_DECLINED",
            "INSUFFICIENT_FUNDS",
            "LIMIT_EXCEEDED",
            "PROVIDER_UNAVAILABLE",
        ]);
        self.report(2_000, Service::Payment, PAYMENT_FAILED, Failed);
        self.with(metadata::FAILURE_REASON, reason);
        reason
    }

    /// The product service knows first, but it is the order service that fails the saga.
    fn out_of_stock(&mut self) {
        let reason = self
            .rng
            .pick(["OUT_OF_STOCK", "OUT_OF_STOCK", "PRODUCT_DISCONTINUED"]);
        self.report(100, Service::Product, STOCK_RESERVATION_FAILED, InProgress);
        self.with(metadata::FAILURE_REASON, reason);
        self.report(60, Service::Order, STOCK_RESERVATION_FAILED, Failed);
        self.with(metadata::FAILURE_REASON, reason);
        if self.rng.per_mille(700) {
            self.report(200, Service::Order, COMPENSATION_ORDER, Compensated);
        }
    }

    /// The stock goes back while the saga is failed already: an IN_PROGRESS that must not revive it.
    fn undo(&mut self, reason: &str) {
        self.report(150, Service::Product, STOCK_RELEASED, InProgress);
        self.report(60, Service::Order, ORDER_CANCELLED, Failed);
        self.with(metadata::FAILURE_REASON, reason);
        self.report(400, Service::Product, COMPENSATION_STOCK, Compensated);
    }
}

/// The reports with the times at which they reach Kafka: a moment after they were made, so that one
/// service may overtake another, though never itself.
pub(super) fn arrivals(rng: &mut Rng, story: Vec<PlannedEvent>) -> Vec<PlannedRecord> {
    let arrive = |event: PlannedEvent| {
        let made_ms = u64::try_from(event.recorded_after_ms).unwrap_or(0);
        let delay = Duration::from_millis(made_ms + rng.between(0, 25));
        PlannedRecord {
            delay,
            content: Content::Event(Box::new(event)),
        }
    };
    story.into_iter().map(arrive).collect()
}
