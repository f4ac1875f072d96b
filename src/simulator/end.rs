//! The end of a run: everybody is brought to the end of the topics, and everything is compared.

use super::oracle::account::Account;
use super::oracle::sagas::Sagas;
use super::oracle::{answers, ledger, offsets};
use super::plan::Trouble;
use super::replica::{Part, Process, Replica};
use super::sim::Sim;
use super::topic::{OPS, TRACKER};
use crate::domain::Position;
use crate::operations::decisions::decisions_from;
use crate::pipeline::query::Query;
use crate::pipeline::verify::{Verify, digest};
use crate::store::memory::MemoryStore;
use crate::store::records::GapKind;
use crate::store::{SharedStore, reads};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};

/// So many rounds are enough to come to the end of anything.
const ROUNDS: usize = 600;
/// So many differences of a replica are told.
const TOLD: usize = 6;

impl Sim {
    /// Brings everybody to the end and compares.
    pub(super) fn finish(&self) {
        self.note("everything calms down");
        {
            let mut weather = self.world.weather();
            (weather.deaf, weather.away, weather.registry_down) = (0, 0, 0);
            (weather.knows_second, weather.calm) = (true, true);
        }
        self.go_on();
        for replica in &self.replicas {
            // Under the first definitions, whatever ran before, and without what was going to happen.
            self.stop(replica.number);
            self.start(replica.number, 0);
        }
        // What one of them still publishes, the others read.
        let bring = |replica: &Replica| self.bring_to_the_end(replica);
        if !(self.replicas.iter().all(bring) && self.replicas.iter().all(bring)) {
            return;
        }
        let replicas = self.replicas.iter();
        let accounts: Vec<_> = replicas.map(|replica| (replica, self.compare(replica))).collect();
        self.check_redrives();
        for pair in accounts.windows(2) {
            let [(one, here), (other, there)] = pair else {
                continue;
            };
            if is_same(here, there) {
                self.compare_digests(one, other);
            }
        }
    }

    /// The broker hands out everything from here on, and where a redrive waits for what it published to be
    /// passed, something comes behind it.
    fn go_on(&self) {
        self.world.tracker().hidden.clear();
        if self.recreated.get() || !self.plan.has(Trouble::Redrives) {
            return;
        }
        let count = u32::try_from(self.world.tracker().partitions.len()).unwrap();
        for partition in 0..count {
            let mut message = self.producers.borrow_mut().next(&self.world, count);
            message.partition = Some(partition);
            self.world.publish(&message, self.world.now());
        }
    }

    /// Whether the replica is there.
    fn bring_to_the_end(&self, replica: &Replica) -> bool {
        let (mut why, mut asked) = (String::new(), None);
        for _ in 0..ROUNDS {
            let Some(process) = replica.up() else {
                self.fault(format!("replica {} is down", replica.number));
                return false;
            };
            process.disk().disarm();
            if process.has_stopped(Part::Ingest) && self.recreated.get() {
                self.settle(replica, &process);
                return true;
            }
            match process.is_at_the_end(&self.world) {
                Ok(()) => {
                    // What gaps are is settled by what the broker says from here on.
                    let known = process.status.snapshot();
                    let since = *asked.get_or_insert(known.asked);
                    if known.answered > since + 1 {
                        self.read_letters_again(replica, &process);
                        return true;
                    }
                    why = "the broker's word on what is lost is missing".to_owned();
                }
                Err(left) => why = left,
            }
            self.round(replica, &process);
        }
        self.fault(format!(
            "replica {} does not come to the end: {why}",
            replica.number
        ));
        false
    }

    fn round(&self, replica: &Replica, process: &Process) {
        self.world.pass(1_000);
        for part in [
            Part::Ingest,
            Part::Projector,
            Part::Ops,
            Part::Projector,
            Part::Worker,
            Part::Reread,
            Part::Projector,
        ] {
            self.run(replica.number, part);
        }
        if process.has_redrives() {
            self.run(replica.number, Part::Redrives);
        }
        if process.is_due() {
            self.run(replica.number, Part::Rebuild);
        }
        self.look(replica.number);
    }

    /// Letters whose schemas are known by now become what they are.
    fn read_letters_again(&self, replica: &Replica, process: &Process) {
        if self.plan.has(Trouble::LateSchema) {
            for _ in 0..8 {
                self.round(replica, process);
            }
        }
    }

    /// Ingest refuses the topic; the rest comes to its end.
    fn settle(&self, replica: &Replica, process: &Process) {
        for _ in 0..40 {
            self.round(replica, process);
        }
    }

    fn compare(&self, replica: &Replica) -> Account {
        let process = replica.up().unwrap();
        let rows = process.disk().copy();
        let account = self.account(replica, &rows);
        let done = crate::operations::retention::cursor(&process.store).unwrap();
        let end = self.world.topic(OPS).partitions[0].end;
        let (decisions, _) = decisions_from(&rows, 0, end, usize::MAX).unwrap();
        let sagas = Sagas::of(&account, (&decisions, done), &process.configured.definitions);
        let mut found = Vec::new();
        self.check_decisions(&rows, &mut found);
        let mut lows = self.world.tracker().lows();
        if self.recreated.get() {
            // What the topic held that the store was filled from is not known any more.
            lows.values_mut().for_each(|low| *low = u64::MAX);
        }
        ledger::differences(&rows, &account, &sagas, &lows, &mut found);
        let classes = (&account, &sagas);
        offsets::differences(&process.query, &rows, classes, &mut found);
        let mut rng = self.world.dice();
        let leads = self.plan.has(Trouble::OtherDefinitions) || self.plan.has(Trouble::Definitions);
        let answered = answers::differences(&process.query, &account, &sagas, (&mut rng, leads), &mut found);
        self.count("questions about moments that were answered", answered);
        answers::letters(&process.query, &account, &sagas, &mut found);
        self.count_what_there_is(&account, &sagas, &rows);
        if self.plan.seed.is_multiple_of(4) {
            verify(rows, &process, &mut found);
        }
        // A topic that was made anew does not tell any more what the one before had lost.
        let recreated = self.recreated.get();
        found.retain(|finding| !(recreated && finding.starts_with("[1.1]")));
        let more = found.len().saturating_sub(TOLD);
        for finding in found.into_iter().take(TOLD) {
            self.fault(format!("replica {}: {finding}", replica.number));
        }
        if more > 0 {
            self.fault(format!("replica {}: and {more} more", replica.number));
        }
        account
    }

    fn count_what_there_is(&self, account: &Account, sagas: &Sagas, rows: &MemoryStore) {
        let gaps = ledger::gaps(rows);
        let count = |what, by: usize| self.count(what, by as u64);
        count("sagas that live", sagas.live.len());
        count("sagas that are gone", sagas.gone.len());
        count("sagas that came back", sagas.came_back);
        count("sagas that a hold kept", sagas.held);
        count("sagas that were not due by what was seen", sagas.not_due);
        count(
            "deliveries that came too late",
            sagas.late.values().map(Vec::len).sum(),
        );
        let live = || sagas.live.values();
        count("duplicates", live().map(|known| known.duplicates as usize).sum());
        count(
            "contradictions",
            live().map(|known| known.conflicts as usize).sum(),
        );
        count("anomalies", live().map(|known| known.anomalies.len()).sum());
        let seen = || account.seen.values();
        count(
            "dead letters",
            seen().filter(|seen| seen.outcome.is_err()).count(),
        );
        count(
            "records filled in",
            seen().filter(|seen| seen.filled.is_some()).count(),
        );
        count("gaps", gaps.len());
        count(
            "gaps that expired",
            gaps.values()
                .filter(|gap| gap.kind == GapKind::Expired as u8)
                .count(),
        );
        count("letters that came back", account.came_back.len());
        count("letters discarded", sagas.discarded.len());
    }

    /// What a store that is at work holds is the fold of what its projections say that they cover.
    pub(super) fn peek(&self, number: usize) {
        let replica = &self.replicas[number];
        let Some(process) = replica.up() else { return };
        // What a purge did before the worker's cursor moved, only the end can tell, and so with letters
        // whose schemas become known.
        let told = [
            Trouble::Purges,
            Trouble::Unreachable,
            Trouble::Holds,
            Trouble::OtherDefinitions,
            Trouble::Definitions,
            Trouble::LateSchema,
        ];
        if told.iter().any(|trouble| self.plan.has(*trouble)) {
            return;
        }
        let rows = process.disk().copy();
        let generation = reads::active_generation(&rows).unwrap();
        let mut account = self.account(replica, &rows);
        account.cut(&reads::cursor(&rows, generation).unwrap());
        let sagas = Sagas::of(&account, (&[], 0), &process.configured.definitions);
        let mut found = Vec::new();
        let query = Query::new(Arc::new(rows), process.definitions.clone());
        let mut rng = self.world.dice();
        answers::differences(&query, &account, &sagas, (&mut rng, false), &mut found);
        self.count("looks at projections at work", 1);
        for finding in found.into_iter().take(TOLD) {
            self.fault(format!("replica {number} at work: {finding}"));
        }
    }

    fn account(&self, replica: &Replica, rows: &MemoryStore) -> Account {
        let offsets = reads::offsets(rows, TRACKER).unwrap();
        let mut account = Account::of(&replica.given.lock(), &offsets);
        account.reached.clone_from(&account.next);
        for (partition, end) in self.world.tracker().ends() {
            let next = account.next.next(partition);
            account.reached.set(partition, end.max(next));
        }
        account
    }

    /// Every message of the ops topic has its row.
    fn check_decisions(&self, rows: &MemoryStore, found: &mut Vec<String>) {
        let end = self.world.topic(OPS).partitions[0].end;
        let (recorded, _) = decisions_from(rows, 0, end, usize::MAX).unwrap();
        let offsets: Vec<u64> = recorded.iter().map(|recorded| recorded.offset).collect();
        if offsets != (0..end).collect::<Vec<u64>>() {
            found.push(format!("decisions {offsets:?} are recorded; there are {end}"));
        }
    }

    /// No redrive publishes a letter twice.
    fn check_redrives(&self) {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut often: Vec<String> = Vec::new();
        for ((replica, letter), times) in &noted.redriven {
            let asked = noted.asked.get(&(*replica, *letter)).copied().unwrap_or(0);
            if *times > asked {
                often.push(format!(
                    "[1.2] [1.11] replica {replica} published letter {letter} {times} times; it was asked to {asked} times"
                ));
            }
        }
        drop(noted);
        often.into_iter().for_each(|what| self.fault(what));
    }

    fn compare_digests(&self, one: &Replica, other: &Replica) {
        let digest_of = |replica: &Replica| {
            let store: SharedStore = Arc::new(replica.stored());
            digest(&store, TRACKER).unwrap()
        };
        let (here, there) = (digest_of(one), digest_of(other));
        self.count("equal digests", u64::from(here.total == there.total));
        if here.total == there.total {
            return;
        }
        let tables: Vec<&String> = here
            .tables
            .iter()
            .filter(|(table, sum)| there.tables.get(*table) != Some(sum))
            .map(|(table, _)| table)
            .collect();
        self.fault(format!(
            "replicas {} and {} were given the same and differ in {tables:?}",
            one.number, other.number
        ));
    }
}

/// Whether two replicas were given the same, all of it in order.
fn is_same(one: &Account, other: &Account) -> bool {
    let positions = |account: &Account| -> BTreeMap<Position, i64> {
        let seen = account.seen.iter();
        seen.map(|(at, seen)| (*at, seen.record.timestamp.0)).collect()
    };
    let filled = |account: &Account| account.seen.values().any(|seen| seen.filled.is_some());
    (&one.start, &one.next) == (&other.start, &other.next)
        && positions(one) == positions(other)
        && !filled(one)
        && !filled(other)
}

/// The product's own proof, on a copy.
fn verify(rows: MemoryStore, process: &Rc<Process>, found: &mut Vec<String>) {
    let verify = Verify {
        store: Arc::new(rows),
        topic: TRACKER.to_owned(),
        definitions: process.definitions.get(),
        settings: process.projector_settings(),
        progress: Arc::default(),
    };
    match verify.run() {
        Ok(report) => found.extend(
            report
                .differences
                .told
                .iter()
                .map(|told| format!("verify: {told}")),
        ),
        Err(error) => found.push(format!("verify: {error}")),
    }
}
