//! Publishes the workload, through the sdk, until it is cancelled.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saga_tracker_sdk::encoding::{Encoder, SchemaError};
use saga_tracker_sdk::publishing::{
    self, Delivery, KafkaSagaTrackerClient, RandomEventIds, SagaTrackerClient, SagaTrackerSettings,
    SetupError, Stamp,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::poison;
use super::record::{Content, PlannedRecord};
use super::schedule::{Now, Schedule};
use super::staging::{Tour, stage};
use super::workload::{Sagas, sagas};
use crate::domain::clock::SharedClock;
use crate::pipeline::kafka::{DeliveryError, KafkaSettings, Message, PipelinedProducer, StartError};

/// A run that falls further behind than this (a broker away, a suspended machine) goes on from now
/// instead of catching up in a burst.
const MAX_BEHIND: Duration = Duration::from_secs(2);

/// How long the end waits for what is queued.
const FLUSH: Duration = Duration::from_secs(3);

/// How far back the sagas begin that the demo starts with.
const HISTORY_SPAN: SignedDuration = SignedDuration::from_hours(2);

/// How the demo's shop behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DemoSettings {
    /// Records per second, on average.
    pub rate: f64,
    /// Which sagas: the same seed tells the same stories.
    pub seed: u64,
    /// How many sagas of the past two hours are published at once, to have something to look at.
    pub history: usize,
}

impl Default for DemoSettings {
    fn default() -> Self {
        Self {
            rate: 20.0,
            seed: 1,
            history: 200,
        }
    }
}

/// Why the demo's shop cannot open.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It is not a number of records per second that can be kept up.
    #[error("{0} is not a rate: expected records per second, above 0 and up to 1000000")]
    Rate(f64),
    /// The sdk's client did not start.
    #[error(transparent)]
    Client(#[from] SetupError),
    /// The bundled schema is unusable.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The producer of malformed records did not start.
    #[error("the producer of malformed records did not start: {0}")]
    Producer(#[source] StartError),
}

/// What a run published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Saga events, retries included.
    pub events: u64,
    /// Malformed records.
    pub poison: u64,
    /// Records that Kafka did not take.
    pub failed: u64,
}

/// Publishes sagas to `topic` until `cancel` is cancelled, and tells once what there is to look at. A broker that is away
/// is ridden out.
///
/// # Errors
/// When the settings or the clients cannot start; nothing ends it afterwards but `cancel`.
pub async fn run_workload(
    bootstrap: &str,
    settings: DemoSettings,
    topic: &str,
    clock: SharedClock,
    tell: impl FnOnce(Tour) + Send,
    cancel: CancellationToken,
) -> Result<Published, DemoError> {
    let pause = pause_between_records(settings.rate)?;
    let mut stories = sagas(settings.seed);
    let mut shop = Shop::open(bootstrap, topic, Arc::clone(&clock))?;
    tracing::info!(
        topic,
        rate = settings.rate,
        seed = settings.seed,
        "demo workload started"
    );
    let mut past = history(&mut stories, settings.history, wall(&clock));
    let staged = stage(&mut past, wall(&clock));
    let told = cancel.run_until_cancelled(async {
        for (start, record) in &past {
            shop.publish(*start, record).await;
        }
        let mut schedule = Schedule::new(stories, pause);
        let mut origin = Instant::now();
        tell(staged.tour(wall(&clock)));
        if let Some((at, (start, record))) = staged.late {
            schedule.add(at, start, record);
        }
        loop {
            let now = Now {
                elapsed: origin.elapsed(),
                wall: wall(&clock),
            };
            let at = schedule.next_due(now);
            let behind = now.elapsed.saturating_sub(at);
            if behind > MAX_BEHIND {
                origin += behind;
                continue;
            }
            sleep_until(origin + at).await;
            if let Some(due) = schedule.pop() {
                shop.publish(due.saga_start, &due.record).await;
            }
        }
    });
    // Only the cancellation ends it.
    let _none: Option<Infallible> = told.await;
    Ok(shop.close().await)
}

fn wall(clock: &SharedClock) -> Timestamp {
    Timestamp::from_millisecond(clock.now().0).unwrap_or_default()
}

fn pause_between_records(rate: f64) -> Result<Duration, DemoError> {
    if rate > 0.0 && rate <= 1_000_000.0 {
        Duration::try_from_secs_f64(rate.recip()).map_err(|_| DemoError::Rate(rate))
    } else {
        Err(DemoError::Rate(rate))
    }
}

/// Sagas that began at even distances up to a minute ago, in order of arrival.
fn history(stories: &mut Sagas, count: usize, now: Timestamp) -> Vec<(Timestamp, PlannedRecord)> {
    let step = HISTORY_SPAN / i32::try_from(count.max(1)).unwrap_or(i32::MAX);
    let mut start = now - HISTORY_SPAN - SignedDuration::from_mins(1);
    let mut past = Vec::new();
    for records in stories.take(count) {
        past.extend(records.into_iter().map(|record| (start, record)));
        start += step;
    }
    past.sort_by_key(|(start, record)| *start + record.delay);
    past
}

/// The shop's way to Kafka: the sdk for events, a bare producer for what the sdk would refuse.
struct Shop {
    client: KafkaSagaTrackerClient,
    bare: PipelinedProducer,
    encoder: Encoder,
    topic: String,
    published: Published,
}

const SCHEMA_ID: u32 = 1;

impl Shop {
    fn open(bootstrap: &str, topic: &str, clock: SharedClock) -> Result<Self, DemoError> {
        let settings = SagaTrackerSettings {
            enabled: true,
            bootstrap_servers: bootstrap.to_owned(),
            topic: topic.to_owned(),
            delivery: Delivery::Background,
            schema_id: SCHEMA_ID,
            ..SagaTrackerSettings::default()
        };
        let stamp = Stamp::new("demo", Arc::new(SdkClock(clock)), Arc::new(RandomEventIds));
        let bare = PipelinedProducer::new(&KafkaSettings {
            bootstrap_servers: bootstrap.to_owned(),
            properties: [("partitioner".to_owned(), "murmur2_random".to_owned())].into(),
            ..KafkaSettings::default()
        });
        Ok(Self {
            client: KafkaSagaTrackerClient::new(&settings, stamp)?,
            bare: bare.map_err(DemoError::Producer)?,
            encoder: Encoder::published()?,
            topic: topic.to_owned(),
            published: Published::default(),
        })
    }

    async fn publish(&mut self, saga_start: Timestamp, record: &PlannedRecord) {
        let outcome = match &record.content {
            Content::Event(event) => {
                self.published.events += 1;
                let sent = self.client.publish(event.event(saga_start)).await;
                sent.map(drop).map_err(|error| error.to_string())
            }
            Content::Unframed(_) | Content::Poison(_) => {
                self.published.poison += 1;
                let message = record.message(saga_start, &self.encoder, SCHEMA_ID);
                let encoded = message.map_err(|error| error.to_string());
                encoded.and_then(|message| self.send_bare(message).map_err(|error| error.to_string()))
            }
        };
        if let Err(error) = outcome {
            self.published.failed += 1;
            tracing::warn!(%error, "demo record was not published");
        }
    }

    fn send_bare(&self, message: poison::Message) -> Result<(), DeliveryError> {
        let message = Message {
            topic: self.topic.clone(),
            key: Some(message.key),
            value: message.value,
            ..Message::default()
        };
        // Nobody waits for it: a malformed record more or less is not missed.
        self.bare.send(&message).map(drop)
    }

    async fn close(self) -> Published {
        if let Err(error) = self.client.flush(FLUSH).await {
            tracing::warn!(%error, "demo workload ended with records in its queue");
        }
        let failed = self.published.failed + self.client.undelivered();
        let published = Published {
            failed,
            ..self.published
        };
        tracing::info!(
            events = published.events,
            poison = published.poison,
            failed = published.failed,
            "demo workload stopped"
        );
        published
    }
}

struct SdkClock(SharedClock);

impl publishing::Clock for SdkClock {
    fn now(&self) -> Timestamp {
        wall(&self.0)
    }
}

#[cfg(test)]
mod tests;
