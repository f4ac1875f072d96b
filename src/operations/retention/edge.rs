//! How far this replica is from the ends of both topics, by the broker's word of now.
//!
//! A sweep needs to know that everything is read and folded; whoever applies decisions, that a cut can
//! be reached at all. What was seen a moment ago proves neither, so the broker is asked. What follows
//! is decided by whoever asks here.

use super::status::RetentionStatus;
use crate::domain::{Cut, Position};
use crate::operations::decisions::{OPS_PARTITION, OpsStatus};
use crate::pipeline::ingest::late_schemas::AskedFor;
use crate::pipeline::kafka::TopicBounds;
use crate::pipeline::kafka::Topics;
use crate::pipeline::projector::ProjectorHandle;
use crate::wait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An answer older than this is not enough while somebody waits.
const MAX_ANSWER_AGE: Duration = Duration::from_secs(1);

/// Whether a cut can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything inside it that this replica will ever get is folded.
    Here,
    /// There is more to read, or nobody says.
    Ahead,
    /// It lies beyond what the topic holds; in words.
    Never(String),
}

/// Looks at the ends. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    /// Who asks the broker.
    pub topics: Arc<dyn Topics>,
    /// The tracker topic.
    pub topic: String,
    /// The ops topic.
    pub ops_topic: String,
    /// How far the projections are.
    pub projector: ProjectorHandle,
    /// How far decisions are read.
    pub ops: Arc<OpsStatus>,
    /// How far they are done.
    pub status: Arc<RetentionStatus>,
    /// How long the topic must be the same before it is taken for the one that this store is filled
    /// from: by then consumption has met its own last record, or ended.
    pub settle: Duration,
    /// How long to wait for what is under way to be read, folded and done.
    pub timeout: Duration,
    /// How long a decision waits for dead letters whose schemas are unknown here.
    pub letters: Duration,
    /// Which dead letters of unknown schemas the registry was asked for.
    pub asked_for: Arc<AskedFor>,
    /// What was answered last.
    pub asked: Arc<Mutex<Asked>>,
}

/// What the broker said of the tracker topic.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    bounds: TopicBounds,
    /// Decisions before this one were read when it was asked.
    decisions: u64,
    at: Option<Instant>,
    /// Since when the answers are of one topic.
    since: Option<Instant>,
    /// By partition, where this replica stands that is to go on, and since when.
    still: BTreeMap<u32, (u64, Instant)>,
}

/// Nobody to ask.
struct Nobody;

impl Topics for Nobody {
    fn bounds(&self, _: &str) -> Result<TopicBounds, String> {
        Err("no broker is asked".to_owned())
    }

    fn nothing_from(&self, _: &str, _: Position) -> Result<bool, String> {
        Err("no broker is asked".to_owned())
    }
}

impl Edge {
    /// Of a store that nobody fills.
    pub(super) fn of_nobody(topic: &str, projector: &ProjectorHandle) -> Self {
        Self {
            topics: Arc::new(Nobody),
            topic: topic.to_owned(),
            ops_topic: String::new(),
            projector: projector.clone(),
            ops: Arc::default(),
            status: Arc::default(),
            settle: Duration::ZERO,
            timeout: Duration::ZERO,
            letters: Duration::ZERO,
            asked_for: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// Makes sure that all which both topics hold now is read, folded and done. Waits a little for
    /// what is under way.
    ///
    /// # Errors
    /// In words, what is missing.
    pub fn prove(&self) -> Result<(), String> {
        let until = wait::now() + self.timeout;
        let ends = self.ends(&self.ops_topic)?;
        self.wait(until, |asks| {
            self.decisions_missing(ends.next(OPS_PARTITION), asks)
        })?;
        let ends = self.ends(&self.topic)?;
        self.wait(until, |asks| self.deliveries_missing(&ends, asks))?;
        match self.projector.try_no_purges() {
            Some(_) => Ok(()),
            None => Err("a rebuild is running: nothing can be removed until it is over".to_owned()),
        }
    }

    fn ends(&self, topic: &str) -> Result<Cut, String> {
        let bounds = self.topics.bounds(topic)?;
        Ok(bounds
            .into_iter()
            .map(|(partition, (_, end))| (partition, end))
            .collect())
    }

    /// Waits for what is under way; then only what is no marker of a transaction counts as missing.
    fn wait(
        &self,
        until: Instant,
        missing: impl Fn(bool) -> Result<Option<String>, String>,
    ) -> Result<(), String> {
        while missing(false)?.is_some() {
            if wait::now() >= until {
                return missing(true)?.map_or(Ok(()), Err);
            }
            wait::park(Duration::from_millis(20));
        }
        Ok(())
    }

    fn decisions_missing(&self, end: u64, asks: bool) -> Result<Option<String>, String> {
        let ops = self.ops.snapshot();
        if let Some(why) = ops.closed() {
            return Err(why.to_owned());
        }
        if ops.next < end {
            let at = Position::new(OPS_PARTITION, ops.next);
            if !asks || !self.topics.nothing_from(&self.ops_topic, at)? {
                let behind = end - ops.next;
                return Ok(Some(format!(
                    "{behind} messages of {} are not read yet",
                    self.ops_topic
                )));
            }
        }
        let undone = ops.next.saturating_sub(self.status.snapshot().next);
        Ok((undone > 0).then(|| format!("{undone} decisions are not applied yet")))
    }

    fn deliveries_missing(&self, ends: &Cut, asks: bool) -> Result<Option<String>, String> {
        let folded = self.projector.status();
        if let Some(why) = folded.failed {
            return Err(format!("the projector has stopped: {why}"));
        }
        for (partition, next) in folded.cursor.iter() {
            let end = ends.next(partition);
            if end < next {
                return Err(format!(
                    "partition {partition} of {} ends at {end}, but was read up to {next}: it is another topic",
                    self.topic
                ));
            }
        }
        let mut behind = 0;
        for (partition, end) in ends.iter() {
            let next = folded.cursor.next(partition);
            if next < end {
                let at = Position::new(partition, next);
                if !asks || !self.topics.nothing_from(&self.topic, at)? {
                    behind += end - next;
                }
            }
        }
        Ok((behind > 0).then(|| format!("{behind} records of {} are not read and folded yet", self.topic)))
    }

    /// Whether the cut of a decision can be reached. Asks the broker when that is not plain.
    pub fn reach(&self, decision: u64, cut: &Cut) -> Reach {
        let cursor = self.projector.status().cursor;
        if cursor.covers(cut) {
            return Reach::Here;
        }
        let Some(bounds) = self.bounds_after(decision, &cursor) else {
            return Reach::Ahead;
        };
        let mut reach = Reach::Here;
        for (partition, next) in cut.iter().filter(|(number, next)| cursor.next(*number) < *next) {
            match bounds.get(&partition) {
                None => return Reach::Never(format!("{} has no partition {partition}", self.topic)),
                Some((_, end)) if *end < next => {
                    return Reach::Never(format!(
                        "partition {partition} of {} ends at {end}, before its {next}",
                        self.topic
                    ));
                }
                // All of it expired: nothing of it will ever come.
                Some((low, end)) if low >= &next && low == end => {}
                Some(_) if self.nothing_comes(Position::new(partition, cursor.next(partition))) => {}
                Some(_) => reach = Reach::Ahead,
            }
        }
        reach
    }

    /// Whether this replica stood still at a place for some time, and only markers of transactions lie between
    /// it and the end: of an idle partition no delivery will move it on.
    fn nothing_comes(&self, at: Position) -> bool {
        let mut asked = self.lock();
        let still = asked
            .still
            .entry(at.partition)
            .or_insert((at.offset, wait::now()));
        if still.0 != at.offset {
            *still = (at.offset, wait::now());
        }
        if wait::since(still.1) < self.timeout {
            return false;
        }
        drop(asked);
        let nothing = self.topics.nothing_from(&self.topic, at).unwrap_or(false);
        if !nothing {
            self.lock().still.insert(at.partition, (at.offset, wait::now()));
        }
        nothing
    }

    /// The bounds of the tracker topic, asked after that decision was read; `None` while nobody says, or
    /// while it may be another topic.
    fn bounds_after(&self, decision: u64, cursor: &Cut) -> Option<TopicBounds> {
        let mut asked = self.lock();
        let fresh = asked.at.is_some_and(|at| wait::since(at) < MAX_ANSWER_AGE);
        if !fresh || asked.decisions <= decision {
            let decisions = self.ops.snapshot().next;
            let bounds = self.topics.bounds(&self.topic).ok()?;
            (asked.bounds, asked.decisions) = (bounds, decisions);
            asked.at = Some(wait::now());
        }
        let went_back = |(number, next): (u32, u64)| {
            asked.bounds.get(&number).is_none_or(|(_, end)| *end < next) && next > 0
        };
        if cursor.iter().any(went_back) {
            asked.since = None;
            return None;
        }
        let since = *asked.since.get_or_insert_with(wait::now);
        (wait::since(since) >= self.settle && asked.decisions > decision).then(|| asked.bounds.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        // Plain values: a panic elsewhere leaves at worst an old answer, which is asked for again.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
