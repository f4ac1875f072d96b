//! Realistic sagas, planned: what each service reports, how long after the saga's start it happened,
//! and when its report arrives. The same seed makes the same sagas, identifiers included.
//!
//! No clock and no Kafka: a plan becomes events when somebody says when the saga began.

use std::time::Duration;

use saga_tracker_sdk::contract::metadata;

use super::poison::{Poison, PoisonKind};
use super::record::{Content, PlannedEvent, PlannedRecord, Service};
use super::rng::Rng;
use super::stories;

/// Sagas without end; see [`sagas`].
#[derive(Debug, Clone)]
pub struct Sagas {
    rng: Rng,
    run: u64,
    orders: u64,
    next: Option<Vec<PlannedRecord>>,
}

/// Sagas without end, each with its records in the order in which they are published. Another seed
/// makes other sagas: no identifier is shared.
pub fn sagas(seed: u64) -> Sagas {
    let mut rng = Rng::new(seed);
    let run = rng.bits() >> 40;
    Sagas {
        rng,
        run,
        orders: 0,
        next: None,
    }
}

impl Iterator for Sagas {
    type Item = Vec<PlannedRecord>;

    fn next(&mut self) -> Option<Vec<PlannedRecord>> {
        if let Some(payment) = self.next.take() {
            return Some(payment);
        }
        self.orders += 1;
        let order_id = format!("ORD-{:06x}-{:06}", self.run, self.orders);
        let (order, payment) = stories::order(&mut self.rng, &order_id);
        self.next = payment.map(|story| disturb(&mut self.rng, story));
        Some(disturb(&mut self.rng, order))
    }
}

/// What happens to reports on their way, and to the clocks that they are stamped by.
fn disturb(rng: &mut Rng, story: Vec<PlannedEvent>) -> Vec<PlannedRecord> {
    // Arrival first: it goes by the world's time, whatever a service's clock shows.
    let mut records = stories::arrivals(rng, story);
    if rng.per_mille(150) {
        skew_clock(rng, &mut records);
    }
    if rng.per_mille(80) {
        share_a_millisecond(rng, &mut records);
    }
    if rng.per_mille(10) {
        garble_metadata(rng, &mut records);
    }
    if rng.per_mille(60) {
        arrive_late(rng, &mut records);
    }
    if rng.per_mille(80) {
        send_twice(rng, &mut records);
    }
    if rng.per_mille(20) {
        add_poison(rng, &mut records);
    }
    records.sort_by_key(|record| record.delay);
    records
}

fn skew_clock(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let service = rng.pick([Service::Order, Service::Product, Service::Payment]);
    let skew = i64::try_from(rng.between(200, 4_000)).unwrap_or(0);
    let skew = if rng.per_mille(500) { -skew } else { skew };
    for event in records.iter_mut().filter_map(PlannedRecord::event_mut) {
        if event.service == service {
            event.recorded_after_ms += skew;
        }
    }
}

fn share_a_millisecond(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let first = rng.index(records.len().saturating_sub(1));
    if let [first, second, ..] = &mut records[first..]
        && let (Some(first), Some(second)) = (first.planned_event(), second.event_mut())
    {
        second.recorded_after_ms = first.recorded_after_ms;
    }
}

fn garble_metadata(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let odd = rng.index(records.len());
    if let Some(event) = records[odd].event_mut() {
        event.odd_metadata = Some(rng.pick(["retry=2;channel=WEB", "[\"WEB\"]", "{\"channel\":"]));
    }
}

fn arrive_late(rng: &mut Rng, records: &mut [PlannedRecord]) {
    let late = rng.index(records.len());
    records[late].delay += Duration::from_millis(rng.between(5_000, 30_000));
}

fn send_twice(rng: &mut Rng, records: &mut Vec<PlannedRecord>) {
    let mut retry = records[rng.index(records.len())].clone();
    retry.delay += Duration::from_millis(rng.between(20, 3_000));
    // A producer that fills in its retry count reports something else under the same id.
    if rng.per_mille(60)
        && let Some(event) = retry.event_mut()
    {
        event.metadata = std::mem::take(&mut event.metadata).with(metadata::RETRY_COUNT, 1);
    }
    records.push(retry);
}

fn add_poison(rng: &mut Rng, records: &mut Vec<PlannedRecord>) {
    let before = &records[rng.index(records.len())];
    let delay = before.delay + Duration::from_millis(rng.between(1, 500));
    let Some(event) = before.planned_event() else {
        return;
    };
    let poison = Poison {
        kind: rng.pick(PoisonKind::ALL),
        saga_id: event.saga_id.clone(),
    };
    records.push(PlannedRecord {
        delay,
        content: Content::Poison(poison),
    });
}

#[cfg(test)]
mod tests;
