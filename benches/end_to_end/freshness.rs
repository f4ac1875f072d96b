//! How long after Kafka's acknowledgement the API shows an event, at several rates, and what the
//! tracker costs while nothing happens.

use crate::http::{Connection, Server};
use crate::report::{Report, percentile};
use crate::settings::Settings;
use crate::traffic::Traffic;
use crate::{machine, topic};
use anyhow::Context as _;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Message as _};
use saga_tracker::domain::clock::{Clock as _, SystemClock};
use saga_tracker::program::demo::Message;
use saga_tracker_sdk::contract::{SagaEvent, SagaStatus, SagaType};
use saga_tracker_sdk::encoding::Encoder;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TOPIC: &str = "bench-freshness";
const TIMEOUT: Duration = Duration::from_secs(60);
/// Events a second beside the ones that are looked for, how many of those, and the time between them.
const RATES: [(u64, usize, Duration); 5] = [
    (0, 5, Duration::from_secs(60)),
    (0, 30, Duration::from_secs(1)),
    (0, 200, Duration::from_millis(50)),
    (2_000, 150, Duration::from_millis(97)),
    (20_000, 150, Duration::from_millis(97)),
];
/// Of those, the ones that a call is open for which waits for events.
const WAITED_FOR: [u64; 2] = [0, 2_000];
/// How many events a waiting call is measured with, and how long it is open before each.
const WAITED_COUNT: usize = 150;
const WAITED_PAUSE: Duration = Duration::from_millis(60);
/// What is looked for; nothing else has this step.
const STEP: &str = "PROBED";
const IDLE: Duration = Duration::from_secs(20);

/// Measures all rates on a topic of its own.
pub(crate) fn run(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    topic::create(settings, TOPIC)?;
    let mut tracker = Server::tracker(settings, TOPIC, &settings.path("freshness"))?;
    tracker.ready(TIMEOUT)?;
    let mut probe = Probe::new(settings, tracker.connect()?)?;
    probe.measure()?;
    for (beside, count, pause) in RATES {
        let seen = under_load(settings, beside, || probe.several(count, pause))?;
        let name = match beside {
            0 if pause > Duration::from_secs(1) => format!("one in {} s", pause.as_secs()),
            0 => format!("{:.0}/s", 1.0 / pause.as_secs_f64()),
            _ => format!("{beside}/s"),
        };
        report.at_most(
            &format!("acknowledgement to API, p99, ms, {name}"),
            percentile(&seen, 99),
            50.0,
            others(&seen),
        );
    }
    for beside in WAITED_FOR {
        let mut waiting = Waiting::new(tracker.connect()?)?;
        let seen = under_load(settings, beside, || probe.several_waited_for(&mut waiting))?;
        report.at_most(
            &format!("acknowledgement to a call that waits for events, p99, ms, {beside}/s beside"),
            percentile(&seen, 99),
            50.0,
            others(&seen),
        );
    }
    let before = machine::seconds_of(tracker.pid())?;
    std::thread::sleep(IDLE);
    let share = (machine::seconds_of(tracker.pid())? - before) / IDLE.as_secs_f64();
    report.at_most(
        "processors of an idle tracker",
        share,
        0.02,
        format!("{share:.4}; nothing in the topic, nobody asks"),
    );
    tracker.kill()
}

/// What is told beside the 99th percentile.
fn others(seen: &[f64]) -> String {
    let [half, most, worst] = [50, 90, 100].map(|percent| percentile(seen, percent));
    format!("p50 {half:.1}, p90 {most:.1}, worst {worst:.1}")
}

/// Does something while so many events a second are published beside it.
fn under_load<T>(
    settings: &Settings,
    rate: u64,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let load = Load::new(settings, rate)?;
    let stop = AtomicBool::new(rate == 0);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| load.publish(settings, &stop));
        let done = work();
        stop.store(true, Ordering::Relaxed);
        load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        done
    })
}

/// Load is encoded before, for so many seconds: else encoding it takes from those who are measured.
const ENCODED: u64 = 30;

/// What is published beside.
struct Load {
    rate: u64,
    encoded: Vec<Message>,
    rest: Traffic,
    encoder: Encoder,
}

impl Load {
    fn new(settings: &Settings, rate: u64) -> anyhow::Result<Self> {
        let encoder = Encoder::published()?;
        // More than any load takes; the first is some hours old.
        let mut rest = topic::traffic(settings, 100_000_000);
        let reports = rest.by_ref().take(usize::try_from(rate * ENCODED)?);
        Ok(Self {
            rate,
            encoded: reports
                .map(|report| report.message(&encoder))
                .collect::<Result<_, _>>()?,
            rest,
            encoder,
        })
    }

    fn publish(self, settings: &Settings, stop: &AtomicBool) -> anyhow::Result<()> {
        let producer: BaseProducer = topic::client(settings).set("linger.ms", "5").create()?;
        let rest = self.rest.map(|report| report.message(&self.encoder));
        let mut messages = self.encoded.into_iter().map(Ok).chain(rest);
        let begun = Instant::now();
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            let due = (begun.elapsed().as_secs_f64() * self.rate as f64) as u64;
            while sent < due {
                let message = messages.next().context("no more traffic")??;
                let mut record = BaseRecord::<[u8], [u8]>::to(TOPIC).key(&message.key);
                if let Some(value) = &message.value {
                    record = record.payload(value);
                }
                // What does not fit is left out: the rate is what matters.
                let _full = producer.send(record);
                sent += 1;
            }
            producer.poll(Duration::from_millis(2));
        }
        producer.flush(TIMEOUT)?;
        Ok(())
    }
}

/// When the last record was acknowledged, microseconds since the start; 0 before it is.
struct Acknowledged {
    begun: Instant,
    at: Arc<AtomicU64>,
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Ok(message) = result
            && message.offset() >= 0
        {
            let at = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.at.store(at.max(1), Ordering::Relaxed);
        }
    }
}

/// Publishes events one by one and asks for each until it shows.
struct Probe {
    producer: BaseProducer<Acknowledged>,
    begun: Instant,
    acknowledged: Arc<AtomicU64>,
    encoder: Encoder,
    connection: Connection,
    count: u64,
}

impl Probe {
    fn new(settings: &Settings, connection: Connection) -> anyhow::Result<Self> {
        let (begun, acknowledged) = (Instant::now(), Arc::<AtomicU64>::default());
        let context = Acknowledged {
            begun,
            at: acknowledged.clone(),
        };
        Ok(Self {
            producer: topic::client(settings)
                .set("linger.ms", "0")
                .set("acks", "all")
                .create_with_context(context)?,
            begun,
            acknowledged,
            encoder: Encoder::published()?,
            connection,
            count: 0,
        })
    }

    fn several(&mut self, count: usize, pause: Duration) -> anyhow::Result<Vec<f64>> {
        let mut seen = Vec::with_capacity(count);
        for number in 0..count {
            // In step with nothing that happens in the tracker: from 0.7 to 1.3 of the pause.
            std::thread::sleep(pause.mul_f64(0.7 + 0.6 * ((number * 37) % 101) as f64 / 101.0));
            self.connection.reopen()?;
            seen.push(self.measure()?);
        }
        Ok(seen)
    }

    /// Milliseconds from the acknowledgement to the answer.
    fn measure(&mut self) -> anyhow::Result<f64> {
        let (saga, acknowledged) = self.publish()?;
        let path = format!("/api/v1/sagas/{saga}");
        let began = Instant::now();
        while self.connection.get(&path)?.0 != 200 {
            anyhow::ensure!(began.elapsed() < TIMEOUT, "{saga} does not show");
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok((self.begun.elapsed() - acknowledged).as_secs_f64() * 1_000.0)
    }

    /// The same for a call that was open before.
    fn several_waited_for(&mut self, waiting: &mut Waiting) -> anyhow::Result<Vec<f64>> {
        let mut seen = Vec::new();
        for _ in 0..WAITED_COUNT {
            waiting.connection.reopen()?;
            let begun = self.begun;
            seen.push(std::thread::scope(|scope| {
                let open = scope.spawn(|| waiting.for_one(begun));
                std::thread::sleep(WAITED_PAUSE);
                let (_, acknowledged) = self.publish()?;
                let at = open.join().map_err(|_| anyhow::anyhow!("the call panicked"))??;
                // It may show before the producer hears that it is acknowledged.
                anyhow::Ok(at.saturating_sub(acknowledged).as_secs_f64() * 1_000.0)
            })?);
        }
        Ok(seen)
    }

    /// Publishes an event of a saga of its own. The saga, and when it was acknowledged, since the start.
    fn publish(&mut self) -> anyhow::Result<(String, Duration)> {
        self.count += 1;
        let saga = format!("fresh-{}-{}", std::process::id(), self.count);
        let now = jiff::Timestamp::from_millisecond(SystemClock.now().0)?;
        let event = SagaEvent {
            event_id: saga.clone(),
            event_timestamp: now,
            saga_id: saga.clone(),
            saga_type: SagaType::OrderCreation,
            step: STEP.to_owned(),
            status: SagaStatus::Started,
            order_id: saga.clone(),
            metadata: None,
            recorded_at: now,
        };
        let value = self.encoder.encode(&event, 1)?;
        self.acknowledged.store(0, Ordering::Relaxed);
        let record = BaseRecord::<[u8], [u8]>::to(TOPIC)
            .key(saga.as_bytes())
            .payload(&value);
        self.producer.send(record).map_err(|(error, _)| error)?;
        let began = Instant::now();
        loop {
            self.producer.poll(Duration::from_millis(1));
            match self.acknowledged.load(Ordering::Relaxed) {
                0 => anyhow::ensure!(began.elapsed() < TIMEOUT, "not acknowledged"),
                at => return Ok((saga, Duration::from_micros(at))),
            }
        }
    }
}

/// A call that waits for events, and goes on from where the last one ended.
struct Waiting {
    connection: Connection,
    next: String,
}

impl Waiting {
    fn new(mut connection: Connection) -> anyhow::Result<Self> {
        let (_, body) = connection.get("/api/v1/events")?;
        Ok(Self {
            next: next(&body)?,
            connection,
        })
    }

    /// When the next event of the step was there, since the start.
    fn for_one(&mut self, begun: Instant) -> anyhow::Result<Duration> {
        loop {
            let path = format!("/api/v1/events?step={STEP}&wait=20&after={}", self.next);
            let (status, body) = self.connection.get(&path)?;
            let at = begun.elapsed();
            anyhow::ensure!(status == 200, "{status}: {body}");
            self.next = next(&body)?;
            if body.contains(STEP) {
                return Ok(at);
            }
        }
    }
}

fn next(body: &str) -> anyhow::Result<String> {
    let body: serde_json::Value = serde_json::from_str(body)?;
    Ok(body["next"].as_str().context("no next")?.to_owned())
}
