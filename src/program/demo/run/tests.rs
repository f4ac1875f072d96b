use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::domain::Millis;
use crate::domain::clock::{Clock, SystemClock};
use crate::pipeline::kafka::MockBroker;

const TOPIC: &str = "sagas";

fn consumer(bootstrap: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..3 {
        assignment
            .add_partition_offset(TOPIC, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    consumer
}

type KeyAndValue = (Vec<u8>, Option<Vec<u8>>);

/// Reads until `enough` says so, or fails after half a minute.
async fn read(bootstrap: &str, mut enough: impl FnMut(KeyAndValue) -> bool + Send + 'static) {
    let consumer = consumer(bootstrap);
    let reading = tokio::task::spawn_blocking(move || {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            assert!(
                std::time::Instant::now() < deadline,
                "not enough records within 30 s"
            );
            let Some(record) = consumer.poll(Duration::from_millis(50)) else {
                continue;
            };
            let record = record.unwrap();
            if enough((
                record.key().unwrap().to_vec(),
                record.payload().map(<[u8]>::to_vec),
            )) {
                return;
            }
        }
    });
    reading.await.unwrap();
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Millis {
        Millis(1_767_323_045_678)
    }
}

/// Runs the workload beside the test until `cancel`.
fn start(
    bootstrap: &str,
    settings: DemoSettings,
    clock: SharedClock,
    cancel: &CancellationToken,
) -> JoinHandle<Published> {
    let (bootstrap, cancel) = (bootstrap.to_owned(), cancel.clone());
    tokio::spawn(async move {
        run_workload(&bootstrap, settings, TOPIC, clock, drop, cancel)
            .await
            .unwrap()
    })
}

async fn stop(run: JoinHandle<Published>, cancel: &CancellationToken) -> Published {
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(20), run)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_planned_reaches_the_embedded_broker_byte_for_byte() {
    let encoder = Encoder::published().unwrap();
    let mut missing: HashMap<KeyAndValue, u32> = HashMap::new();
    let now = wall(&(Arc::new(Fixed) as SharedClock));
    let mut past = history(&mut sagas(5), 150, now);
    let staged = stage(&mut past, now);
    for (start, record) in past.into_iter().chain(staged.late.map(|(_, late)| late)) {
        let message = record.message(start, &encoder, SCHEMA_ID).unwrap();
        *missing.entry((message.key, message.value)).or_default() += 1;
    }
    let planned: u32 = missing.values().sum();

    let broker = MockBroker::start(&[TOPIC]).unwrap();
    let cancel = CancellationToken::new();
    let settings = DemoSettings {
        rate: 0.001,
        seed: 5,
        history: 150,
    };
    let run = start(broker.bootstrap_servers(), settings, Arc::new(Fixed), &cancel);
    read(broker.bootstrap_servers(), move |record| {
        // A record that was not planned is the first live saga's.
        if let Entry::Occupied(mut left) = missing.entry(record) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
        missing.is_empty()
    })
    .await;
    let published = stop(run, &cancel).await;
    assert_eq!(published.failed, 0);
    assert!(
        published.events + published.poison >= u64::from(planned),
        "{published:?} for {planned}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sagas_go_on_until_the_run_is_cancelled() {
    let broker = MockBroker::start(&[TOPIC]).unwrap();
    let cancel = CancellationToken::new();
    let settings = DemoSettings {
        rate: 500.0,
        seed: 6,
        history: 0,
    };
    let run = start(
        broker.bootstrap_servers(),
        settings,
        Arc::new(SystemClock),
        &cancel,
    );
    let mut seen = 0;
    read(broker.bootstrap_servers(), move |_| {
        seen += 1;
        seen == 1_000
    })
    .await;
    let published = stop(run, &cancel).await;
    assert!(published.events + published.poison >= 1_000, "{published:?}");
    assert_eq!(published.failed, 0);
}

/// Says how often it was looked at.
struct Watched(watch::Sender<u64>);

impl Clock for Watched {
    fn now(&self) -> Millis {
        self.0.send_modify(|looks| *looks += 1);
        Fixed.now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_broker_goes_on_and_still_ends_when_it_is_cancelled() {
    let (clock, mut looks) = watch::channel(0);
    let cancel = CancellationToken::new();
    let settings = DemoSettings {
        rate: 1_000.0,
        seed: 1,
        history: 10,
    };
    let run = start("127.0.0.1:1", settings, Arc::new(Watched(clock)), &cancel);
    let going = looks.wait_for(|looks| *looks > 50);
    tokio::time::timeout(Duration::from_secs(20), going)
        .await
        .unwrap()
        .unwrap();
    let published = stop(run, &cancel).await;
    assert!(published.events > 40, "{published:?}");
}

#[tokio::test]
async fn a_rate_that_is_none_is_refused() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e6] {
        let settings = DemoSettings {
            rate,
            ..DemoSettings::default()
        };
        let run = run_workload(
            "127.0.0.1:1",
            settings,
            TOPIC,
            Arc::new(Fixed),
            drop,
            CancellationToken::new(),
        );
        let error = run.await.unwrap_err();
        assert!(
            error.to_string().ends_with("above 0 and up to 1000000"),
            "{error}"
        );
    }
}

#[test]
fn history_lies_in_the_past_and_arrives_in_order() {
    let now = wall(&(Arc::new(Fixed) as SharedClock));
    let past = history(&mut sagas(3), 100, now);
    assert!(
        past.is_sorted_by_key(|(start, record)| *start + record.delay),
        "out of order"
    );
    let (first, _) = past.first().unwrap();
    assert_eq!(
        now.duration_since(*first),
        HISTORY_SPAN + SignedDuration::from_mins(1)
    );
    assert!(
        past.iter()
            .all(|(start, _)| now.duration_since(*start) > SignedDuration::from_mins(1))
    );
}
