//! One run: the world, its replicas, and whose turn it is.
//!
//! Everything runs on one thread. A part of a replica runs until it would wait; then the others get
//! turns, as deep as they would wait themselves, and it goes on. A process that is killed unwinds.

use super::disk::{Death, INJECTED, Killed};
use super::oracle::ledger::is_accounted;
use super::outlet::Noted;
use super::plan::{Plan, Trouble};
use super::replica::{Flow, Part, Process, Replica};
use super::stories::Producers;
use super::world::World;
use crate::domain::SagaDefinitions;
use crate::store::memory::MemoryStore;
use crate::wait::turns;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So deep parts get turns while others wait.
const DEPTH: usize = 3;
/// Who waits more often than this in one go waits for ever.
const FOR_EVER: u32 = 400;

/// Unwinds the stack of a part that waits for what will never be.
struct Stuck;

/// A part that is running, or that waits while another one runs.
struct Frame {
    replica: usize,
    part: Part,
    process: Rc<Process>,
    token: CancellationToken,
    waits: u32,
    max_waits: u32,
}

/// One run.
pub(super) struct Sim {
    pub(super) plan: Plan,
    pub(super) world: Arc<World>,
    pub(super) replicas: Vec<Replica>,
    pub(super) producers: RefCell<Producers>,
    pub(super) noted: Arc<Mutex<Noted>>,
    pub(super) definitions: [Arc<SagaDefinitions>; 2],
    /// The version of the definitions that was decided last.
    pub(super) versions: Cell<u64>,
    pub(super) recreated: Cell<bool>,
    pub(super) step: Cell<usize>,
    frames: RefCell<Vec<Frame>>,
    faults: RefCell<Vec<String>>,
    schedule: RefCell<Vec<String>>,
    counts: RefCell<BTreeMap<&'static str, u64>>,
    runtime: tokio::runtime::Runtime,
}

impl Sim {
    pub(super) fn new(plan: Plan) -> Rc<Self> {
        let noted: Arc<Mutex<Noted>> = Arc::default();
        let world = World::new(plan.seed, plan.partitions);
        let late = plan.has(Trouble::LateSchema);
        let replicas = plan.replicas.iter().enumerate();
        let replicas = replicas.map(|(number, habits)| Replica::new(number, *habits, late, &noted));
        Rc::new(Self {
            world,
            replicas: replicas.collect(),
            producers: RefCell::new(Producers::new(plan.seed % 2 == 1)),
            noted,
            definitions: [Arc::default(), Arc::new(other_definitions())],
            versions: Cell::new(0),
            recreated: Cell::new(false),
            step: Cell::new(0),
            frames: RefCell::default(),
            faults: RefCell::default(),
            schedule: RefCell::default(),
            counts: RefCell::default(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            plan,
        })
    }

    /// While the guard lives, whoever would wait gives turns.
    pub(super) fn begin(self: &Rc<Self>) -> turns::Simulated {
        let (sim, world) = (self.clone(), self.world.clone());
        let passed = move || Duration::from_millis(world.passed());
        turns::simulate(Rc::new(move || sim.give_turns()), Rc::new(passed))
    }

    /// Notes something that happens, for the schedule.
    pub(super) fn note(&self, what: impl Into<String>) {
        let depth = self.frames.borrow().len();
        let (step, what) = (self.step.get(), what.into());
        let line = format!("{step:>4} {}{what}", "  ".repeat(depth));
        self.schedule.borrow_mut().push(line);
    }

    /// The schedule so far.
    pub(super) fn schedule(&self) -> Vec<String> {
        self.schedule.borrow().clone()
    }

    /// Counts something, so that it shows what a run reached.
    pub(super) fn count(&self, what: &'static str, by: u64) {
        *self.counts.borrow_mut().entry(what).or_default() += by;
    }

    /// What was counted.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.borrow().clone()
    }

    /// Notes a fault.
    pub(super) fn fault(&self, what: impl Into<String>) {
        self.faults.borrow_mut().push(what.into());
    }

    /// What was found so far.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in noted.faults.drain(..) {
            self.fault(fault);
        }
        self.faults.borrow().clone()
    }

    /// Lets a part of a replica run until it is done or would wait too often.
    pub(super) fn run(&self, replica: usize, part: Part) {
        let Some(process) = self.replicas[replica].up() else {
            return;
        };
        let busy = |frame: &Frame| frame.replica == replica && frame.part == part;
        if process.has_stopped(part) || self.frames.borrow().iter().any(busy) {
            return;
        }
        self.frames.borrow_mut().push(Frame {
            replica,
            part,
            process: process.clone(),
            token: CancellationToken::new(),
            waits: 0,
            max_waits: u32::try_from(4 + self.world.below(12)).unwrap(),
        });
        let depth = self.frames.borrow().len();
        let ended = catch_unwind(AssertUnwindSafe(|| self.run_part(replica, &process, part)));
        self.frames.borrow_mut().truncate(depth - 1);
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(why)) => self.stopped(replica, &process, part, why),
            Err(unwound) if unwound.is::<Killed>() => self.bury(replica, &process),
            Err(unwound) if unwound.is::<Stuck>() => {
                self.fault(format!("{part:?} of replica {replica} waits for ever"));
            }
            Err(unwound) => {
                let words = words(&*unwound);
                self.fault(format!("{part:?} of replica {replica} panicked: {words}"));
            }
        }
    }

    /// Does something on behalf of a replica whose process may be killed meanwhile.
    pub(super) fn guarded<T>(
        &self,
        replica: usize,
        process: &Rc<Process>,
        part: Part,
        work: impl FnOnce() -> T,
    ) -> Option<T> {
        self.frames.borrow_mut().push(Frame {
            replica,
            part,
            process: process.clone(),
            token: CancellationToken::new(),
            waits: 0,
            max_waits: FOR_EVER,
        });
        let depth = self.frames.borrow().len();
        let ended = catch_unwind(AssertUnwindSafe(work));
        self.frames.borrow_mut().truncate(depth - 1);
        match ended {
            Ok(done) => return Some(done),
            Err(unwound) if unwound.is::<Killed>() => self.bury(replica, process),
            Err(unwound) => self.fault(format!("replica {replica} panicked: {}", words(&*unwound))),
        }
        None
    }

    fn run_part(&self, replica: usize, process: &Rc<Process>, part: Part) -> Result<(), String> {
        let token = self.frames.borrow().last().map(|frame| frame.token.clone());
        let token = token.unwrap_or_default();
        match part {
            Part::Ingest => self.run_ingest(replica, process),
            Part::Ops => self.run_ops(process),
            Part::Projector => {
                let Some(mut stepped) = process.projector.borrow_mut().take() else {
                    return Ok(());
                };
                stepped.step().map_err(|error| error.to_string())?;
                *process.projector.borrow_mut() = Some(stepped);
                Ok(())
            }
            Part::Worker => Self::run_worker(process, &token),
            Part::Sweeper => {
                let sweeper = process.sweeper(self.runtime.handle(), &token);
                let swept = sweeper.sweep();
                self.note(format!("replica {replica} sweeps: {swept:?}"));
                Ok(())
            }
            Part::Redrives => {
                process.redrives(&token).run();
                Ok(())
            }
            Part::Rebuild => self.run_rebuild(replica, process),
            Part::Reread => {
                let mut walk = process.walk.take();
                let read = process.reread(&token).round(&mut walk, crate::wait::now());
                process.walk.replace(walk);
                let letters = read.as_ref().map_or(0, |(letters, _)| *letters);
                self.count("letters read again", letters as u64);
                read.map(|_| ()).map_err(|error| error.to_string())
            }
        }
    }

    /// A worker that is told to stop leaves a decision half done. Here the process goes on, and the next worker
    /// takes it up.
    fn run_worker(process: &Process, token: &CancellationToken) -> Result<(), String> {
        match process.worker(token).run() {
            Err(error) if error.to_string() != "told to stop" => Err(error.to_string()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn run_ingest(&self, replica: usize, process: &Rc<Process>) -> Result<(), String> {
        let waiting = process
            .projector
            .borrow()
            .as_ref()
            .map(|projector| projector.waiting());
        // The channel is full, or the projector is in the middle of something.
        if waiting.is_none_or(|waiting| waiting > 12) {
            return Ok(());
        }
        let taken = process.ingest.borrow_mut().take();
        let mut flow = match taken {
            Some(flow) => flow,
            None => process
                .open_ingest(&self.world, &self.replicas[replica])
                .map_err(|error| error.to_string())?,
        };
        self.ends_with(&flow);
        let goes_on = flow.reader.step(&mut flow.source).map_err(|error| {
            let error = error.to_string();
            process.status.update(|status| status.fatal = Some(error.clone()));
            error
        })?;
        // Told to end, it tells nothing any more.
        if goes_on && !flow.token.is_cancelled() {
            *process.ingest.borrow_mut() = Some(flow);
        }
        Ok(())
    }

    fn run_ops(&self, process: &Rc<Process>) -> Result<(), String> {
        let taken = process.ops.borrow_mut().take();
        let mut flow = match taken {
            Some(flow) => flow,
            None => process.open_ops(&self.world).map_err(|error| error.to_string())?,
        };
        self.ends_with(&flow);
        let step = flow.reader.step(&mut flow.source, &mut |_| ());
        if step.map_err(|error| error.to_string())? {
            *process.ops.borrow_mut() = Some(flow);
        }
        Ok(())
    }

    fn run_rebuild(&self, replica: usize, process: &Rc<Process>) -> Result<(), String> {
        self.note(format!("replica {replica} makes its projections anew"));
        match process.rebuild().online(&process.handle) {
            Ok(_) => {}
            Err(error) if process.disk().is_faulted() => self.note(format!("the rebuild fails: {error}")),
            Err(error) => self.fault(format!("the rebuild of replica {replica} fails: {error}")),
        }
        Ok(())
    }

    fn ends_with<R>(&self, flow: &Flow<R>) {
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            frame.token = flow.token.clone();
        }
    }

    fn stopped(&self, replica: usize, process: &Process, part: Part, why: String) {
        self.note(format!("{part:?} of replica {replica} stops: {why}"));
        let expected = why.contains(INJECTED)
            || process.disk().is_faulted()
            || (self.recreated.get() && why.contains("went back"));
        if !expected {
            self.fault(format!("{part:?} of replica {replica} stops: {why}"));
        }
        process.stopped.borrow_mut().push((part, why));
    }

    /// The process is dead; its disk holds what it held.
    pub(super) fn bury(&self, replica: usize, process: &Rc<Process>) {
        let replica = &self.replicas[replica];
        if !replica.up().is_some_and(|up| Rc::ptr_eq(&up, process)) {
            return;
        }
        let power = self.plan.has(Trouble::PowerLoss) && self.world.chance(400);
        let death = if power { Death::Power } else { Death::Process };
        self.note(format!("replica {} is killed: {death:?}", replica.number));
        self.count(if power { "power lost" } else { "processes killed" }, 1);
        let rows = process.disk().crash(death, &mut self.world.dice());
        if power {
            replica.scraped.borrow_mut().clear();
        }
        self.take_down(replica, rows);
    }

    /// The process ended in order.
    pub(super) fn stop(&self, replica: usize) {
        let replica = &self.replicas[replica];
        if let Some(process) = replica.up() {
            self.note(format!("replica {} stops", replica.number));
            self.take_down(replica, process.disk().close());
        }
    }

    fn take_down(&self, replica: &Replica, rows: MemoryStore) {
        // What a replay filled in is not read again when it is taken back.
        let filled = &mut replica.given.lock().filled;
        filled.retain(|position, _| is_accounted(&rows, *position));
        *replica.rows.borrow_mut() = rows;
        replica.process.borrow_mut().take();
    }

    /// Starts a replica that is down.
    pub(super) fn start(&self, replica: usize, definitions: usize) {
        let replica = &self.replicas[replica];
        if replica.up().is_some() {
            return;
        }
        self.note(format!(
            "replica {} starts with definitions {definitions}",
            replica.number
        ));
        match replica.start(&self.world, &self.definitions[definitions]) {
            Ok(process) => *replica.process.borrow_mut() = Some(process),
            Err(error) => self.fault(format!("replica {} does not start: {error}", replica.number)),
        }
    }

    /// Somebody waits: the others of that replica get a turn, some of them.
    fn give_turns(&self) {
        let (replica, part, process) = {
            let mut frames = self.frames.borrow_mut();
            let Some(frame) = frames.last_mut() else {
                return;
            };
            frame.waits += 1;
            if frame.waits > frame.max_waits {
                frame.token.cancel();
            }
            if frame.waits > FOR_EVER {
                drop(frames);
                resume_unwind(Box::new(Stuck));
            }
            (frame.replica, frame.part, frame.process.clone())
        };
        self.world.pass(20);
        self.run(replica, Part::Projector);
        if self.frames.borrow().len() < DEPTH {
            let others = match part {
                Part::Sweeper | Part::Redrives => [Part::Ops, Part::Ingest, Part::Worker],
                _ => [Part::Ops, Part::Ingest, Part::Ingest],
            };
            let other = self.world.pick(others);
            self.run(replica, other);
        }
        let alive = self.replicas[replica]
            .up()
            .is_some_and(|up| Rc::ptr_eq(&up, &process));
        if !alive {
            resume_unwind(Box::new(Killed));
        }
    }
}

/// Other rules: an order is done when its stock is reserved, and of payments nothing is known.
fn other_definitions() -> SagaDefinitions {
    let mut definitions = SagaDefinitions::default();
    definitions.types.remove("PAYMENT_COMPLETION");
    if let Some(order) = definitions.types.get_mut("ORDER_CREATION") {
        order.completing_steps = ["STOCK_RESERVED".to_owned()].into();
    }
    definitions
}

fn words(unwound: &(dyn Any + Send)) -> String {
    let text = unwound.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| unwound.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without words".to_owned())
}
