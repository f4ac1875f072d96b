//! A consumer's client: it fetches ahead, and starts over at the earliest record where it is out of range.
//! Beside it somebody asks where the topic begins and ends, whose answers may be old when they come.

use super::topic::{Record, TRACKER};
use super::world::World;
use crate::domain::{Cut, Millis, Position};
use crate::pipeline::kafka::TopicBounds;
use crate::pipeline::kafka::Topics;
use crate::pipeline::kafka::source::{Broker, Observed, RawHeaders, RawRecord, Source, SourceError, Taken};
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
    watch: Arc<SimWatch>,
}

impl SimSource {
    pub(super) fn new(
        world: &Arc<World>,
        topic: &'static str,
        given: &SharedGiven,
        resume_from: impl IntoIterator<Item = (u32, u64)>,
    ) -> Self {
        let resume_from: BTreeMap<u32, u64> = resume_from.into_iter().collect();
        let handed = resume_from
            .iter()
            .map(|(number, next)| (*number, *next))
            .collect();
        Self {
            world: world.clone(),
            topic,
            given: given.clone(),
            fetched: BTreeMap::new(),
            queue: VecDeque::new(),
            watch: Arc::new(SimWatch::new(world, topic, given, handed)),
            resume_from,
        }
    }

    /// What was last told of the cluster.
    pub(super) fn told(&self) -> Observed {
        self.watch.lock().observed.clone()
    }

    /// Whether there are partitions to fetch from.
    fn assign(&mut self) -> bool {
        let topic = self.world.topic(self.topic);
        for number in 0..self.told().partitions {
            let partition = &topic.partitions[number as usize];
            let from = self.resume_from.get(&number).copied().unwrap_or(partition.low);
            self.fetched.entry(number).or_insert(from);
        }
        !self.fetched.is_empty()
    }

    fn fetch(&mut self) {
        let numbers: Vec<u32> = self.fetched.keys().copied().collect();
        let first = self.world.index(numbers.len());
        for turn in 0..numbers.len() {
            let number = numbers[(first + turn) % numbers.len()];
            let limit = self.world.below(9);
            self.fetch_partition(number, limit);
        }
    }

    fn fetch_partition(&mut self, number: u32, limit: u64) {
        let topic = self.world.topic(self.topic);
        let partition = &topic.partitions[number as usize];
        let mut from = self.fetched[&number];
        if from < partition.low || from > partition.end {
            from = partition.low;
        }
        for _ in 0..limit {
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

    /// Hands over some of what was fetched.
    fn give(&mut self, take: &mut dyn FnMut(&RawRecord<'_>) -> Taken) {
        for _ in 0..self.world.below(14) {
            let Some((record, low)) = self.queue.pop_front() else {
                break;
            };
            let taken = take(&raw(&record));
            let Position { partition, offset } = record.position;
            let before = self.watch.lock().handed.next(partition);
            self.watch.lock().handed.set(partition, offset + 1);
            // What comes from further back is of another topic, and refused.
            if offset >= before {
                let mut given = self.given.lock();
                given.records.entry(record.position).or_insert((record, low));
            }
            if taken == Taken::Enough {
                break;
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
        if self.world.chance(600) {
            self.watch.look();
        }
        if !self.assign() {
            return Ok(());
        }
        if self.queue.len() < 40 {
            self.fetch();
        }
        self.give(take);
        self.watch.lock().idle = self.queue.is_empty();
        Ok(())
    }

    fn observed(&self) -> Observed {
        self.told()
    }

    fn broker(&self) -> Arc<dyn Broker> {
        self.watch.clone()
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

/// Whoever looks at the topic beside the consumer, as `ingest::watch` does: answers take their time, and
/// some partitions may not answer.
struct SimWatch {
    world: Arc<World>,
    topic: &'static str,
    given: SharedGiven,
    seen: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    observed: Observed,
    /// Behind the last record that was handed over, per partition.
    handed: Cut,
    /// The consumer has nothing to give now.
    idle: bool,
    /// An answer that is on its way: how many partitions there are, and what those that answer said.
    coming: Option<(u32, Vec<Said>)>,
}

/// What a partition said: where it begins and ends, and up to where there is nothing to be handed over.
struct Said {
    number: u32,
    low: u64,
    end: u64,
    looked: u64,
}

impl SimWatch {
    fn new(world: &Arc<World>, topic: &'static str, given: &SharedGiven, handed: Cut) -> Self {
        Self {
            world: world.clone(),
            topic,
            given: given.clone(),
            seen: Mutex::new(Watched {
                handed,
                ..Watched::default()
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_deaf(&self) -> bool {
        let deaf = self.world.weather().deaf;
        self.world.chance(deaf)
    }

    /// Asks, or gets the answer to what was asked before.
    fn look(&self) {
        let coming = self.lock().coming.take();
        let (partitions, said) = match coming {
            Some(coming) => coming,
            None => {
                self.lock().observed.asked += 1;
                if self.is_deaf() {
                    self.lock().observed.reachable = false;
                    return;
                }
                self.ask()
            }
        };
        if self.world.chance(300) {
            self.lock().coming = Some((partitions, said));
        } else {
            self.note(partitions, &said);
        }
    }

    fn ask(&self) -> (u32, Vec<Said>) {
        let answering: Vec<bool> = {
            let count = self.world.topic(self.topic).partitions.len();
            (0..count).map(|_| !self.is_deaf()).collect()
        };
        let topic = self.world.topic(self.topic);
        let seen = self.lock();
        let said = (0u32..).zip(&topic.partitions).zip(answering);
        let said = said
            .filter(|(_, answers)| *answers)
            .map(|((number, partition), _)| {
                let from = seen.handed.next(number).max(partition.low);
                let nothing = from >= partition.end || (seen.idle && topic.next(number, from).is_none());
                Said {
                    number,
                    low: partition.low,
                    end: partition.end,
                    looked: if nothing { partition.end } else { 0 },
                }
            });
        (u32::try_from(topic.partitions.len()).unwrap(), said.collect())
    }

    fn note(&self, partitions: u32, said: &[Said]) {
        let mut seen = self.lock();
        let observed = &mut seen.observed;
        observed.reachable = true;
        observed.lows = said.iter().map(|said| (said.number, said.low)).collect();
        for said in said {
            observed.begins.entry(said.number).or_insert(said.low);
            observed.ends.set(said.number, said.end);
            observed.looked.set(said.number, said.looked);
            self.given.lock().tell(said.number, said.end);
        }
        if said.len() == partitions as usize {
            observed.partitions = observed.partitions.max(partitions);
            observed.answered = observed.asked;
        }
    }

    fn bounds(&self, partition: u32) -> Option<(u64, u64)> {
        if self.is_deaf() {
            return None;
        }
        let topic = self.world.topic(self.topic);
        let partition = topic.partitions.get(partition as usize)?;
        Some((partition.low, partition.end))
    }
}

impl Broker for SimWatch {
    fn ask_end(&self, partition: u32) -> Option<u64> {
        let (_, end) = self.bounds(partition)?;
        self.given.lock().tell(partition, end);
        Some(end)
    }

    fn ask_low(&self, partition: u32) -> Option<u64> {
        Some(self.bounds(partition)?.0)
    }

    fn observed(&self) -> Option<Observed> {
        self.look();
        Some(self.lock().observed.clone())
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
        Ok(self
            .world
            .topic(topic)
            .next(from.partition, from.offset)
            .is_none())
    }
}
