//! When the tracker calls itself UP. The rules, apart from how they travel.
//!
//! Three questions, three answers. **health**: would an operator want to know? Every component
//! counts, but a missing ops topic: who decides nothing needs none, and the tracker does the rest
//! without. **liveness**: would a restart help? Only the store counts, and a thread that panicked: neither
//! a broker that is away nor a full disk is cured by it. **readiness**: may traffic come? Once the projections have caught
//! up with what the broker held at the start, answers are as good as they can be, and a broker that
//! goes away later takes nothing from them; so the store counts, and having caught up once.

use super::parts::{EndedPart, EndedParts, Parts};
use super::settings::HealthSettings;
use crate::domain::clock::SharedClock;
use crate::domain::{Cut, Millis, UnreadableVersion};
use crate::operations::decisions::{OpsSnapshot, OpsStatus};
use crate::operations::rebuild::{NoDiskSpace, Rebuilds};
use crate::operations::retention::{RetentionSnapshot, RetentionStatus};
use crate::operations::webhooks::{WebhookFigures, WebhookStatus};
use crate::pipeline::ingest::space::Shortage;
use crate::pipeline::ingest::status::{IngestSnapshot, IngestStatus};
use crate::pipeline::projector::ProjectorWatch;
use crate::pipeline::query::{LedgerRequest, Query, QueryError};
use crate::store::disk::{self, Room};
use crate::store::{Key, SharedStore, Table, keys, totals};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Clocks of machines differ by less.
const AHEAD_MS: u64 = 60_000;

/// A component that has something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Whether it does its work.
    pub up: bool,
    /// What it does or lacks, in words.
    pub message: String,
}

/// Reading of decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// Whether they are read.
    pub up: bool,
    /// They are no longer read until an operator does something.
    pub stopped: bool,
    /// A version of the definitions is in force that cannot be read here.
    pub unread: bool,
    /// What is done or lacks, in words.
    pub message: String,
    /// The next offset to read.
    pub next: u64,
    /// The end of the ops topic, where known.
    pub end: Option<u64>,
}

/// Space on the disk under the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Whether enough is free.
    pub up: bool,
    /// Bytes in all; none for a store in memory.
    pub total: Option<u64>,
    /// Bytes that are free to us.
    pub free: Option<u64>,
    /// Bytes that must be.
    pub threshold: u64,
    /// Why it is not known, or why it is not enough.
    pub message: Option<String>,
}

/// Every component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the store can be read.
    pub db: Component,
    /// Whether a broker answers and ingest runs.
    pub kafka: Component,
    /// Whether the disk has room.
    pub disk_space: DiskSpace,
    /// Whether the projections have caught up once.
    pub projections: Component,
    /// Whether decisions are read.
    pub ops: Decisions,
    /// Whether all threads and tasks run.
    pub threads: Component,
    /// Whether one of them panicked.
    pub panicked: bool,
    /// Whether decisions to purge and restore are done.
    pub retention: Component,
    /// Whether it is known of every offset what became of it.
    pub ledger: Component,
    /// How webhooks are told. No reason to be DOWN.
    pub webhooks: Component,
}

impl Report {
    /// Whether there is nothing that an operator would want to know.
    pub fn healthy(&self) -> bool {
        self.db.up
            && self.kafka.up
            && self.disk_space.up
            && self.projections.up
            && !self.ops.stopped
            && !self.ops.unread
            && self.threads.up
            && self.retention.up
            && self.ledger.up
    }

    /// Each component: its name in answers, whether it does its work, and what it does or lacks.
    pub fn components(&self) -> Vec<(&'static str, bool, String)> {
        let disk = match (&self.disk_space.message, self.disk_space.free) {
            (Some(message), _) => message.clone(),
            (None, Some(free)) => format!("{free} bytes free"),
            (None, None) => "nothing is kept on a disk".to_owned(),
        };
        let of = |name, component: &Component| (name, component.up, component.message.clone());
        vec![
            of("db", &self.db),
            of("kafka", &self.kafka),
            ("diskSpace", self.disk_space.up, disk),
            of("projections", &self.projections),
            ("ops", self.ops.up, self.ops.message.clone()),
            of("threads", &self.threads),
            of("retention", &self.retention),
            of("ledger", &self.ledger),
            of("webhooks", &self.webhooks),
        ]
    }

    /// Whether no restart would help.
    pub fn alive(&self) -> bool {
        self.db.up && !self.panicked
    }

    /// Whether traffic may come.
    pub fn ready(&self) -> bool {
        self.db.up && self.projections.up
    }
}

/// Looks at the components.
pub struct Health {
    settings: HealthSettings,
    store: SharedStore,
    query: Query,
    ingest: Arc<IngestStatus>,
    projected: ProjectorWatch,
    ops: Arc<OpsStatus>,
    retention: Option<Arc<RetentionStatus>>,
    rebuilds: Rebuilds,
    webhooks: Arc<WebhookStatus>,
    ended: Arc<EndedParts>,
    clock: SharedClock,
    data_dir: Option<PathBuf>,
    catching_up: Mutex<CatchUp>,
}

/// What has to be projected before the tracker is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CatchUp {
    /// Nobody has said yet where the topic ends.
    Unknown,
    /// Up to the ends that the broker told first.
    To(Cut),
    /// It has been; for good.
    Done,
}

impl Health {
    /// Looks at these parts.
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            settings: parts.health.clone(),
            store: parts.query.store().clone(),
            query: parts.query.clone(),
            ingest: parts.ingest.clone(),
            projected: parts.projected.clone(),
            ops: parts.decisions.status.clone(),
            retention: parts.retention.as_ref().map(|it| it.status().clone()),
            webhooks: parts.webhooks.clone(),
            rebuilds: parts.rebuilds.clone(),
            ended: parts.ended.clone(),
            clock: parts.clock.clone(),
            data_dir: parts.data_dir.clone(),
            catching_up: Mutex::new(CatchUp::Unknown),
        }
    }

    /// Looks at every component now. Reads store and disk: not for a thread that must not wait.
    pub fn report(&self) -> Report {
        let ingest = self.ingest.snapshot();
        let (now, down_after) = (self.clock.now(), self.settings.kafka_down_after_ms);
        let mut kafka = kafka(&ingest, now, down_after);
        if let Some(told) = self.query.last_arrivals().ok().and_then(|last| ahead(&last, now)) {
            kafka.message = format!("{}; {told}", kafka.message);
        }
        let projections = self.projections(&ingest, kafka.up);
        let ended = self.ended.all();
        Report {
            db: self.db(),
            kafka,
            disk_space: self.disk_space(&ingest),
            projections,
            ops: ops(
                self.ops.snapshot(),
                self.query.unreadable_version().as_ref(),
                (now, down_after),
            ),
            threads: threads(&ended),
            panicked: ended.iter().any(|part| part.panicked),
            retention: retention(self.retention.as_ref().map(|status| status.snapshot())),
            webhooks: told(&self.webhooks.known()),
            ledger: ledger(&self.query),
        }
    }

    fn db(&self) -> Component {
        let mut key = Key::default();
        keys::meta(&mut key, totals::FORMAT);
        match self.store.get(Table::Meta, &key) {
            Ok(_) => Component {
                up: true,
                message: "a read works".to_owned(),
            },
            Err(error) => Component {
                up: false,
                message: error.to_string(),
            },
        }
    }

    fn disk_space(&self, ingest: &IngestSnapshot) -> DiskSpace {
        let waiting = self.rebuilds.waiting();
        lacking_room(self.disk(), ingest.shortage.as_ref(), waiting.as_ref())
    }

    fn disk(&self) -> DiskSpace {
        let threshold = self.settings.disk_free_min_bytes;
        let Some(dir) = &self.data_dir else {
            let message = Some("the store is in memory".to_owned());
            return DiskSpace {
                up: true,
                total: None,
                free: None,
                threshold,
                message,
            };
        };
        match disk::room(dir) {
            Ok(Room { total, free }) => DiskSpace {
                up: free >= threshold,
                total: Some(total),
                free: Some(free),
                threshold,
                message: None,
            },
            Err(error) => {
                let message = Some(format!("{}: {error}", dir.display()));
                DiskSpace {
                    up: false,
                    total: None,
                    free: None,
                    threshold,
                    message,
                }
            }
        }
    }

    fn projections(&self, ingest: &IngestSnapshot, kafka_up: bool) -> Component {
        let projected = self.projected.status().cursor;
        // A panic elsewhere leaves the last step of a one-way walk behind.
        let mut state = self.catching_up.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.next(ingest, &projected, kafka_up);
        let message = match &*state {
            CatchUp::Unknown => "waiting for a broker to say where the topic ends".to_owned(),
            CatchUp::To(ends) => format!("{} offsets to go since the start", behind(ends, &projected)),
            CatchUp::Done => "caught up".to_owned(),
        };
        Component {
            up: *state == CatchUp::Done,
            message,
        }
    }
}

impl CatchUp {
    fn next(&self, ingest: &IngestSnapshot, projected: &Cut, kafka_up: bool) -> Self {
        let ends = match self {
            Self::Done => return Self::Done,
            // What cannot be consumed for want of room will not come soon: the same.
            _ if ingest.shortage.is_some() => ingest.next.clone(),
            // An end that turns out to be markers of transactions, which nobody gets, is nearer than told.
            Self::To(ends) => {
                let mut nearer = ends.clone();
                for (partition, end) in ingest.end.iter() {
                    nearer.set(partition, ends.next(partition).min(end));
                }
                nearer
            }
            Self::Unknown if ingest.end.iter().next().is_some() => ingest.end.clone(),
            // A tracker that comes up while the broker is away answers from what it has.
            Self::Unknown if !kafka_up => ingest.next.clone(),
            Self::Unknown => return Self::Unknown,
        };
        if behind(&ends, projected) == 0 {
            Self::Done
        } else {
            Self::To(ends)
        }
    }
}

fn behind(ends: &Cut, projected: &Cut) -> u64 {
    ends.iter()
        .map(|(partition, end)| end.saturating_sub(projected.next(partition)))
        .sum()
}

fn kafka(ingest: &IngestSnapshot, now: Millis, down_after_ms: u64) -> Component {
    if let Some(reason) = ingest.fatal.as_ref().or(ingest.letters_stopped.as_ref()) {
        return Component {
            up: false,
            message: reason.clone(),
        };
    }
    let silent_since = match (ingest.unreachable_since, ingest.last_contact) {
        (Some(since), _) => Some(since),
        (None, Some(_)) => None,
        (None, None) => ingest.started_at,
    };
    if let Some(since) = silent_since {
        let up = now.since(since) < down_after_ms;
        return Component {
            up,
            message: format!("no broker has answered since {since}"),
        };
    }
    if let Some(why) = &ingest.held_up {
        return Component {
            up: false,
            message: why.clone(),
        };
    }
    let message = match (&ingest.waiting, ingest.last_contact) {
        (Some(reason), _) => reason.clone(),
        (None, Some(at)) => format!("last heard from at {at}"),
        (None, None) => "not started".to_owned(),
    };
    Component { up: true, message }
}

/// Partitions whose last record arrived in the future, if there are any: a producer's clock was wrong (CreateTime), or
/// this machine's or the broker's is. It is told, and no reason to be DOWN: what is removed, and when, goes by arrival.
fn ahead(last: &[(u32, Millis)], now: Millis) -> Option<String> {
    let ahead = last.iter().filter(|(_, at)| at.since(now) > AHEAD_MS);
    let (partition, at) = ahead.clone().max_by_key(|(_, at)| *at)?;
    Some(format!(
        "the last record of partition {partition} arrived at {at}, which is {} s ahead of this machine's clock ({} \
         partitions are ahead): a clock is wrong; timestamps that the broker sets (LogAppendTime) would not be",
        at.since(now) / 1_000,
        ahead.count()
    ))
}

/// Decisions that were read and not understood are as bad as those that are not read: what the others do by them, this
/// tracker does not.
fn ops(
    known: OpsSnapshot,
    unread: Option<&UnreadableVersion>,
    (now, missing_after_ms): (Millis, u64),
) -> Decisions {
    let missing = known
        .missing_since
        .is_some_and(|since| now.since(since) >= missing_after_ms);
    let stopped = known.fatal.is_some();
    let message = match (known.fatal.or(known.waiting), known.end) {
        (Some(why), _) => why,
        (None, Some(_)) => "decisions are read".to_owned(),
        (None, None) => "waiting for a broker to say where the ops topic ends".to_owned(),
    };
    let message = match unread {
        Some(unread) => format!("{message}; {unread}"),
        None => message,
    };
    Decisions {
        up: !stopped && !missing && unread.is_none(),
        stopped,
        unread: unread.is_some(),
        message,
        next: known.next,
        end: known.end,
    }
}

/// Consumption, or a rebuild, that waits for room is DOWN, whatever the threshold: an operator has to make some.
fn lacking_room(
    mut disk: DiskSpace,
    shortage: Option<&Shortage>,
    rebuild: Option<&NoDiskSpace>,
) -> DiskSpace {
    let rebuild = rebuild.map(|no_space| format!("{no_space}; the present projections serve until then"));
    let lacking: Vec<String> = shortage
        .map(ToString::to_string)
        .into_iter()
        .chain(rebuild)
        .collect();
    if !lacking.is_empty() {
        disk.up = false;
        disk.message = Some(lacking.join("; "));
    }
    disk
}

fn threads(ended: &[EndedPart]) -> Component {
    let told: Vec<String> = ended
        .iter()
        .map(|part| format!("{}: {}", part.name, part.reason))
        .collect();
    Component {
        up: told.is_empty(),
        message: if told.is_empty() {
            "all run".to_owned()
        } else {
            told.join("; ")
        },
    }
}

/// A decision that was left is done by nobody's waiting: it is told, and no reason to be DOWN.
/// A receiver that is away is nothing that this tracker could mend.
fn told(known: &WebhookFigures) -> Component {
    let failing: Vec<String> = known
        .failing
        .iter()
        .map(|(webhook, (since, why))| format!("{webhook} cannot be told since {since}: {why}"))
        .collect();
    let message = match (known.webhooks, failing.is_empty()) {
        (0, _) => "no webhook is set (webhooks.urls)".to_owned(),
        (webhooks, true) => format!("{webhooks} webhooks are told what happens"),
        (_, false) => failing.join("; "),
    };
    Component { up: true, message }
}

fn retention(known: Option<RetentionSnapshot>) -> Component {
    let Some(known) = known else {
        let message = "this tracker purges nothing".to_owned();
        return Component { up: true, message };
    };
    let mut told = vec![match &known.failed {
        Some(why) => format!("decisions are not applied any more: {why}"),
        None => "decisions are applied".to_owned(),
    }];
    if let Some(why) = known.held_up.or(known.waiting).or(known.unreadable) {
        told.push(format!("a search for due sagas waits: {why}"));
    }
    if let Some(last) = &known.last_skipped {
        told.push(format!(
            "{} could not be applied and were skipped, the last one: {last}",
            known.skipped.values().sum::<u64>()
        ));
    }
    Component {
        up: known.failed.is_none(),
        message: told.join("; "),
    }
}

/// DOWN where it cannot be read. What is unexplained stays so whatever anybody does: it is told, and no reason.
fn ledger(query: &Query) -> Component {
    let (up, message) = match query.ledger(&LedgerRequest::default()) {
        Err(error @ QueryError::SwitchedOff { .. }) => (true, error.to_string()),
        Err(error) => (false, error.to_string()),
        Ok(ledger) if ledger.is_complete() => (true, "every offset is accounted for".to_owned()),
        Ok(ledger) => {
            let lacking = ledger
                .partitions
                .iter()
                .filter(|partition| !partition.is_complete());
            let numbers: Vec<String> = lacking.map(|partition| partition.partition.to_string()).collect();
            let unexplained = ledger.all().unexplained;
            let message = format!(
                "{unexplained} offsets are unexplained, of partitions {}; see GET /api/v1/ledger",
                numbers.join(", ")
            );
            (true, message)
        }
    };
    Component { up, message }
}

#[cfg(test)]
mod tests;
