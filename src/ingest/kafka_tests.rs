//! Against the broker inside this process.

use super::*;
use crate::demo::MockBroker;
use rdkafka::statistics::Statistics;
use std::sync::atomic::{AtomicU32, Ordering};

const TOPIC: &str = "t";
const PATIENCE: Duration = Duration::from_secs(30);

fn settings(broker: &MockBroker) -> IngestSettings {
    IngestSettings {
        bootstrap_servers: broker.bootstrap_servers().to_owned(),
        topic: TOPIC.to_owned(),
        properties: [("statistics.interval.ms".to_owned(), "50".to_owned())].into(),
        ..IngestSettings::default()
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
    let (ours, piled_up) = counting(&settings(&broker).consumer_config());
    let (other, clock) = counting(
        settings(&broker)
            .consumer_config()
            .set("statistics.interval.ms", "50"),
    );
    let begun = Instant::now();
    while clock.load(Ordering::Relaxed) < 10 {
        assert!(begun.elapsed() < PATIENCE);
        assert!(other.poll(Duration::from_millis(10)).is_none());
    }
    // In that time another client would have had ten things to tell.
    assert!(ours.poll(Duration::from_millis(10)).is_none());
    assert_eq!(piled_up.load(Ordering::Relaxed), 0);
}

#[test]
fn the_ends_are_known_before_the_first_record_and_stay_true_while_nobody_polls() {
    let broker = MockBroker::start(&[TOPIC]).unwrap();
    let mut source = KafkaSource::open(&settings(&broker), std::iter::empty()).unwrap();
    let begun = Instant::now();
    while source.assigned == 0 {
        assert!(begun.elapsed() < PATIENCE);
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
        assert!(begun.elapsed() < PATIENCE);
        crate::wait::park(Duration::from_millis(20));
    }
}
