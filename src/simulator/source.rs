//! A consumer's client as librdkafka is one: it fetches ahead, starts over at the earliest record
//! where it is out of range, and tells statistics *before* the messages that it has fetched.

use super::topic::{Record, TRACKER};
use super::world::World;
use crate::domain::{Cut, Millis, Position};
use crate::ingest::bounds::TopicBounds;
use crate::ingest::source::{Broker, Observed, RawHeaders, RawRecord, Source, SourceError, Taken};
use crate::ops::Topics;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a replica was given of a topic, kept beside it for the oracle.
#[derive(Clone, Default)]
pub(super) struct Given {
    /// The records, each with the first offset that the broker held when it was fetched.
    pub(super) records: BTreeMap<Position, (Arc<Record>, u64)>,
    /// Records that a replay filled in, with the next decision that was to be applied then, and when the
    /// store says that an event among them arrived.
    pub(super) filled: BTreeMap<Position, (Arc<Record>, u64, Option<Millis>)>,
    /// The highest ends that it was told, one way or another.
    pub(super) told: Cut,
}

impl Given {
    /// Forgets what is not in the store: it is given again.
    pub(super) fn keep(&mut self, stored: &Cut) {
        self.records.retain(|position, _| stored.contains(*position));
        self.filled.retain(|position, _| stored.contains(*position));
    }

    fn tell(&mut self, partition: u32, end: u64) {
        let told = self.told.next(partition);
        self.told.set(partition, end.max(told));
    }
}

/// [`Given`], shared between the source that gives and the oracle.
#[derive(Clone, Default)]
pub(super) struct SharedGiven(Arc<Mutex<Given>>);

impl SharedGiven {
    pub(super) fn lock(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client.
pub(super) struct SimSource {
    world: Arc<World>,
    topic: &'static str,
    given: SharedGiven,
    resume_from: BTreeMap<u32, u64>,
    /// By assigned partition: the offset that is fetched next.
    fetched: BTreeMap<u32, u64>,
    queue: VecDeque<(Arc<Record>, u64)>,
    observed: Observed,
}

impl SimSource {
    pub(super) fn new(
        world: &Arc<World>,
        topic: &'static str,
        given: &SharedGiven,
        resume_from: impl IntoIterator<Item = (u32, u64)>,
    ) -> Self {
        Self {
            world: world.clone(),
            topic,
            given: given.clone(),
            resume_from: resume_from.into_iter().collect(),
            fetched: BTreeMap::new(),
            queue: VecDeque::new(),
            observed: Observed::default(),
        }
    }

    fn is_deaf(&self) -> bool {
        let deaf = self.world.weather().deaf;
        self.world.chance(deaf)
    }

    /// Whether there are partitions to fetch from.
    fn assign(&mut self) -> bool {
        if self.observed.partitions == 0 {
            self.observed.reachable = !self.is_deaf();
            if !self.observed.reachable {
                return false;
            }
            self.observed.partitions = u32::try_from(self.world.topic(self.topic).partitions.len()).unwrap();
        }
        let answers = !self.is_deaf();
        let topic = self.world.topic(self.topic);
        for number in 0..self.observed.partitions {
            if self.fetched.contains_key(&number) {
                continue;
            }
            let partition = &topic.partitions[number as usize];
            let from = self.resume_from.get(&number).copied().unwrap_or(partition.low);
            self.fetched.insert(number, from);
            if answers {
                self.observed.lows.insert(number, partition.low);
                self.observed.ends.set(number, partition.end);
                self.given.lock().tell(number, partition.end);
            }
        }
        true
    }

    fn fetch(&mut self) {
        let numbers: Vec<u32> = self.fetched.keys().copied().collect();
        let first = self.world.index(numbers.len());
        for turn in 0..numbers.len() {
            let number = numbers[(first + turn) % numbers.len()];
            let most = self.world.below(9);
            self.fetch_partition(number, most);
        }
    }

    fn fetch_partition(&mut self, number: u32, most: u64) {
        let topic = self.world.topic(self.topic);
        let partition = &topic.partitions[number as usize];
        let mut from = self.fetched[&number];
        if from < partition.low || from > partition.end {
            from = partition.low;
        }
        for _ in 0..most {
            let Some(record) = topic.next(number, from) else {
                // Markers, which nobody is given, may be all that is left.
                from = partition.end;
                break;
            };
            from = record.position.offset + 1;
            self.queue.push_back((record, partition.low));
        }
        self.fetched.insert(number, from);
    }

    /// Sees what statistics say. They come before the messages that wait.
    fn look(&mut self) {
        self.observed.reachable = !self.is_deaf();
        if !self.observed.reachable {
            return;
        }
        let topic = self.world.topic(self.topic);
        self.observed.partitions = u32::try_from(topic.partitions.len()).unwrap();
        for (number, end) in topic.ends() {
            if let Some(fetched) = self.fetched.get(&number) {
                self.observed.ends.set(number, end);
                self.observed.looked.set(number, *fetched);
                self.given.lock().tell(number, end);
            }
        }
    }
}

impl Source for SimSource {
    fn poll(
        &mut self,
        _: Duration,
        _: Duration,
        take: &mut dyn FnMut(&RawRecord<'_>) -> Taken,
    ) -> Result<(), SourceError> {
        if !self.assign() {
            return Ok(());
        }
        if self.queue.len() < 40 {
            self.fetch();
        }
        if self.world.chance(400) {
            self.look();
        }
        for _ in 0..self.world.below(14) {
            let Some((record, low)) = self.queue.pop_front() else {
                break;
            };
            let taken = take(&raw(&record));
            let mut given = self.given.lock();
            given.records.entry(record.position).or_insert((record, low));
            drop(given);
            if taken == Taken::Enough {
                break;
            }
        }
        Ok(())
    }

    fn observed(&self) -> Observed {
        self.observed.clone()
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(SimBroker {
            world: self.world.clone(),
            topic: self.topic,
            given: self.given.clone(),
        })
    }

    fn report(&mut self, _: &Cut) {}

    fn report_finally(&mut self, _: &Cut) {}
}

/// The record as a client hands it over.
pub(super) fn raw(record: &Record) -> RawRecord<'_> {
    RawRecord {
        position: record.position,
        timestamp: Some(record.timestamp),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: RawHeaders::List(&record.headers),
    }
}

struct SimBroker {
    world: Arc<World>,
    topic: &'static str,
    given: SharedGiven,
}

impl SimBroker {
    fn ask(&self, partition: u32) -> Option<(u64, u64)> {
        let deaf = self.world.weather().deaf;
        if self.world.chance(deaf) {
            return None;
        }
        let topic = self.world.topic(self.topic);
        let partition = topic.partitions.get(partition as usize)?;
        Some((partition.low, partition.end))
    }
}

impl Broker for SimBroker {
    fn ask_end(&self, partition: u32) -> Option<u64> {
        let (_, end) = self.ask(partition)?;
        self.given.lock().tell(partition, end);
        Some(end)
    }

    fn ask_low(&self, partition: u32) -> Option<u64> {
        Some(self.ask(partition)?.0)
    }
}

/// Whoever asks the broker where topics end.
pub(super) struct SimTopics {
    pub(super) world: Arc<World>,
    pub(super) given: SharedGiven,
}

impl SimTopics {
    fn answers(&self) -> Result<(), String> {
        let deaf = self.world.weather().deaf;
        if self.world.chance(deaf) {
            return Err("no broker answers".to_owned());
        }
        Ok(())
    }
}

impl Topics for SimTopics {
    fn bounds(&self, topic: &str) -> Result<TopicBounds, String> {
        self.answers()?;
        let there = self.world.topic(topic);
        let bounds: TopicBounds = (0u32..)
            .zip(&there.partitions)
            .map(|(number, partition)| (number, (partition.low, partition.end)))
            .collect();
        if topic == TRACKER {
            let mut given = self.given.lock();
            for (number, (_, end)) in &bounds {
                given.tell(*number, *end);
            }
        }
        Ok(bounds)
    }

    fn nothing_from(&self, topic: &str, from: Position) -> Result<bool, String> {
        self.answers()?;
        Ok(self.world.topic(topic).next(from.partition, from.offset).is_none())
    }
}
