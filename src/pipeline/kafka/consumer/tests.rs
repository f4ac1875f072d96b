//! Against the broker inside this process.

use super::super::MockBroker;
use super::*;
use rdkafka::TopicPartitionList;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use std::sync::atomic::{AtomicU32, Ordering};

const TOPIC: &str = "t";
const TIMEOUT: Duration = Duration::from_secs(30);

fn settings(bootstrap_servers: &str) -> KafkaSettings {
    KafkaSettings {
        bootstrap_servers: bootstrap_servers.to_owned(),
        topic: TOPIC.to_owned(),
        properties: [("statistics.interval.ms".to_owned(), "50".to_owned())].into(),
        ..KafkaSettings::default()
    }
}

/// Counts what waits in a client's queue for someone to poll.
#[derive(Default)]
struct Counting(Arc<AtomicU32>);

impl ClientContext for Counting {
    fn stats(&self, _: Statistics) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl ConsumerContext for Counting {}

fn counting(config: &rdkafka::ClientConfig) -> (BaseConsumer<Counting>, Arc<AtomicU32>) {
    let counted = Arc::<AtomicU32>::default();
    let consumer: BaseConsumer<Counting> = config.create_with_context(Counting(counted.clone())).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    (consumer, counted)
}

#[test]
fn nothing_piles_up_while_nobody_polls() {
    let broker = MockBroker::start(&[TOPIC]).unwrap();
    let (ours, piled_up) = counting(&settings(broker.bootstrap_servers()).consumer_config());
    let (other, clock) = counting(
        settings(broker.bootstrap_servers())
            .consumer_config()
            .set("statistics.interval.ms", "50"),
    );
    let begun = Instant::now();
    while clock.load(Ordering::Relaxed) < 10 {
        assert!(begun.elapsed() < TIMEOUT);
        assert!(other.poll(Duration::from_millis(10)).is_none());
    }
    // In that time another client would have had ten things to tell.
    assert!(ours.poll(Duration::from_millis(10)).is_none());
    assert_eq!(piled_up.load(Ordering::Relaxed), 0);
}

#[test]
fn the_ends_are_known_before_the_first_record_and_stay_true_while_nobody_polls() {
    let broker = MockBroker::start(&[TOPIC]).unwrap();
    let mut source = KafkaSource::open(&settings(broker.bootstrap_servers()), std::iter::empty()).unwrap();
    let begun = Instant::now();
    while source.assigned == 0 {
        assert!(begun.elapsed() < TIMEOUT);
        let nothing = &mut |_: &RawRecord<'_>| Taken::Next;
        source
            .poll(Duration::from_millis(10), Duration::ZERO, nothing)
            .unwrap();
    }
    let seen = source.observed();
    assert_eq!(seen.ends.iter().count(), seen.partitions as usize);
    assert_eq!(
        (seen.reachable, seen.ends_for(&Cut::default()).next(0)),
        (true, 0)
    );
    assert!(seen.answered > 0);
    // Nobody polls now, as while the registry is away: someone looks all the same.
    let later = source.broker();
    while later.observed().unwrap().answered < seen.answered + 2 {
        assert!(begun.elapsed() < TIMEOUT);
        crate::wait::park(Duration::from_millis(20));
    }
}

fn publish(bootstrap_servers: &str, records: u32) {
    let mut config = rdkafka::ClientConfig::new();
    let producer: BaseProducer = config
        .set("bootstrap.servers", bootstrap_servers)
        .create()
        .unwrap();
    for _ in 0..records {
        let record = BaseRecord::<(), _>::to(TOPIC).partition(0).payload("a record");
        producer.send(record).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

/// Polls until so many records of partition 0 have been handed over.
fn take(source: &mut KafkaSource, taken: &mut Vec<u64>, wanted: usize) {
    let begun = Instant::now();
    while taken.len() < wanted {
        assert!(begun.elapsed() < TIMEOUT, "{taken:?} of {wanted}");
        let one = &mut |record: &RawRecord<'_>| {
            taken.push(record.position.offset);
            Taken::Enough
        };
        source
            .poll(Duration::from_millis(10), Duration::ZERO, one)
            .unwrap();
    }
}

/// Who does not know it by then asks, and here nobody answers.
#[test]
fn who_leads_the_partitions_is_known_before_they_are_assigned() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 3, 1).unwrap();
    let bootstrap_servers = cluster.bootstrap_servers();
    publish(&bootstrap_servers, 1);
    let mut source = KafkaSource::open(&settings(&bootstrap_servers), std::iter::empty()).unwrap();
    let begun = Instant::now();
    while source.watch.partitions() == 0 {
        assert!(begun.elapsed() < TIMEOUT);
        crate::wait::park(Duration::from_millis(20));
    }
    // It is connected, and has asked for no topic.
    assert!(source.consumer.client().fetch_cluster_id(TIMEOUT).is_some());
    source.assign_new().unwrap();
    cluster
        .topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
        .unwrap();
    let mut taken = Vec::new();
    take(&mut source, &mut taken, 1);
    assert_eq!(taken, [0]);
}

#[test]
fn a_consumer_that_stalls_is_replaced_and_every_record_comes_once() {
    let broker = MockBroker::start(&[TOPIC]).unwrap();
    publish(broker.bootstrap_servers(), 20);
    let mut source = KafkaSource::open(&settings(broker.bootstrap_servers()), std::iter::empty()).unwrap();
    let mut taken = Vec::new();
    take(&mut source, &mut taken, 7);
    let begun = Instant::now();
    while !source.is_behind(&source.observed()) {
        assert!(begun.elapsed() < TIMEOUT, "the watch knows of thirteen more");
        crate::wait::park(Duration::from_millis(20));
    }
    let now = Instant::now();
    source.replace_stalled(now).unwrap();
    source.replace_stalled(now + STALL_TIMEOUT / 2).unwrap();
    assert_eq!(source.assigned, source.watch.partitions(), "patience first");
    source.replace_stalled(now + STALL_TIMEOUT).unwrap();
    assert_eq!(source.assigned, 0, "a new one, which has no partitions yet");
    source.replace_stalled(now + STALL_TIMEOUT).unwrap();
    source.replace_stalled(now + STALL_TIMEOUT * 5 / 2).unwrap();
    assert_eq!(
        source.stall_limit,
        STALL_TIMEOUT * 2,
        "it is given more time than the first"
    );
    take(&mut source, &mut taken, 20);
    assert_eq!(source.stall_limit, STALL_TIMEOUT);
    assert_eq!(taken, (0..20).collect::<Vec<u64>>());
    // Who has everything has not stalled, however long nothing comes.
    let begun = Instant::now();
    while source.is_behind(&source.observed()) {
        assert!(
            begun.elapsed() < TIMEOUT,
            "the watch sees that the end is reached"
        );
        source
            .poll(Duration::from_millis(10), Duration::ZERO, &mut |_| Taken::Next)
            .unwrap();
    }
    source.replace_stalled(now + STALL_TIMEOUT * 9).unwrap();
    source.replace_stalled(now + STALL_TIMEOUT * 99).unwrap();
    assert_eq!(source.assigned, source.watch.partitions());
}
