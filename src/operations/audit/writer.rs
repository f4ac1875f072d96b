//! The thread that writes the audit log: all entries that wait are one write, which is synced once.
//!
//! A sync takes milliseconds; a thread that waits for each would make callers wait for each other. What an
//! entry says is not decided here.

use super::chain;
use super::entry::{Act, Outcome, head, shortened};
use super::refusals::Refusals;
use crate::domain::Millis;
use crate::domain::clock::SharedClock;
use crate::domain::text::hex;
use crate::store::codec::Record;
use crate::store::records::AuditRecord;
use crate::store::{Batch, Durability, Key, SharedStore, StoreError, Table, keys, reads, totals};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// So many entries are one write at most.
const TOGETHER: usize = 256;
/// How often it is looked whether refusals have to be told.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// What to call with the number of the entry.
pub(super) type Done = Box<dyn FnOnce(Result<u64, StoreError>) + Send>;

/// An entry to be written.
pub(super) struct Job {
    pub(super) act: Act,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    pub(super) done: Done,
}

/// Writes entries, and waits for what is under way when it is dropped.
pub(super) struct Writer {
    core: Arc<Core>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Core {
    store: SharedStore,
    clock: SharedClock,
    /// Held from reading the last entry until the next ones are written.
    turn: Mutex<Refusals>,
}

impl Writer {
    pub(super) fn new(store: SharedStore, clock: SharedClock) -> Self {
        let core = Arc::new(Core {
            store,
            clock,
            turn: Mutex::default(),
        });
        let (jobs, waiting) = channel();
        // Without a thread callers write themselves.
        let thread = crate::wait::has_threads()
            .then(|| start(core.clone(), waiting))
            .flatten();
        Self {
            core,
            jobs: thread.is_some().then_some(jobs),
            thread,
        }
    }

    pub(super) fn store(&self) -> &SharedStore {
        &self.core.store
    }

    /// Has an entry written.
    pub(super) fn write(&self, job: Job) {
        let left = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = left {
            self.core.write(vec![job]);
        }
    }
}

fn start(core: Arc<Core>, waiting: Receiver<Job>) -> Option<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || core.run(&waiting))
        .map_err(|error| tracing::warn!(%error, "there is no thread for the audit log"))
        .ok()
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        match self.thread.take() {
            Some(thread) if thread.thread().id() != std::thread::current().id() => {
                // A panic of that thread has said so itself.
                let _ = thread.join();
            }
            _ => {}
        }
        self.core.tell_refusals();
    }
}

impl Core {
    fn run(&self, waiting: &Receiver<Job>) {
        loop {
            match waiting.recv_timeout(POLL_INTERVAL) {
                Ok(first) => self.write(gather(first, waiting)),
                Err(RecvTimeoutError::Timeout) => self.write(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes these, and what refusals have to be told by now.
    fn write(&self, jobs: Vec<Job>) {
        // The guard protects counts, which any step leaves whole; what a panic interrupted was one write.
        let mut refusals = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_empty() && !refusals.is_waiting() {
            return;
        }
        let now = self.clock.now();
        let counted = refusals.over(now);
        let told = |job: &Job, refusals: &mut Refusals| {
            job.outcome != Outcome::Refused || refusals.is_told(&job.act, now)
        };
        let told: Vec<bool> = jobs.iter().map(|job| told(job, &mut refusals)).collect();
        let mut entries: Vec<(&Act, Outcome, &str)> = counted
            .iter()
            .map(|(act, words)| (act, Outcome::Refused, &**words))
            .collect();
        let before = entries.len() as u64;
        let of_jobs = jobs.iter().zip(&told).filter(|(_, told)| **told);
        entries.extend(of_jobs.map(|(job, _)| (&job.act, job.outcome, &*job.detail)));
        let first = self.append(&entries, now).map(|first| first + before);
        drop(refusals);
        let mut next = first;
        for (job, told) in jobs.into_iter().zip(told) {
            (job.done)(next.clone());
            if told {
                next = next.map(|number| number + 1);
            }
        }
    }

    /// Tells of all refusals that were only counted.
    fn tell_refusals(&self) {
        let mut refusals = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = refusals.end();
        let entries: Vec<(&Act, Outcome, &str)> = counted
            .iter()
            .map(|(act, words)| (act, Outcome::Refused, &**words))
            .collect();
        if let Err(error) = self.append(&entries, self.clock.now()) {
            tracing::error!(%error, "how many calls were refused could not be stored");
        }
    }

    /// Adds entries behind the last one; the number of the first.
    fn append(&self, entries: &[(&Act, Outcome, &str)], at: Millis) -> Result<u64, StoreError> {
        let mut end = head(&*self.store)?;
        let first = end.next;
        if entries.is_empty() {
            return Ok(first);
        }
        let (mut batch, mut key) = (Batch::new(), Key::default());
        let mut records = Vec::with_capacity(entries.len());
        for (act, outcome, detail) in entries {
            let mut record = AuditRecord {
                at: at.0,
                who: shortened(&act.who, *outcome),
                origin: shortened(&act.origin, *outcome),
                action: shortened(&act.action, *outcome),
                target: shortened(&act.target, *outcome),
                why: shortened(&act.why, *outcome),
                outcome: *outcome as u8,
                detail: shortened(detail, *outcome),
                previous: end.hash,
                hash: [0; 32],
            };
            record.hash = chain::hash(end.next, &record);
            keys::audit(&mut key, end.next);
            batch.put_with(Table::Audit, &key, |bytes| record.write(bytes));
            end.hash = record.hash;
            end.next += 1;
            records.push((*outcome, record));
        }
        let text = format!("{} {}", end.next, hex(&end.hash));
        reads::put_meta(&mut batch, totals::AUDIT_HEAD, &text);
        self.store.write(&batch, Durability::Power)?;
        for (number, (outcome, record)) in (first..).zip(&records) {
            log(number, *outcome, record);
        }
        Ok(first)
    }
}

/// A job, and those that wait behind it.
fn gather(first: Job, waiting: &Receiver<Job>) -> Vec<Job> {
    let further = waiting.try_iter().take(TOGETHER - 1);
    [first].into_iter().chain(further).collect()
}

fn log(number: u64, outcome: Outcome, record: &AuditRecord<'_>) {
    tracing::info!(
        target: "saga_tracker::operations::audit",
        number, who = record.who, from = record.origin, action = record.action, target_of = record.target,
        why = record.why, result = outcome.as_str(), detail = record.detail,
        hash = hex(&record.hash), "audit"
    );
}

#[cfg(test)]
mod tests {
    use super::super::verify;
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::testkit;

    fn job(number: usize, told: &Sender<u64>) -> Job {
        let told = told.clone();
        Job {
            act: Act {
                target: number.to_string(),
                ..Act::default()
            },
            outcome: Outcome::Done,
            detail: String::new(),
            done: Box::new(move |written| told.send(written.unwrap()).unwrap()),
        }
    }

    #[test]
    fn entries_that_wait_are_one_write_and_one_chain() {
        let (jobs, waiting) = channel();
        let (told, is_told) = channel();
        for number in 0..300 {
            jobs.send(job(number, &told)).unwrap();
        }
        let core = Core {
            store: testkit::store(),
            clock: Arc::new(SystemClock),
            turn: Mutex::default(),
        };
        for together in [TOGETHER, 300 - TOGETHER] {
            let first = waiting.recv().unwrap();
            let gathered = gather(first, &waiting);
            assert_eq!(gathered.len(), together);
            core.write(gathered);
        }
        assert!(is_told.try_iter().eq(0..300));
        let found = verify(&core.store).unwrap();
        assert_eq!((found.entries, found.faulty), (300, 0));
    }

    #[test]
    fn what_was_handed_over_is_written_before_the_log_is_closed() {
        let store = testkit::store();
        let (told, is_told) = channel();
        let writer = Writer::new(store.clone(), Arc::new(SystemClock));
        for number in 0..50 {
            writer.write(job(number, &told));
        }
        drop(writer);
        assert_eq!(is_told.try_iter().count(), 50);
        assert_eq!(verify(&store).unwrap().entries, 50);
    }
}
