//! The projector's thread: takes deliveries from ingest, catches up from the feed where it missed
//! some, and switches to a rebuilt generation when one is ready.

use super::catch_up::{self, WINDOW_BYTES};
use super::delays::{DelayCounter, Delays};
use super::{Projector, ProjectorSettings, carry, unfinished};
use crate::domain::clock::SharedClock;
use crate::domain::{Cut, Event, Position, SagaDefinitions};
use crate::store::{Generation, SharedStore, StoreError, reads};
use crate::wait;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Events that one atomic write put into the log, and the cut of the log after it.
#[derive(Debug)]
pub struct Delivery {
    /// The events, in order of arrival.
    pub events: Vec<Event>,
    /// For each partition that moved: its next offset.
    pub after: Vec<(u32, u64)>,
}

/// What the projector is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectorStatus {
    /// The cut that the serving projections are the fold of.
    pub cursor: Cut,
    /// Why the projector stopped, if it did.
    pub failed: Option<String>,
}

enum Command {
    Deliver(Delivery),
    Switch {
        generation: Generation,
        done: Sender<Result<(), StoreError>>,
    },
    Between(Box<dyn FnOnce(&mut Projector) + Send>),
}

/// Feeds the projector and asks after it. Cheap to clone. The thread ends when all handles are gone
/// and everything delivered is folded.
#[derive(Clone)]
pub struct ProjectorHandle {
    commands: Sender<Command>,
    status: Arc<Shared>,
    purge_lock: Arc<Mutex<()>>,
    deciding: Arc<Mutex<()>>,
}

/// What the thread tells, and a bell that rings when it changes.
#[derive(Default)]
struct Shared {
    status: Mutex<ProjectorStatus>,
    changed: Condvar,
    delays: DelayCounter,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut ProjectorStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn read(&self) -> ProjectorStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sees how far the projector is, without keeping its thread alive.
#[derive(Clone)]
pub struct ProjectorWatch {
    status: Arc<Shared>,
}

impl ProjectorWatch {
    /// What the projector is doing.
    pub fn status(&self) -> ProjectorStatus {
        self.status.read()
    }

    /// Begins to count how long deliveries take until they are folded.
    pub fn time_deliveries(&self, clock: SharedClock) {
        self.status.delays.begin(clock);
    }

    /// How long they took.
    pub fn delays(&self) -> Delays {
        self.status.delays.read()
    }

    /// Waits until the position is folded and shows in answers, at most so long. Whether it is.
    ///
    /// # Errors
    /// [`ProjectorGone`] when it never will be, because the projector stopped.
    pub fn wait_for(&self, position: Position, timeout: Duration) -> Result<bool, ProjectorGone> {
        let waiting =
            |status: &mut ProjectorStatus| status.failed.is_none() && !status.cursor.contains(position);
        let status = wait::wait_while(&self.status.status, &self.status.changed, timeout, waiting);
        match &status.failed {
            _ if status.cursor.contains(position) => Ok(true),
            Some(why) => Err(ProjectorGone(why.clone())),
            None => Ok(false),
        }
    }
}

/// The projector has stopped; its status says why.
#[derive(Debug, thiserror::Error)]
#[error("the projector has stopped: {0}")]
pub struct ProjectorGone(pub String);

impl ProjectorHandle {
    /// Hands over what was just written to the log. Blocks while the projector is behind: this is
    /// the back-pressure that reaches the consumer.
    ///
    /// # Errors
    /// [`ProjectorGone`].
    pub fn deliver(&self, delivery: Delivery) -> Result<(), ProjectorGone> {
        self.commands
            .send(Command::Deliver(delivery))
            .map_err(|_| self.gone())
    }

    /// Makes a rebuilt generation the serving one, after folding into it what it lacks. Returns when
    /// it serves.
    ///
    /// # Errors
    /// [`StoreError`]; then the old generation goes on serving.
    pub fn switch(&self, generation: Generation) -> Result<(), StoreError> {
        let (done, result) = bounded(1);
        let gone = |_| StoreError::Disk(self.gone().to_string());
        self.commands
            .send(Command::Switch { generation, done })
            .map_err(|e| gone(e.to_string()))?;
        wait::receive(&result, || self.has_failed()).map_err(|e| gone(e.to_string()))?
    }

    /// Runs something on the projector between two windows, when everything delivered before is
    /// folded, and returns what it says.
    ///
    /// # Errors
    /// [`ProjectorGone`].
    pub fn between_windows<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Projector) -> T + Send + 'static,
    ) -> Result<T, ProjectorGone> {
        let (done, result) = bounded(1);
        self.begin_between_windows(move |projector| {
            // Whoever asked may be gone; what was done stands all the same.
            let _ = done.send(work(projector));
        })?;
        wait::receive(&result, || self.has_failed()).map_err(|_| self.gone())
    }

    /// The same, without waiting for its end.
    pub(super) fn begin_between_windows(
        &self,
        work: impl FnOnce(&mut Projector) + Send + 'static,
    ) -> Result<(), ProjectorGone> {
        self.commands
            .send(Command::Between(Box::new(work)))
            .map_err(|_| self.gone())
    }

    /// While the guard lives, nothing is purged from the log or restored to it: a rebuild
    /// reads the log for a long time, and must see all of it or nothing of a saga. None when someone
    /// else holds it.
    pub fn try_no_purges(&self) -> Option<MutexGuard<'_, ()>> {
        match self.purge_lock.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// While the guard lives, a decision is being carried out in several writes: the store is not in a state
    /// between two decisions.
    pub fn deciding(&self) -> MutexGuard<'_, ()> {
        self.deciding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, if nobody else holds it within so long.
    pub(super) fn try_deciding(&self, timeout: Duration) -> Option<MutexGuard<'_, ()>> {
        let until = wait::now() + timeout;
        loop {
            match self.deciding.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if wait::now() >= until => return None,
                Err(TryLockError::WouldBlock) => wait::park(Duration::from_millis(20)),
            }
        }
    }

    /// Makes sure that nothing is removed, waiting for it.
    pub(super) fn no_purges(&self) -> MutexGuard<'_, ()> {
        self.purge_lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is doing.
    pub fn status(&self) -> ProjectorStatus {
        self.status.read()
    }

    /// A view of how far it is that does not keep it running.
    pub fn watch(&self) -> ProjectorWatch {
        ProjectorWatch {
            status: self.status.clone(),
        }
    }

    fn has_failed(&self) -> bool {
        self.status().failed.is_some()
    }

    pub(super) fn gone(&self) -> ProjectorGone {
        ProjectorGone(
            self.status()
                .failed
                .unwrap_or_else(|| "it was asked to stop".to_owned()),
        )
    }
}

/// Starts the projector of the serving generation on a thread of its own.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub fn spawn(
    store: SharedStore,
    topic: &str,
    definitions: Arc<SagaDefinitions>,
    settings: ProjectorSettings,
) -> Result<(ProjectorHandle, JoinHandle<()>), StoreError> {
    // More than a window may wait: enough to keep both threads busy, little enough to bound memory.
    let (handle, mut live, inbox) = assemble(store, topic, definitions, settings, 2)?;
    let thread = std::thread::Builder::new()
        .name("projector".to_owned())
        .spawn(move || live.run(&inbox))
        .map_err(|e| StoreError::Disk(format!("cannot start the projector's thread: {e}")))?;
    Ok((handle, thread))
}

fn assemble(
    store: SharedStore,
    topic: &str,
    definitions: Arc<SagaDefinitions>,
    settings: ProjectorSettings,
    room: usize,
) -> Result<(ProjectorHandle, Live, Receiver<Command>), StoreError> {
    unfinished::finish(&store)?;
    let generation = reads::active_generation(&*store)?;
    let projector = Projector::open(store.clone(), generation, definitions.clone(), &settings)?;
    let status = Arc::new(Shared::default());
    status.change(|status| status.cursor.clone_from(projector.cursor()));
    let (commands, inbox) = bounded(room);
    let live = Live {
        projector,
        store,
        topic: topic.to_owned(),
        definitions,
        settings,
        status: status.clone(),
    };
    let handle = ProjectorHandle {
        commands,
        status,
        purge_lock: Arc::default(),
        deciding: Arc::default(),
    };
    Ok((handle, live, inbox))
}

struct Live {
    projector: Projector,
    store: SharedStore,
    topic: String,
    definitions: Arc<SagaDefinitions>,
    settings: ProjectorSettings,
    status: Arc<Shared>,
}

impl Live {
    fn run(&mut self, inbox: &Receiver<Command>) {
        if let Err(error) = self.serve(inbox) {
            tracing::error!(%error, "the projector stops; projections stay as they are until a restart");
            self.status
                .change(|status| status.failed = Some(error.to_string()));
        }
    }

    fn serve(&mut self, inbox: &Receiver<Command>) -> Result<(), StoreError> {
        self.catch_up()?;
        let mut window = Window::new(&self.settings);
        loop {
            let next = window.next(inbox);
            crate::failpoint::pass("thread.projector");
            if !self.step(&mut window, next)? {
                return Ok(());
            }
        }
    }

    fn catch_up(&mut self) -> Result<(), StoreError> {
        let end = reads::log_cut(&*self.store, &self.topic)?;
        catch_up::to(&mut self.projector, &self.store, &end, &self.settings, |cursor| {
            set_cursor(&self.status, cursor);
        })
    }

    /// Does what comes next. Whether to go on.
    fn step(&mut self, window: &mut Window, next: Next) -> Result<bool, StoreError> {
        match next {
            Next::Command(Command::Deliver(delivery)) => {
                window.add(delivery);
                if window.is_full() {
                    self.fold(window)?;
                }
            }
            Next::Command(Command::Switch { generation, done }) => {
                self.fold(window)?;
                let result = self.switch(generation);
                // Whoever asked may be gone; the switch stands all the same.
                let _ = done.send(result);
            }
            Next::Command(Command::Between(work)) => {
                self.fold(window)?;
                work(&mut self.projector);
                set_cursor(&self.status, self.projector.cursor());
            }
            Next::Due => self.fold(window)?,
            Next::Closed => {
                self.fold(window)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fold(&mut self, window: &mut Window) -> Result<(), StoreError> {
        if window.after.is_empty() {
            return Ok(());
        }
        let mut after = self.projector.cursor().clone();
        for (partition, next) in window.after.drain(..) {
            after.set(partition, next.max(after.next(partition)));
        }
        let begun = Instant::now();
        self.projector.advance(&window.events, &after)?;
        window.took = begun.elapsed();
        self.status.delays.folded(&window.events);
        window.events.clear();
        window.bytes = 0;
        window.open = false;
        window.since = Some(Instant::now());
        set_cursor(&self.status, self.projector.cursor());
        Ok(())
    }

    fn switch(&mut self, generation: Generation) -> Result<(), StoreError> {
        let mut fresh = Projector::open(
            self.store.clone(),
            generation,
            self.definitions.clone(),
            &self.settings,
        )?;
        let here = self.projector.cursor().clone();
        catch_up::to(&mut fresh, &self.store, &here, &self.settings, |_| {})?;
        carry::activate(&self.store, generation)?;
        self.projector = fresh;
        Ok(())
    }
}

fn set_cursor(status: &Shared, cursor: &Cut) {
    status.change(|status| status.cursor.clone_from(cursor));
}

/// Deliveries gathered until they are worth a write: until there are many, or so long after the window before as its
/// fold says, `projector.window_ms` at most. What comes after a pause is folded at once.
struct Window {
    events: Vec<Event>,
    bytes: usize,
    after: Vec<(u32, u64)>,
    /// When it began to gather: when the window before was folded.
    since: Option<Instant>,
    /// How long folding the window before took.
    took: Duration,
    open: bool,
    limit: usize,
    longest: Duration,
}

enum Next {
    Command(Command),
    Due,
    Closed,
}

impl Window {
    fn new(settings: &ProjectorSettings) -> Self {
        Self {
            events: Vec::new(),
            bytes: 0,
            after: Vec::new(),
            since: None,
            took: Duration::ZERO,
            open: false,
            limit: settings.window_events.max(1),
            longest: Duration::from_millis(settings.window_ms),
        }
    }

    fn next(&self, inbox: &Receiver<Command>) -> Next {
        if !self.open {
            return inbox.recv().map_or(Next::Closed, Next::Command);
        }
        let gathers = wait::gathering(self.took, self.longest);
        let gathered = self.since.map_or(gathers, |since| since.elapsed());
        match inbox.recv_timeout(gathers.saturating_sub(gathered)) {
            Ok(command) => Next::Command(command),
            Err(RecvTimeoutError::Timeout) => Next::Due,
            Err(RecvTimeoutError::Disconnected) => Next::Closed,
        }
    }

    fn add(&mut self, delivery: Delivery) {
        self.open = true;
        self.bytes += delivery.events.iter().map(Event::weight).sum::<usize>();
        if self.events.is_empty() {
            self.events = delivery.events;
        } else {
            self.events.extend(delivery.events);
        }
        self.after.extend(delivery.after);
    }

    fn is_full(&self) -> bool {
        self.events.len() >= self.limit || self.bytes >= WINDOW_BYTES
    }
}

/// A projector that does a step when it is told to, for the simulator.
#[cfg(test)]
pub(crate) struct Stepped {
    live: Live,
    inbox: Receiver<Command>,
    window: Window,
    caught_up: bool,
}

#[cfg(test)]
impl Stepped {
    /// The projector of the serving generation, and a handle with room for so many deliveries.
    pub(crate) fn open(
        store: SharedStore,
        topic: &str,
        definitions: Arc<SagaDefinitions>,
        settings: ProjectorSettings,
        room: usize,
    ) -> Result<(ProjectorHandle, Self), StoreError> {
        let (handle, live, inbox) = assemble(store, topic, definitions, settings, room)?;
        let stepped = Self {
            window: Window::new(&live.settings),
            live,
            inbox,
            caught_up: false,
        };
        Ok((handle, stepped))
    }

    /// Stops as one does whom the store fails.
    pub(crate) fn fail(self, why: &str) {
        let failed = Some(why.to_owned());
        self.live.status.change(|status| status.failed = failed);
    }

    /// How many commands wait.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Catches up, takes a command or folds what was gathered. Whether there was anything to do.
    pub(crate) fn step(&mut self) -> Result<bool, StoreError> {
        let done = self.try_step();
        if let Err(error) = &done {
            self.live
                .status
                .change(|status| status.failed = Some(error.to_string()));
        }
        done
    }

    fn try_step(&mut self) -> Result<bool, StoreError> {
        if !std::mem::replace(&mut self.caught_up, true) {
            self.live.catch_up()?;
            return Ok(true);
        }
        let next = match self.inbox.try_recv() {
            Ok(command) => Next::Command(command),
            Err(_) if self.window.after.is_empty() => return Ok(false),
            Err(_) => Next::Due,
        };
        self.live.step(&mut self.window, next)
    }
}

#[cfg(test)]
mod tests;
