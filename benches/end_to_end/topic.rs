//! The topic: made, filled, and consumed by nothing but librdkafka.

use crate::settings::Settings;
use crate::traffic::Traffic;
use anyhow::Context as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use saga_tracker::domain::clock::{Clock as _, SystemClock};
use saga_tracker::domain::{Cut, Millis};
use saga_tracker_sdk::encoding::Encoder;
use serde_json::json;
use std::time::{Duration, Instant};

const PARTITIONS: u32 = 3;
const TIMEOUT: Duration = Duration::from_secs(30);
/// About how many reports a saga makes; decides only when the traffic began, so that it ends now.
const REPORTS_PER_SAGA: u64 = 4;

/// The run's traffic: `events` reports that end about now.
pub(crate) fn traffic(settings: &Settings, events: u64) -> Traffic {
    let seconds = events / REPORTS_PER_SAGA / settings.sagas_per_second;
    let first = Millis(SystemClock.now().0 - i64::try_from(seconds * 1000).unwrap_or(0));
    let step_us = 1_000_000 / i64::try_from(settings.sagas_per_second).unwrap_or(1);
    Traffic::new(settings.seed, first, step_us)
}

/// Makes the topic (and its dead-letter topic) and publishes the traffic to it. Returns some of the
/// sagas in it.
pub(crate) fn fill(settings: &Settings, topic: &str, events: u64) -> anyhow::Result<Vec<String>> {
    let started = Instant::now();
    create(settings, topic)?;
    let producer: BaseProducer = client(settings)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "20")
        .set("queue.buffering.max.kbytes", "65536")
        .create()?;
    let encoder = Encoder::published()?;
    let mut sagas = Vec::new();
    let wanted = usize::try_from(events).unwrap_or(usize::MAX);
    for (number, report) in traffic(settings, events).take(wanted).enumerate() {
        let message = report.message(&encoder)?;
        if number % 16 == 0 && sagas.len() < 20_000 {
            sagas.extend(report.planned().map(|planned| planned.saga_id.clone()));
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).key(&message.key);
        if let Some(value) = &message.value {
            record = record.payload(value);
        }
        while let Err((error, back)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error).context("publishing");
            }
            producer.poll(Duration::from_millis(20));
            record = back;
        }
    }
    producer.flush(TIMEOUT).context("publishing")?;
    let held: u64 = ends(settings, topic)?.iter().map(|(_, end)| end).sum();
    anyhow::ensure!(held == events, "{topic} holds {held} records, not {events}");
    eprintln!(
        "{topic}: {events} records published in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    Ok(sagas)
}

pub(crate) fn create(settings: &Settings, topic: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(settings).create()?;
    let dead = format!("{topic}.dlt");
    let topics = [topic, dead.as_str()]
        .map(|name| NewTopic::new(name, PARTITIONS.cast_signed(), TopicReplication::Fixed(1)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for made in runtime.block_on(admin.create_topics(&topics, &AdminOptions::new()))? {
        made.map_err(|(name, error)| anyhow::anyhow!("topic {name}: {error}"))?;
    }
    Ok(())
}

/// Where the topic ends.
pub(crate) fn ends(settings: &Settings, topic: &str) -> anyhow::Result<Cut> {
    let consumer: BaseConsumer = client(settings).set("group.id", "bench").create()?;
    (0..PARTITIONS)
        .map(|partition| {
            let (_, end) = consumer.fetch_watermarks(topic, partition.cast_signed(), TIMEOUT)?;
            Ok((partition, u64::try_from(end)?))
        })
        .collect()
}

/// Consumes the topic from its beginning to its end with the tracker's client settings, and does
/// nothing with it.
pub(crate) fn consume(settings: &Settings, topic: &str) -> anyhow::Result<serde_json::Value> {
    let mut left: u64 = ends(settings, topic)?.iter().map(|(_, end)| end).sum();
    let events = left;
    let started = Instant::now();
    let consumer: BaseConsumer = settings.ingest(topic).consumer_config().create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition.cast_signed(), Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut bytes = 0;
    while left > 0 {
        let message = consumer
            .poll(TIMEOUT)
            .with_context(|| format!("{left} records did not come"))?;
        bytes += message?.payload_len();
        left -= 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({ "events": events, "seconds": seconds, "bytes": bytes }))
}

pub(crate) fn client(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.bootstrap);
    config
}
