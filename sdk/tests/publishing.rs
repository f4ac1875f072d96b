//! The Kafka client against librdkafka's in-process broker: what is on the topic afterwards.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use saga_tracker_sdk::contract::{SCHEMA, SagaStatus, SagaType, steps};
use saga_tracker_sdk::encoding::{Encoder, SchemaIdError, SchemaIdFuture, SchemaIds};
use saga_tracker_sdk::publishing::{
    self, Clock, Delivery, EventIds, KafkaSagaTrackerClient, PublishError, RandomEventIds, Receipt, SagaStep,
    SagaTrackerClient, SagaTrackerSettings, SetupError, Stamp, SystemClock,
};

const TOPIC: &str = "sagas";
const PARTITIONS: i32 = 3;

struct Counted(AtomicU64);

impl EventIds for Counted {
    fn next(&self) -> String {
        format!("event-{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-01-02T12:00:00.500Z".parse().unwrap()
    }
}

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
    cluster
}

fn settings(bootstrap_servers: String) -> SagaTrackerSettings {
    SagaTrackerSettings {
        enabled: true,
        bootstrap_servers,
        topic: TOPIC.to_owned(),
        producer_service: "order-service".to_owned(),
        schema_id: 77,
        ..SagaTrackerSettings::default()
    }
}

fn client(settings: &SagaTrackerSettings) -> Arc<dyn SagaTrackerClient> {
    publishing::client_with(settings, Arc::new(Noon), Arc::new(Counted(AtomicU64::new(0)))).unwrap()
}

fn step(saga: &str, step: &str) -> SagaStep {
    SagaStep::new(saga, SagaType::OrderCreation, step, format!("order-of-{saga}"))
}

/// Every record on the topic, partition by partition, once there are `count`.
fn topic(bootstrap: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment
            .add_partition_offset(TOPIC, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while records.len() < count {
        assert!(
            Instant::now() < deadline,
            "{} of {count} records within 20 s",
            records.len()
        );
        if let Some(record) = consumer.poll(Duration::from_millis(100)) {
            records.push(record.unwrap().detach());
        }
    }
    records.sort_by_key(|record| (record.partition(), record.offset()));
    records
}

fn fields(record: &OwnedMessage) -> BTreeMap<String, String> {
    let payload = record.payload().unwrap();
    assert_eq!(payload[..5], [0, 0, 0, 0, 77], "the frame");
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let value = GenericDatumReader::builder(&schema)
        .build()
        .unwrap()
        .read_value(&mut &payload[5..])
        .unwrap();
    let Value::Record(fields) = value else {
        panic!("not a record")
    };
    let text = |value| match value {
        Value::String(text) | Value::Enum(_, text) => text,
        Value::Long(number) => number.to_string(),
        Value::Union(1, text) => match *text {
            Value::String(text) => text,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    fields
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

fn header(record: &OwnedMessage, key: &str) -> String {
    let headers = record.headers().unwrap();
    let value = headers
        .iter()
        .find(|header| header.key == key)
        .unwrap()
        .value
        .unwrap();
    String::from_utf8(value.to_vec()).unwrap()
}

#[tokio::test]
async fn each_kind_of_report_arrives_with_its_status_and_metadata() {
    let cluster = cluster();
    let client = client(&settings(cluster.bootstrap_servers()));
    client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap();
    client
        .record_progress(step("s", steps::STOCK_RESERVED))
        .await
        .unwrap();
    client
        .record_failure(step("s", steps::PAYMENT_FAILED), "CARD_DECLINED")
        .await
        .unwrap();
    client
        .record_compensation(step("s", steps::PAYMENT_CANCELLED))
        .await
        .unwrap();
    client
        .record_complete(step("s", steps::ORDER_CONFIRMED))
        .await
        .unwrap();
    client
        .record_step(step("s", "AUDITED"), SagaStatus::InProgress)
        .await
        .unwrap();

    let records = topic(&cluster.bootstrap_servers(), 6);
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            let fields = fields(record);
            (
                fields["eventId"].clone(),
                fields["step"].clone(),
                fields["status"].clone(),
            )
        })
        .collect();
    let expected = [
        ("event-0", "ORDER_CREATED", "STARTED"),
        ("event-1", "STOCK_RESERVED", "IN_PROGRESS"),
        ("event-2", "PAYMENT_FAILED", "FAILED"),
        ("event-3", "PAYMENT_CANCELLED", "COMPENSATED"),
        ("event-4", "ORDER_CONFIRMED", "COMPLETED"),
        ("event-5", "AUDITED", "IN_PROGRESS"),
    ];
    assert_eq!(
        seen,
        expected.map(|(id, step, status)| (id.to_owned(), step.to_owned(), status.to_owned()))
    );

    let failure = fields(&records[2]);
    let noon = "1767355200500".to_owned();
    assert_eq!(
        (&failure["recordedAt"], &failure["eventTimestamp"]),
        (&noon, &noon)
    );
    assert_eq!(failure["orderId"], "order-of-s");
    assert_eq!(
        failure["metadata"],
        r#"{"failureReason":"CARD_DECLINED","producerService":"order-service","producerTimestamp":"2026-01-02T12:00:00.500Z"}"#
    );
    assert_eq!(records[2].key().unwrap(), b"s");
    assert_eq!(header(&records[2], "saga-tracker-event-id"), "event-2");
    assert_eq!(header(&records[2], "saga-tracker-sdk"), env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_receipt_says_where_the_record_is() {
    let cluster = cluster();
    let client = client(&settings(cluster.bootstrap_servers()));
    let receipt = client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap();
    let records = topic(&cluster.bootstrap_servers(), 1);
    let expected = Receipt::Delivered {
        event_id: "event-0".to_owned(),
        partition: records[0].partition(),
        offset: records[0].offset(),
    };
    assert_eq!(receipt, expected);
}

#[tokio::test]
async fn a_saga_stays_in_the_partition_that_java_producers_choose() {
    let cluster = cluster();
    let client = client(&settings(cluster.bootstrap_servers()));
    for round in 0..10 {
        for saga in ["order-1", "order-2", "order-3", "a", "주문-7"] {
            client
                .record_progress(step(saga, &format!("STEP_{round}")))
                .await
                .unwrap();
        }
    }
    let mut partitions: HashMap<String, Vec<(i32, String)>> = HashMap::new();
    for record in topic(&cluster.bootstrap_servers(), 50) {
        let saga = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
        let step = fields(&record)["step"].clone();
        partitions
            .entry(saga)
            .or_default()
            .push((record.partition(), step));
    }
    for (saga, records) in &partitions {
        let expected = murmur2_partition(saga.as_bytes(), PARTITIONS);
        let in_order: Vec<_> = (0..10).map(|round| (expected, format!("STEP_{round}"))).collect();
        assert_eq!(records, &in_order, "{saga}");
    }
    assert_eq!(partitions.len(), 5);
}

/// Kafka's default partitioner for keyed records, as the protocol's clients document it.
fn murmur2_partition(key: &[u8], partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(M);
        (word ^ (word >> 24)).wrapping_mul(M)
    };
    let mut hash = 0x9747_b28c_u32 ^ u32::try_from(key.len()).unwrap();
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        hash = hash.wrapping_mul(M) ^ mix(u32::from_le_bytes(word.try_into().unwrap()));
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest
            .iter()
            .rev()
            .fold(0_u32, |tail, &byte| tail << 8 | u32::from(byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    i32::try_from(hash & 0x7fff_ffff).unwrap() % partitions
}

#[tokio::test]
async fn reports_in_the_background_are_all_there_after_a_flush() {
    let cluster = cluster();
    let settings = SagaTrackerSettings {
        delivery: Delivery::Background,
        ..settings(cluster.bootstrap_servers())
    };
    let client = client(&settings);
    for number in 0..500 {
        let receipt = client
            .record_progress(step(&format!("s-{number}"), "STEP"))
            .await
            .unwrap();
        assert_eq!(
            receipt,
            Receipt::Queued {
                event_id: format!("event-{number}")
            }
        );
    }
    client.flush(Duration::from_secs(20)).await.unwrap();
    let mut ids: Vec<_> = topic(&cluster.bootstrap_servers(), 500)
        .iter()
        .map(|record| fields(record)["eventId"].clone())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 500);
}

fn unreachable() -> SagaTrackerSettings {
    let mut settings = settings("127.0.0.1:1".to_owned());
    settings
        .properties
        .insert("message.timeout.ms".to_owned(), "200".to_owned());
    settings
}

fn system_stamp() -> Stamp {
    Stamp::new("order-service", Arc::new(SystemClock), Arc::new(RandomEventIds))
}

#[tokio::test]
async fn a_broker_that_is_away_is_an_error_of_the_awaited_report() {
    let client = client(&unreachable());
    let error = client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap_err();
    let PublishError::Kafka(_) = error else {
        panic!("{error:?}")
    };
}

#[tokio::test]
async fn a_background_report_that_is_lost_is_counted() {
    let settings = SagaTrackerSettings {
        delivery: Delivery::Background,
        ..unreachable()
    };
    let client = KafkaSagaTrackerClient::new(&settings, system_stamp()).unwrap();
    client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap();
    assert_eq!(client.undelivered(), 0);
    let lost = async {
        while client.undelivered() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), lost).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_an_error_within_the_queue_timeout() {
    let mut settings = SagaTrackerSettings {
        delivery: Delivery::Background,
        queue_timeout_ms: 50,
        ..settings("127.0.0.1:1".to_owned())
    };
    settings
        .properties
        .insert("queue.buffering.max.messages".to_owned(), "1".to_owned());
    let client = client(&settings);
    client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap();
    let error = client
        .record_progress(step("s", steps::STOCK_RESERVED))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the producer's queue had no room within 50 ms");
}

struct FailsOnce(Arc<AtomicU64>);

impl SchemaIds for FailsOnce {
    fn id_for<'a>(&'a self, subject: &'a str, schema: &'a str) -> SchemaIdFuture<'a> {
        assert_eq!((subject, schema), ("sagas-value", SCHEMA));
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        let answer = match asked {
            0 => Err(SchemaIdError::Unreachable {
                url: "r".to_owned(),
                attempts: 1,
                reason: "down".to_owned(),
            }),
            _ => Ok(77),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn the_schema_id_is_asked_for_until_it_is_known_and_then_kept() {
    let cluster = cluster();
    let asked = Arc::new(AtomicU64::new(0));
    let client = KafkaSagaTrackerClient::with_schema(
        &settings(cluster.bootstrap_servers()),
        system_stamp(),
        Encoder::published().unwrap(),
        Box::new(FailsOnce(Arc::clone(&asked))),
    )
    .unwrap();
    let error = client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap_err();
    let PublishError::SchemaId(_) = error else {
        panic!("{error:?}")
    };
    client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap();
    client
        .record_progress(step("s", steps::STOCK_RESERVED))
        .await
        .unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(
        fields(&topic(&cluster.bootstrap_servers(), 2)[1])["step"],
        steps::STOCK_RESERVED
    );
}

#[tokio::test]
async fn a_step_that_the_tracker_would_refuse_never_reaches_the_topic() {
    let cluster = cluster();
    let client = client(&settings(cluster.bootstrap_servers()));
    let error = client
        .record_start(step("", steps::ORDER_CREATED))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tracker would not take this event: sagaId is empty"
    );
    client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap();
    let records = topic(&cluster.bootstrap_servers(), 1);
    assert_eq!(
        (records[0].offset(), records[0].key().unwrap()),
        (0, b"s".as_slice())
    );
}

#[tokio::test]
async fn an_event_published_again_keeps_its_id() {
    let cluster = cluster();
    let client = client(&settings(cluster.bootstrap_servers()));
    let event = system_stamp().event(step("s", steps::ORDER_CREATED), SagaStatus::Started);
    client.publish(event.clone()).await.unwrap();
    client.publish(event.clone()).await.unwrap();
    for record in topic(&cluster.bootstrap_servers(), 2) {
        assert_eq!(fields(&record)["eventId"], event.event_id);
    }
}

#[tokio::test]
async fn a_client_that_is_not_enabled_takes_reports_and_needs_no_broker() {
    let client = publishing::client(&SagaTrackerSettings {
        enabled: false,
        ..unreachable()
    })
    .unwrap();
    let receipt = client
        .record_start(step("s", steps::ORDER_CREATED))
        .await
        .unwrap();
    assert_eq!(receipt, Receipt::Disabled);
    client.flush(Duration::ZERO).await.unwrap();
}

#[test]
fn what_delivery_hangs_on_cannot_be_switched_off() {
    for name in [
        "acks",
        "request.required.acks",
        "enable.idempotence",
        "bootstrap.servers",
    ] {
        let mut settings = settings("127.0.0.1:1".to_owned());
        settings.properties.insert(name.to_owned(), "1".to_owned());
        let error = KafkaSagaTrackerClient::new(&settings, system_stamp()).unwrap_err();
        let SetupError::ReservedProperty(refused) = error else {
            panic!("{error:?}")
        };
        assert_eq!(refused, name);
    }
}

#[test]
fn a_property_that_librdkafka_does_not_know_is_refused_by_name() {
    let mut settings = settings("127.0.0.1:1".to_owned());
    settings
        .properties
        .insert("no.such.property".to_owned(), "1".to_owned());
    let error = KafkaSagaTrackerClient::new(&settings, system_stamp()).unwrap_err();
    assert!(error.to_string().contains("no.such.property"), "{error}");
}
