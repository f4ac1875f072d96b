//! What it costs that an event counts once, however often it is delivered.
//!
//! The tracker has no switch for that, so "off" is put together from what is left without it:
//! the same writer and projector over the same traffic *without its duplicates* (each of them is
//! looked for in the log), minus what remembering keys costs *an event that is no
//! duplicate*: the fold and the record of the state with and without fingerprints.

use crate::pipeline;
use crate::report::median;
use crate::settings::Settings;
use crate::topic;
use anyhow::Context as _;
use saga_tracker::domain::{Event, Position, SagaDefinitions, SagaId, SagaState};
use saga_tracker::pipeline::ingest::writer::Writer;
use saga_tracker::pipeline::kafka::source::{RawHeaders, RawRecord};
use saga_tracker::pipeline::projector::{Projector, ProjectorSettings};
use saga_tracker::store::codec::Record as _;
use saga_tracker::store::records::InstanceRecord;
use saga_tracker::store::{Generation, SharedStore};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const TOPIC: &str = "bench-dedupe";

/// Microseconds per event, with and without.
pub(crate) fn measure(settings: &Settings, dir: &Path) -> anyhow::Result<Value> {
    let count = usize::try_from(settings.events / 4)?;
    let all: Vec<Event> = topic::traffic(settings, settings.events / 4)
        .filter_map(|report| report.event(Position::new(0, 0)))
        .take(count)
        .collect();
    let mut known = HashSet::new();
    let unique: Vec<Event> = all
        .iter()
        .filter(|event| known.insert(event.event_id.clone()))
        .cloned()
        .collect();
    let duplicates = all.len() - unique.len();
    let (all, unique) = (positioned(all), positioned(unique));

    let mut micros = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..settings.rounds {
        micros[0].push(pipelined(&all, dir)?);
        micros[1].push(pipelined(&unique, dir)?);
        micros[2].push(folded(&unique, true)?);
        micros[3].push(folded(&unique, false)?);
    }
    let [on, without, with_keys, without_keys] = micros.map(|rounds| median(&rounds));
    let keys = with_keys - without_keys;
    Ok(json!({
        "on_micros": on,
        "off_micros": without - keys,
        "keys_micros": keys,
        "duplicates": duplicates as f64 / count as f64,
    }))
}

fn positioned(mut events: Vec<Event>) -> Vec<Event> {
    for (offset, event) in (0..).zip(&mut events) {
        event.position = Position::new(0, offset);
    }
    events
}

/// Microseconds per event of writer and projector on one thread.
fn pipelined(events: &[Event], dir: &Path) -> anyhow::Result<f64> {
    let store: SharedStore = Arc::new(pipeline::open(dir)?);
    let mut writer = Writer::open(store.clone(), TOPIC)?;
    let settings = ProjectorSettings {
        shards: 1,
        ..ProjectorSettings::default()
    };
    let definitions = Arc::new(SagaDefinitions::default());
    let mut projector = Projector::open(store.clone(), Generation::A, definitions, &settings)?;
    let started = Instant::now();
    for window in events.chunks(settings.window_events) {
        for event in window {
            let record = RawRecord {
                position: event.position,
                timestamp: Some(event.arrived_at),
                key: Some(event.saga_id.as_str().as_bytes()),
                value: event.metadata.as_deref().map(str::as_bytes),
                headers: RawHeaders::List(&[]),
            };
            writer.account(&record, event.arrived_at, None, Ok(event.clone()));
        }
        let delivery = writer.write()?.context("nothing was written")?;
        projector.advance(&delivery.events, &delivery.after.iter().copied().collect())?;
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / events.len() as f64;
    drop((writer, projector, store));
    std::fs::remove_dir_all(dir)?;
    Ok(micros)
}

/// Microseconds per event of folding in windows as the projector does, with or without knowing which
/// events a saga has had. What a late event needs in both cases is left out in both.
fn folded(events: &[Event], knowing: bool) -> anyhow::Result<f64> {
    let definitions = SagaDefinitions::default();
    let mut states: HashMap<&SagaId, SagaState> = HashMap::new();
    let mut record = Vec::new();
    let started = Instant::now();
    for window in events.chunks(ProjectorSettings::default().window_events) {
        let mut touched = HashSet::new();
        for event in window {
            touched.insert(&event.saga_id);
            let Some(state) = states.get_mut(&event.saga_id) else {
                let mut state = SagaState::begin(event, &definitions);
                if !knowing {
                    state.listed = None;
                }
                states.insert(&event.saga_id, state);
                continue;
            };
            let applies = if knowing {
                state.accepts(event)
            } else {
                event.timeline_key() > state.tail
            };
            if applies {
                state.apply(event, &definitions);
            }
        }
        for saga in touched {
            record.clear();
            InstanceRecord::of(&states[saga]).write(&mut record);
            black_box(&record);
        }
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / events.len() as f64)
}
