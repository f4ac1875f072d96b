//! What one saga of very many deliveries costs, beside the same traffic without it.
//!
//! Writer and projector on one thread over generated events, each shape of traffic in a process of its
//! own. Kafka is left out on purpose: what differs is in the fold.

use crate::report::{Report, median, percentile};
use crate::rounds::number;
use crate::settings::Settings;
use crate::{machine, pipeline};
use anyhow::{Context as _, bail};
use saga_tracker::domain::{Event, MetadataForm, Millis, Position, SagaDefinitions, SagaStatus};
use saga_tracker::pipeline::ingest::writer::Writer;
use saga_tracker::pipeline::kafka::source::{RawHeaders, RawRecord};
use saga_tracker::pipeline::projector::{Projector, ProjectorSettings};
use saga_tracker::store::{Generation, SharedStore};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const TOPIC: &str = "bench-hot";
const METADATA: &str = r#"{"customerId":"customer-1","orderAmount":12900,"producerService":"order-service","producerTimestamp":"2026-01-01T00:00:00.000Z","traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
const STEPS: [(&str, SagaStatus); 6] = [
    ("ORDER_CREATED", SagaStatus::Started),
    ("STOCK_RESERVATION", SagaStatus::InProgress),
    ("STOCK_RESERVED", SagaStatus::Completed),
    ("STOCK_RESERVED", SagaStatus::InProgress),
    ("PAYMENT_COMPLETED", SagaStatus::InProgress),
    ("ORDER_CONFIRMED", SagaStatus::Completed),
];
/// Sagas under way at once where there are many.
const AT_ONCE: u64 = 1_000;
const RETRIES: u64 = 100_000;
/// Events of the saga that late ones come to, and how many come.
const LONG: u64 = 200_000;
const LATE: u64 = 300;
const START: i64 = 1_767_225_600_000;

/// Measures all shapes in turn.
pub(crate) fn run(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let shapes = ["many", "one", "retries", "late"];
    let mut found: [Vec<Value>; 4] = Default::default();
    for _ in 0..settings.rounds {
        for (shape, found) in shapes.iter().zip(&mut found) {
            let dir = settings.path("hot");
            found.push(settings.child("hot", &[shape, dir.to_str().context("the directory's name")?])?);
            std::fs::remove_dir_all(&dir)?;
        }
    }
    let middle = |of: &[Value], name: &str| -> anyhow::Result<f64> {
        let values: Vec<f64> = of
            .iter()
            .map(|one| number(&one[name]))
            .collect::<Result<_, _>>()?;
        Ok(median(&values))
    };
    let [many, one, retries, late] = &found;
    let (normal, normal_mib) = (middle(many, "rate")?, middle(many, "peak_mib")?);
    for (name, of, target) in [
        (
            "one saga of all events ÷ the same events over many sagas",
            one,
            0.5,
        ),
        (
            "100,000 retries of one event among normal traffic ÷ normal traffic",
            retries,
            0.8,
        ),
    ] {
        let (rate, mib) = (middle(of, "rate")?, middle(of, "peak_mib")?);
        report.at_least(
            name,
            rate / normal,
            target,
            format!("{rate:.0} ÷ {normal:.0} events/s"),
        );
        report.at_most(
            &format!("peak memory: {name}"),
            mib / normal_mib,
            1.2,
            format!("{mib:.0} ÷ {normal_mib:.0} MiB"),
        );
    }
    report.figure(
        format!("{LATE} late events at the start of a saga of {LONG}, a window each"),
        format!(
            "{:.1} s, {:.1} ms at the median, {:.1} ms at most",
            middle(late, "seconds")?,
            middle(late, "median_ms")?,
            middle(late, "most_ms")?
        ),
    );
    Ok(())
}

/// One shape of traffic.
pub(crate) fn measure(settings: &Settings, shape: &str, dir: &Path) -> anyhow::Result<Value> {
    let count = settings.events;
    let mut tracker = Tracker::open(dir)?;
    let started = Instant::now();
    let events = match shape {
        "many" => tracker.take((0..count).map(|number| event(&saga_of(number), number)))?,
        "one" => tracker.take((0..count).map(|number| event("hot", number)))?,
        "retries" => {
            let every = (count / RETRIES).max(1);
            tracker.take((0..count).flat_map(|number| {
                let again = (number % every == 0).then(|| event("retried", 0));
                std::iter::once(event(&saga_of(number), number)).chain(again)
            }))?
        }
        "late" => return late(&mut tracker),
        _ => bail!("no such traffic: {shape}"),
    };
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({
        "rate": events as f64 / seconds,
        "peak_mib": machine::peak_mib(std::process::id())?,
    }))
}

fn late(tracker: &mut Tracker) -> anyhow::Result<Value> {
    tracker.take((0..LONG).map(|number| event("hot", number)))?;
    let mut millis = Vec::new();
    for number in 0..LATE {
        let mut late = event("hot", LONG + number);
        late.recorded_at = Millis(START + 5 + i64::try_from(number)?);
        let started = Instant::now();
        tracker.take(std::iter::once(late))?;
        millis.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(json!({
        "seconds": millis.iter().sum::<f64>() / 1e3,
        "median_ms": median(&millis),
        "most_ms": percentile(&millis, 100),
    }))
}

/// Six events of each saga, so many sagas under way at once.
fn saga_of(number: u64) -> String {
    let turn = AT_ONCE * STEPS.len() as u64;
    format!("ORD-{:012}", number / turn * AT_ONCE + number % AT_ONCE)
}

fn event(saga: &str, number: u64) -> Event {
    let turn = usize::try_from(number / AT_ONCE).unwrap_or(0) % STEPS.len();
    let (step, status) = STEPS[turn];
    let at = Millis(START + i64::try_from(number).unwrap_or(0));
    Event {
        position: Position::new(0, 0),
        arrived_at: at,
        recorded_at: at,
        event_timestamp: at,
        event_id: format!("0190a6f2-7c1e-7d52-8f0a-{number:012x}").into(),
        saga_id: saga.into(),
        saga_type: "ORDER_CREATION".into(),
        step: step.into(),
        status,
        order_id: saga.into(),
        metadata: Some(METADATA.into()),
        metadata_form: MetadataForm::Object,
        producer_service: Some("order-service".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    }
}

/// Writer and projector on one thread.
struct Tracker {
    writer: Writer,
    projector: Projector,
    window: usize,
    next: u64,
}

impl Tracker {
    fn open(dir: &Path) -> anyhow::Result<Self> {
        let store: SharedStore = Arc::new(pipeline::open(dir)?);
        let settings = ProjectorSettings {
            shards: 1,
            ..ProjectorSettings::default()
        };
        let definitions = Arc::new(SagaDefinitions::default());
        Ok(Self {
            writer: Writer::open(store.clone(), TOPIC)?,
            projector: Projector::open(store, Generation::A, definitions, &settings)?,
            window: settings.window_events,
            next: 0,
        })
    }

    /// Takes the events, window by window; how many there were.
    fn take(&mut self, events: impl Iterator<Item = Event>) -> anyhow::Result<u64> {
        let (mut taken, mut waiting) = (0, 0);
        for mut event in events {
            event.position = Position::new(0, self.next);
            self.next += 1;
            let record = RawRecord {
                position: event.position,
                timestamp: Some(event.arrived_at),
                key: Some(event.saga_id.as_str().as_bytes()),
                value: Some(METADATA.as_bytes()),
                headers: RawHeaders::List(&[]),
            };
            self.writer
                .account(&record, event.arrived_at, None, Ok(event.clone()));
            taken += 1;
            waiting += 1;
            if waiting == self.window {
                self.fold()?;
                waiting = 0;
            }
        }
        if waiting > 0 {
            self.fold()?;
        }
        Ok(taken)
    }

    fn fold(&mut self) -> anyhow::Result<()> {
        let delivery = self.writer.write()?.context("nothing was written")?;
        let after = delivery.after.iter().copied().collect();
        Ok(self.projector.advance(&delivery.events, &after)?)
    }
}
