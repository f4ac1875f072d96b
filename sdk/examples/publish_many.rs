//! Publishes many events and prints each, so that another program can check what arrived.
//!
//! ```text
//! cargo run -p saga-tracker-sdk --example publish_many -- localhost:9092 c4ang.saga.tracker 1000 7
//! ```
//!
//! Standard output has one JSON object per event, in order of publishing: the nine fields of the
//! contract, timestamps as ISO 8601. The same seed makes the same events.

#![expect(clippy::print_stdout, reason = "standard output is what this program is for")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use saga_tracker_sdk::contract::{SagaStatus, SagaType, metadata, steps};
use saga_tracker_sdk::publishing::{
    Clock, Delivery, EventIds, KafkaSagaTrackerClient, SagaStep, SagaTrackerClient, SagaTrackerSettings,
    Stamp,
};

/// A clock that moves by a few milliseconds, or not at all, each time somebody looks.
struct SteppingClock(AtomicU64);

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        let tick = self.0.fetch_add(1, Ordering::Relaxed);
        let ms = 1_767_225_600_000 + i64::try_from(tick / 2 * 7).unwrap_or(0);
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

struct SeededIds {
    seed: u64,
    next: AtomicU64,
}

impl EventIds for SeededIds {
    fn next(&self) -> String {
        format!("sdk-{}-{}", self.seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

fn mix(seed: u64, number: u64) -> u64 {
    let mut bits = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(number.wrapping_mul(0xd134_2543_de82_ef95));
    bits = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    bits ^ (bits >> 32)
}

fn step(seed: u64, number: u64) -> (SagaStep, SagaStatus) {
    let bits = mix(seed, number);
    let pick = |salt: u32, choices: u64| bits.rotate_right(salt) % choices;
    let saga = format!("sdk-saga-{seed}-{}", pick(0, 64));
    let saga_type = if pick(0, 2) == 0 {
        SagaType::OrderCreation
    } else {
        SagaType::PaymentCompletion
    };
    let name = steps::ALL[usize::try_from(pick(9, 17)).unwrap_or(0)];
    let status = SagaStatus::ALL[usize::try_from(pick(17, 5)).unwrap_or(0)];
    let mut step = SagaStep::new(&saga, saga_type, name, format!("order-of-{saga}"));
    if pick(25, 3) == 0 {
        step = step.with_trace(format!("{bits:032x}"), format!("{bits:016x}"));
    }
    if pick(33, 4) == 0 {
        step = step
            .with_metadata(metadata::ORDER_AMOUNT, pick(3, 1_000_000))
            .with_metadata("상품", "노트북 \"15\"");
    }
    (step, status)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, count, seed] = arguments.as_slice() else {
        return Err("expected four arguments: BOOTSTRAP_SERVERS TOPIC COUNT SEED".into());
    };
    let (count, seed): (u64, u64) = (count.parse()?, seed.parse()?);
    let settings = SagaTrackerSettings {
        enabled: true,
        bootstrap_servers: bootstrap.clone(),
        topic: topic.clone(),
        delivery: Delivery::Background,
        ..SagaTrackerSettings::default()
    };
    let ids = SeededIds {
        seed,
        next: AtomicU64::new(0),
    };
    let stamp = Stamp::new(
        "sdk-publish-many",
        Arc::new(SteppingClock(AtomicU64::new(0))),
        Arc::new(ids),
    );
    let client = KafkaSagaTrackerClient::new(&settings, stamp.clone())?;
    for number in 0..count {
        let (step, status) = step(seed, number);
        let event = stamp.event(step, status);
        println!("{}", serde_json::to_string(&event)?);
        client.publish(event).await?;
    }
    client.flush(Duration::from_secs(60)).await?;
    match client.undelivered() {
        0 => Ok(()),
        lost => Err(format!("{lost} of {count} events were not delivered").into()),
    }
}
