//! What happens next: one of the things that producers, brokers, clocks, operators and machines do.

use super::disk::{Death, Fate};
use super::oracle::ledger;
use super::plan::Trouble;
use super::registry::{self, SimRegistry};
use super::replica::{Part, Process};
use super::sim::Sim;
use super::source::Given;
use super::topic::{DLT, Partition, Record, TRACKER, Topic};
use super::world::{DAY, HOUR, SECOND};
use crate::domain::{Millis, Position};
use crate::pipeline::ingest::topic_replay::{Replay, ReplayDone};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::source::OwnedRecord;
use crate::pipeline::registry::SchemaSource;
use crate::store::purged::purged;
use crate::store::reads;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

/// Something that can happen.
#[derive(Clone, Copy, Debug)]
enum Act {
    Produce,
    Run,
    Sweep,
    Kill,
    FailWrite,
    Stop,
    Start,
    Snapshot,
    Restore,
    Rebuild,
    Replay,
    Mark,
    Compact,
    Hide,
    Expire,
    Grow,
    ClockJump,
    TimePasses,
    RegistryDown,
    SchemaLate,
    Weather,
    Hold,
    RestoreSaga,
    Discard,
    Redrive,
    Nonsense,
    Unreachable,
    Scrape,
    Peek,
    ChangeStatus,
    PurgeByHand,
    Define,
}

/// How likely each is, and the trouble that it takes.
const ACTS: [(u64, Act, Option<Trouble>); 32] = [
    (30, Act::Produce, None),
    (110, Act::Run, None),
    (6, Act::Sweep, Some(Trouble::Purges)),
    (4, Act::Kill, Some(Trouble::Kills)),
    (2, Act::FailWrite, Some(Trouble::FailedWrites)),
    (3, Act::Stop, None),
    (10, Act::Start, None),
    (2, Act::Snapshot, Some(Trouble::Snapshots)),
    (2, Act::Restore, Some(Trouble::Snapshots)),
    (3, Act::Rebuild, Some(Trouble::Rebuilds)),
    (3, Act::Replay, Some(Trouble::Hidden)),
    (4, Act::Mark, Some(Trouble::Markers)),
    (3, Act::Compact, Some(Trouble::Compaction)),
    (8, Act::Hide, Some(Trouble::Hidden)),
    (3, Act::Expire, Some(Trouble::Expiry)),
    (1, Act::Grow, Some(Trouble::Growth)),
    (3, Act::ClockJump, Some(Trouble::Clocks)),
    (4, Act::TimePasses, None),
    (3, Act::RegistryDown, Some(Trouble::RegistryDown)),
    (3, Act::SchemaLate, Some(Trouble::LateSchema)),
    (3, Act::Weather, Some(Trouble::Deaf)),
    (4, Act::Hold, Some(Trouble::Holds)),
    (4, Act::RestoreSaga, Some(Trouble::Holds)),
    (4, Act::Discard, Some(Trouble::Discards)),
    (4, Act::Redrive, Some(Trouble::Redrives)),
    (3, Act::Nonsense, Some(Trouble::Nonsense)),
    (2, Act::Unreachable, Some(Trouble::Unreachable)),
    (4, Act::Scrape, None),
    (3, Act::Peek, None),
    (3, Act::ChangeStatus, None),
    (6, Act::PurgeByHand, Some(Trouble::Purges)),
    (3, Act::Define, Some(Trouble::Definitions)),
];

/// What can happen, by the names that it is counted under.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ACTS.iter().map(|(_, act, _)| act.name())
}

impl Act {
    /// What happened, for the count.
    fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Run => "run",
            Self::Sweep => "sweep",
            Self::Kill => "kill",
            Self::FailWrite => "fail a write",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Snapshot => "snapshot",
            Self::Restore => "restore",
            Self::Rebuild => "rebuild",
            Self::Replay => "replay",
            Self::Mark => "mark",
            Self::Compact => "compact",
            Self::Hide => "hide",
            Self::Expire => "expire",
            Self::Grow => "grow",
            Self::ClockJump => "clock jump",
            Self::TimePasses => "time passes",
            Self::RegistryDown => "registry down",
            Self::SchemaLate => "schema late",
            Self::Weather => "weather",
            Self::Hold => "hold",
            Self::RestoreSaga => "restore a saga",
            Self::Discard => "discard",
            Self::Redrive => "redrive",
            Self::Nonsense => "nonsense",
            Self::Unreachable => "unreachable",
            Self::Scrape => "scrape",
            Self::Peek => "peek",
            Self::ChangeStatus => "change a status",
            Self::PurgeByHand => "purge by hand",
            Self::Define => "decide on definitions",
        }
    }
}

impl Sim {
    /// Lets something happen.
    pub(super) fn act(&self) {
        self.world.pass(i64::try_from(self.world.below(20_000)).unwrap());
        let act = self.draw();
        self.count(act.name(), 1);
        let replica = self.world.index(self.replicas.len());
        match act {
            Act::Produce => self.produce(),
            Act::Run => self.run_some(replica),
            Act::Start => self.start_again(replica),
            Act::Stop => self.stop(replica),
            Act::Kill => self.kill(replica),
            Act::FailWrite => self.arm(replica, Fate::Fails),
            Act::Snapshot => self.take_snapshot(replica),
            Act::Restore => self.restore_snapshot(replica),
            Act::Sweep => self.run(replica, Part::Sweeper),
            Act::Rebuild => self.run(replica, Part::Rebuild),
            Act::Replay => self.replay(replica),
            Act::Mark | Act::Compact | Act::Hide | Act::Expire | Act::Grow => self.change_topic(act),
            Act::ClockJump => self.jump(replica),
            Act::TimePasses => self
                .world
                .pass(i64::try_from(self.world.below(2 * DAY.unsigned_abs())).unwrap()),
            Act::RegistryDown | Act::SchemaLate | Act::Weather => self.change_weather(act),
            Act::Hold => self.hold(),
            Act::RestoreSaga => self.restore_saga(),
            Act::Discard => self.discard(replica),
            Act::Redrive => self.redrive(replica),
            Act::Nonsense => self.nonsense(),
            Act::Unreachable => self.unreachable(),
            Act::Scrape => self.scrape(replica),
            Act::Peek => self.peek(replica),
            Act::ChangeStatus => self.change_status(replica),
            Act::PurgeByHand => self.purge_by_hand(replica),
            Act::Define => self.define(),
        }
    }

    fn draw(&self) -> Act {
        let possible = |trouble: &Option<Trouble>| trouble.is_none_or(|trouble| self.plan.has(trouble));
        let acts: Vec<_> = ACTS.iter().filter(|(_, _, trouble)| possible(trouble)).collect();
        let mut left = self.world.below(acts.iter().map(|(weight, ..)| weight).sum());
        for (weight, act, _) in &acts {
            if left < *weight {
                return *act;
            }
            left -= weight;
        }
        Act::Run
    }

    fn produce(&self) {
        let count = 1 + self.world.below(6);
        self.note(format!("{count} records are produced"));
        for _ in 0..count {
            let partitions = u32::try_from(self.world.tracker().partitions.len()).unwrap();
            let message = self.producers.borrow_mut().next(&self.world, partitions);
            let mut at = self.world.now().0;
            if self.plan.has(Trouble::CreateTimes) {
                at += i64::try_from(self.world.below(4 * HOUR.unsigned_abs())).unwrap() - 2 * HOUR;
            }
            if self.plan.has(Trouble::WildTimes) && self.world.chance(20) {
                at *= 1_000;
            }
            self.world.publish(&message, Millis(at));
        }
    }

    /// Lets parts of a replica run.
    fn run_some(&self, replica: usize) {
        let times = 1 + self.world.below(4);
        for _ in 0..times {
            let part = self.world.weighted([
                (8, Part::Ingest),
                (8, Part::Projector),
                (4, Part::Ops),
                (3, Part::Worker),
                (2, Part::Redrives),
                (1, Part::Rebuild),
                (2, Part::Reread),
            ]);
            let up = self.replicas[replica].up();
            let wanted = match part {
                Part::Rebuild => up.is_some_and(|process| process.is_due()),
                Part::Redrives => self.plan.has(Trouble::Redrives),
                Part::Reread => up.is_some() && self.plan.has(Trouble::LateSchema),
                _ => up.is_some(),
            };
            if wanted {
                self.run(replica, part);
            }
        }
    }

    fn start_again(&self, replica: usize) {
        let other = self.plan.has(Trouble::OtherDefinitions) && self.world.chance(500);
        self.start(replica, usize::from(other));
        if self.plan.has(Trouble::Kills) && self.world.chance(300) {
            self.arm(replica, Fate::KilledBefore);
        }
    }

    fn kill(&self, replica: usize) {
        let Some(process) = self.replicas[replica].up() else {
            return;
        };
        match self.world.below(3) {
            0 => self.bury(replica, &process),
            1 => self.arm(replica, Fate::KilledBefore),
            _ => self.arm(replica, Fate::KilledAfter),
        }
    }

    fn arm(&self, replica: usize, fate: Fate) {
        if let Some(process) = self.replicas[replica].up() {
            process.disk().arm(self.world.below(8), fate);
        }
    }

    fn take_snapshot(&self, replica: usize) {
        self.note(format!("a snapshot of replica {replica} is taken"));
        let replica = &self.replicas[replica];
        let mut snapshots = replica.snapshots.borrow_mut();
        if snapshots.len() == 3 {
            snapshots.remove(0);
        }
        let given = replica.given.lock().clone();
        snapshots.push((replica.stored(), given));
    }

    fn restore_snapshot(&self, number: usize) {
        let replica = &self.replicas[number];
        let count = replica.snapshots.borrow().len();
        if count == 0 {
            return;
        }
        if let Some(process) = replica.up() {
            process.disk().crash(Death::Process, &mut self.world.dice());
            replica.process.borrow_mut().take();
        }
        let chosen = self.world.index(count);
        self.note(format!("replica {number} is restored from snapshot {chosen}"));
        let (rows, given) = &replica.snapshots.borrow()[chosen];
        *replica.rows.borrow_mut() = rows.copy();
        // What was told to whoever ran before is not known to this one, but it was told.
        let told = replica.given.lock().told.clone();
        *replica.given.lock() = Given {
            told,
            ..given.clone()
        };
        replica.scraped.borrow_mut().clear();
    }

    /// Reads everything again that the broker has, and fills in what was not delivered.
    pub(super) fn replay(&self, number: usize) {
        let replica = &self.replicas[number];
        let Some(process) = replica.up() else { return };
        if process.has_stopped(Part::Projector) || process.projector.borrow().is_none() {
            return;
        }
        let stored = reads::offsets(&*process.store, TRACKER).unwrap();
        let rows = stored.iter().copied().collect();
        let mut records = Vec::new();
        for (partition, row) in &stored {
            if let Some(there) = self.world.tracker().partitions.get(*partition as usize) {
                records.extend(there.records.range(..row.next).map(|(_, record)| record.clone()));
            }
        }
        let replay = Replay {
            store: process.store.clone(),
            settings: KafkaSettings {
                topic: TRACKER.to_owned(),
                dlt_topic: DLT.to_owned(),
                ..KafkaSettings::default()
            },
            schemas: self.registry(),
            projector: process.handle.clone(),
            book: process.book(),
            asked_for: process.asked_for.clone(),
            stop: CancellationToken::new(),
        };
        let decision = crate::operations::retention::cursor(&process.store).unwrap();
        let owned = records.iter().map(|record| OwnedRecord {
            position: record.position,
            timestamp: Some(record.timestamp),
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
            by_broker: false,
        });
        let mut done = ReplayDone::default();
        let ended = self.as_part(number, &process, || {
            replay.take(&rows, owned.collect(), &mut done)
        });
        self.note(format!("replica {number} replays: {done:?}, {ended:?}"));
        let stored = replica.stored();
        // A purge may be done whose turn the worker's cursor has not passed.
        let next_for = |record: &Record| {
            let event = registry::read(record, record.timestamp).ok()?;
            let gone = purged(&stored, &event.saga_id).unwrap()?;
            (gone.is_gone() && gone.decision >= decision).then_some(gone.decision + 1)
        };
        let mut given = replica.given.lock();
        for record in records {
            let start = rows
                .get(&record.position.partition)
                .map_or(u64::MAX, |row| row.start);
            if record.position.offset >= start
                && !given.records.contains_key(&record.position)
                && !given.filled.contains_key(&record.position)
                && ledger::is_accounted(&stored, record.position)
            {
                let next = next_for(&record).unwrap_or(decision);
                let arrived = ledger::arrived(&stored, &record);
                given.filled.insert(record.position, (record, next, arrived));
            }
        }
    }

    fn change_topic(&self, act: Act) {
        let mut topic = self.world.tracker();
        let number = self.world.index(topic.partitions.len());
        let Partition { low, end, .. } = topic.partitions[number];
        let at = low + self.world.below(end - low + 1);
        drop(topic);
        self.note(format!("{act:?}: partition {number}, offset {at}"));
        topic = self.world.tracker();
        match act {
            Act::Mark => topic.mark(number),
            Act::Compact => _ = topic.partitions[number].records.remove(&at),
            Act::Hide => {
                let position = Position::new(u32::try_from(number).unwrap(), at);
                topic.hidden.insert(position);
            }
            Act::Expire => topic.expire(number, at),
            _ if topic.partitions.len() < 5 => topic.partitions.push(Partition::default()),
            _ => {}
        }
    }

    fn jump(&self, replica: usize) {
        let far = self.world.below(200 * DAY.unsigned_abs());
        let skew = match self.world.below(3) {
            0 => 0,
            1 => i64::try_from(far).unwrap() - 100 * DAY,
            _ => i64::try_from(far % 60_000).unwrap() - 30 * SECOND,
        };
        self.note(format!(
            "the clock of replica {replica} is off by {} hours",
            skew / HOUR
        ));
        self.replicas[replica].skew.store(skew, Ordering::Relaxed);
    }

    fn change_weather(&self, act: Act) {
        let times = self.world.below(8);
        let bad = self.world.chance(500);
        let mut weather = self.world.weather();
        match act {
            Act::RegistryDown => weather.registry_down = times,
            Act::SchemaLate => {
                weather.knows_second = !bad;
                self.producers.borrow_mut().second = true;
            }
            _ if bad => (weather.deaf, weather.away) = (300, 300),
            _ => (weather.deaf, weather.away) = (0, 0),
        }
        self.note(format!("{act:?}: {:?}", *weather));
    }

    fn registry(&self) -> Arc<dyn SchemaSource> {
        Arc::new(SimRegistry(self.world.clone()))
    }

    /// Deletes the topic and creates it again, with a little in it.
    pub(super) fn recreate(&self) {
        self.note("the topic is deleted and created again");
        self.recreated.set(true);
        let count = self.world.tracker().partitions.len();
        *self.world.tracker() = Topic::new(count);
        for _ in 0..self.world.below(3) {
            let message = self.producers.borrow_mut().next(&self.world, 1);
            self.world.publish(&message, self.world.now());
        }
    }

    /// What it says that something came to which a process does that may be killed meanwhile.
    pub(super) fn as_part<T>(
        &self,
        replica: usize,
        process: &Rc<Process>,
        work: impl FnOnce() -> T,
    ) -> Option<T> {
        self.guarded(replica, process, Part::Rebuild, work)
    }
}
