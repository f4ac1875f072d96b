//! A replica: its disk, and the process that runs on it while it is up, put together from the
//! product's own parts.

use super::disk::{Disk, DiskStore};
use super::outlet::{Noted, SimOutlet};
use super::registry::SimRegistry;
use super::source::{Given, SharedGiven, SimSource, SimTopics};
use super::topic::{DLT, OPS, TRACKER};
use super::world::{SkewedClock, World};
use crate::domain::clock::SharedClock;
use crate::domain::{Cut, SagaDefinitions, SharedDefinitions};
use crate::operations::audit::Audit;
use crate::operations::dead_letters::redrive::{RedriveParts, Redrives};
use crate::operations::dead_letters::{Consumption, Sources, appliers};
use crate::operations::decisions::{Consumer, Decisions, OpsStatus, Reading, StatusChanger};
use crate::operations::definitions::{self, Configured};
use crate::operations::retention::{
    self, Asked, Edge, RetentionSettings, RetentionStatus, Rules, Sweeper, Worker,
};
use crate::pipeline::ingest::late_schemas::{AskedFor, LateSchemas, Walk};
use crate::pipeline::ingest::origin::DeadLetterTopics;
use crate::pipeline::ingest::run::Running;
use crate::pipeline::ingest::space::Boundless;
use crate::pipeline::ingest::writer::Writer;
use crate::pipeline::ingest::{Ingest, IngestStatus};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::Outlet;
use crate::pipeline::projector::rebuild::{self, Rebuild};
use crate::pipeline::projector::{ProjectorHandle, ProjectorSettings, Stepped};
use crate::pipeline::query::Query;
use crate::server::metrics::{Metrics, MetricsSettings};
use crate::store::dead_letters::DeadLetterLock;
use crate::store::memory::MemoryStore;
use crate::store::stoppable::Stop;
use crate::store::{SharedStore, StoreError, dead_letters, reads};
use saga_tracker_sdk::publishing::EventIds;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Deliveries that may wait for the projector; ingest is not driven while more do.
const ROOM: usize = 64;

/// How a replica is set up, other than its neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) batch: usize,
    pub(super) window: usize,
    pub(super) shards: usize,
    pub(super) remembered: usize,
}

pub(super) struct Replica {
    pub(super) number: usize,
    pub(super) habits: Habits,
    /// The registry may not know yet what it will know.
    schemas_come_late: bool,
    pub(super) skew: Arc<AtomicI64>,
    pub(super) given: SharedGiven,
    pub(super) noted: Arc<Mutex<Noted>>,
    pub(super) rows: RefCell<MemoryStore>,
    pub(super) process: RefCell<Option<Rc<Process>>>,
    /// Copies that were taken, to be restored from.
    pub(super) snapshots: RefCell<Vec<(MemoryStore, Given)>>,
    /// The counters as they were last scraped.
    pub(super) scraped: RefCell<BTreeMap<String, f64>>,
    ids: Arc<Counting>,
}

/// Names decisions and operators' events, in order, by replica.
struct Counting(AtomicU64, usize);

impl EventIds for Counting {
    fn next(&self) -> String {
        format!("{}-{}", self.1, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// What runs while a replica is up.
pub(super) struct Process {
    disk: Arc<DiskStore>,
    pub(super) store: SharedStore,
    /// What was configured at its start.
    pub(super) configured: Configured,
    /// The definitions in force.
    pub(super) definitions: SharedDefinitions,
    pub(super) handle: ProjectorHandle,
    pub(super) projector: RefCell<Option<Stepped>>,
    pub(super) ingest: RefCell<Option<Flow<Running<Arc<Ingest>>>>>,
    pub(super) ops: RefCell<Option<Flow<Reading>>>,
    pub(super) status: Arc<IngestStatus>,
    pub(super) ops_status: Arc<OpsStatus>,
    consumption: Consumption,
    pub(super) retention: Arc<RetentionStatus>,
    pub(super) query: Query,
    asked: Arc<Mutex<Asked>>,
    schemas_come_late: bool,
    /// How far letters are read again.
    pub(super) walk: RefCell<Walk>,
    pub(super) asked_for: Arc<AskedFor>,
    edges: Arc<SimTopics>,
    pub(super) metrics: Metrics,
    /// Parts that stopped for good.
    pub(super) stopped: RefCell<Vec<(Part, String)>>,
    settings: ProjectorSettings,
    book: DeadLetterLock,
    clock: SharedClock,
    schemas: Arc<SimRegistry>,
    outlet: Arc<dyn Outlet>,
    ids: Arc<Counting>,
}

/// A reader, where it reads from, and what ends it.
pub(super) struct Flow<R> {
    pub(super) reader: R,
    pub(super) source: SimSource,
    pub(super) token: CancellationToken,
}

/// Something that a process does step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Ingest,
    Projector,
    Ops,
    Worker,
    Sweeper,
    Redrives,
    Rebuild,
    Reread,
}

impl Replica {
    pub(super) fn new(
        number: usize,
        habits: Habits,
        schemas_come_late: bool,
        noted: &Arc<Mutex<Noted>>,
    ) -> Self {
        let rows = MemoryStore::new();
        dead_letters::list_all_once(&rows).unwrap();
        Self {
            number,
            habits,
            schemas_come_late,
            skew: Arc::default(),
            given: SharedGiven::default(),
            noted: noted.clone(),
            rows: RefCell::new(rows),
            process: RefCell::default(),
            snapshots: RefCell::default(),
            scraped: RefCell::default(),
            ids: Arc::new(Counting(AtomicU64::new(0), number)),
        }
    }

    /// The process, while it is up.
    pub(super) fn up(&self) -> Option<Rc<Process>> {
        self.process.borrow().clone()
    }

    /// Starts a process as `program::wiring` does.
    pub(super) fn start(
        &self,
        world: &Arc<World>,
        definitions: &Arc<SagaDefinitions>,
    ) -> Result<Rc<Process>, StoreError> {
        let disk = Arc::new(Disk::new(self.rows.borrow().copy()));
        let store: SharedStore = disk.clone();
        rebuild::clear_leftovers(&store)?;
        let configured = Configured {
            definitions: definitions.clone(),
            by_file: false,
        };
        let in_force = SharedDefinitions::from(definitions::in_force(&*store, &configured)?);
        let settings = ProjectorSettings {
            shards: self.habits.shards,
            window_events: self.habits.window,
            window_ms: 20,
            remembered_sagas: self.habits.remembered,
            ..ProjectorSettings::default()
        };
        let (handle, stepped) =
            Stepped::open(store.clone(), TRACKER, in_force.get(), settings.clone(), ROOM)?;
        let outlet = Arc::new(SimOutlet {
            world: world.clone(),
            store: store.clone(),
            given: self.given.clone(),
            replica: self.number,
            noted: self.noted.clone(),
        });
        let query = Query::new(store.clone(), in_force.clone()).of_topic(TRACKER);
        let (status, ops_status) = (Arc::<IngestStatus>::default(), Arc::<OpsStatus>::default());
        let asked_for = Arc::<AskedFor>::default();
        if !self.schemas_come_late {
            // Nobody need ask: what is unknown stays so.
            asked_for.pretend((0..64).map(|number| (number, u64::MAX)).collect());
        }
        let clock: SharedClock = Arc::new(SkewedClock {
            world: world.clone(),
            skew: self.skew.clone(),
        });
        Ok(Rc::new(Process {
            metrics: Metrics::new(
                &MetricsSettings::default(),
                query.clone(),
                status.clone(),
                clock.clone(),
            ),
            query,
            disk,
            store,
            configured,
            definitions: in_force,
            handle,
            projector: RefCell::new(Some(stepped)),
            ingest: RefCell::default(),
            ops: RefCell::default(),
            consumption: Consumption::new(status.clone(), ops_status.clone()),
            status,
            ops_status,
            retention: Arc::default(),
            asked: Arc::default(),
            schemas_come_late: self.schemas_come_late,
            walk: RefCell::default(),
            asked_for,
            edges: Arc::new(SimTopics {
                world: world.clone(),
                given: self.given.clone(),
            }),
            stopped: RefCell::default(),
            settings,
            book: DeadLetterLock::default(),
            clock,
            schemas: Arc::new(SimRegistry(world.clone())),
            outlet,
            ids: self.ids.clone(),
        }))
    }

    /// The store as it is now, whoever has it.
    pub(super) fn stored(&self) -> MemoryStore {
        match self.up() {
            Some(process) => process.disk().copy(),
            None => self.rows.borrow().copy(),
        }
    }
}

fn ingest_settings(batch: usize) -> KafkaSettings {
    KafkaSettings {
        topic: TRACKER.to_owned(),
        dlt_topic: DLT.to_owned(),
        ops_topic: OPS.to_owned(),
        max_poll_records: batch,
        ..KafkaSettings::default()
    }
}

impl Process {
    /// What becomes of its writes.
    pub(super) fn disk(&self) -> &Disk {
        self.disk.layer()
    }

    /// Whether a part does nothing more until a restart.
    pub(super) fn has_stopped(&self, part: Part) -> bool {
        self.stopped.borrow().iter().any(|(stopped, _)| *stopped == part)
    }

    /// Opens ingest where the store ends.
    pub(super) fn open_ingest(
        &self,
        world: &Arc<World>,
        replica: &Replica,
    ) -> Result<Flow<Running<Arc<Ingest>>>, StoreError> {
        let token = CancellationToken::new();
        let writer = Writer::open(self.store.clone(), TRACKER)?.sharing(self.book.clone(), DLT);
        self.status.follow(self.handle.watch());
        self.status.update(|status| {
            status.next = writer.next();
            status.end = Cut::default();
        });
        replica.given.lock().keep(&writer.next());
        let source = SimSource::new(world, TRACKER, &replica.given, writer.resume_from());
        let ingest = Arc::new(Ingest {
            store: self.store.clone(),
            settings: ingest_settings(replica.habits.batch),
            schemas: self.schemas.clone(),
            projector: self.handle.clone(),
            status: self.status.clone(),
            dead_letters: Arc::default(),
            space: Arc::new(Boundless),
            book: self.book.clone(),
            clock: self.clock.clone(),
            shutdown: token.clone(),
        });
        Ok(Flow {
            reader: Running::new(ingest, writer, &source),
            source,
            token,
        })
    }

    /// Opens the reader of decisions where the store ends.
    pub(super) fn open_ops(&self, world: &Arc<World>) -> Result<Flow<Reading>, StoreError> {
        let token = CancellationToken::new();
        let mut all = retention::appliers(TRACKER);
        all.extend(appliers(&self.book, &topics()));
        all.push(definitions::applier(&self.definitions));
        let consumer = Consumer {
            store: self.store.clone(),
            settings: ingest_settings(1),
            appliers: all,
            status: self.ops_status.clone(),
            space: Arc::new(Boundless),
            clock: self.clock.clone(),
            shutdown: token.clone(),
        };
        let reader = consumer.stepped()?;
        let source = SimSource::new(world, OPS, &SharedGiven::default(), reader.resume_from());
        Ok(Flow {
            reader,
            source,
            token,
        })
    }

    /// The account of letters.
    pub(super) fn book(&self) -> DeadLetterLock {
        self.book.clone()
    }

    /// How the projector works.
    pub(super) fn projector_settings(&self) -> ProjectorSettings {
        self.settings.clone()
    }

    fn edge(&self) -> Edge {
        Edge {
            topics: self.edges.clone(),
            topic: TRACKER.to_owned(),
            ops_topic: OPS.to_owned(),
            projector: self.handle.clone(),
            ops: self.ops_status.clone(),
            status: self.retention.clone(),
            settle: Duration::from_secs(5),
            timeout: Duration::from_millis(200),
            letters: self.letters(),
            asked_for: self.asked_for.clone(),
            asked: self.asked.clone(),
        }
    }

    /// How long a decision waits for letters. What schemas will be known is known before anybody gives up; once it is,
    /// and everywhere that no schema comes late, what is not readable when all inside a cut is read stays so.
    fn letters(&self) -> Duration {
        let is_all_known = self.schemas.0.weather().calm;
        let is_all_asked = self.asked_for.within().covers(&self.handle.status().cursor);
        if is_all_asked && (is_all_known || !self.schemas_come_late) {
            Duration::ZERO
        } else {
            Duration::from_secs(1_000_000_000)
        }
    }

    fn decisions(&self) -> Decisions {
        Decisions {
            out: self.outlet.clone(),
            topic: OPS.to_owned(),
            status: self.ops_status.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        }
    }

    pub(super) fn worker(&self, token: &CancellationToken) -> Worker {
        Worker {
            store: self.store.clone(),
            projector: self.handle.clone(),
            configured: self.configured.definitions.clone(),
            definitions: self.definitions.clone(),
            ops: self.ops_status.clone(),
            edge: self.edge(),
            status: self.retention.clone(),
            space: Arc::new(Boundless),
            reclaim_percent: 10,
            shutdown: token.clone(),
        }
    }

    pub(super) fn sweeper(&self, runtime: &tokio::runtime::Handle, token: &CancellationToken) -> Sweeper {
        let (finished_days, unfinished_days, quiet_hours) = super::oracle::retention::KEPT;
        let settings = RetentionSettings {
            enabled: true,
            finished_days,
            unfinished_days,
            quiet_hours,
            sagas_per_second: u64::MAX,
            batch_sagas: 5,
            ..RetentionSettings::default()
        };
        Sweeper {
            query: self.query.clone(),
            rules: Rules::new(&settings, self.definitions.clone()),
            settings,
            decisions: self.decisions(),
            edge: self.edge(),
            left: Mutex::default(),
            objects: None,
            runtime: runtime.clone(),
            status: self.retention.clone(),
            clock: self.clock.clone(),
            shutdown: token.clone(),
        }
    }

    pub(super) fn redrives(&self, token: &CancellationToken) -> Redrives {
        Redrives::new(RedriveParts {
            sources: Sources {
                store: self.store.clone(),
                schemas: self.schemas.clone(),
                topics: topics(),
            },
            definitions: self.definitions.clone(),
            out: self.outlet.clone(),
            deciding: Arc::new(self.decisions()),
            consumption: self.consumption.clone(),
            audit: Audit::new(self.store.clone(), self.clock.clone()),
            replay_events: 1_000,
            clock: self.clock.clone(),
            shutdown: token.clone(),
        })
    }

    pub(super) fn reread(&self, token: &CancellationToken) -> LateSchemas {
        LateSchemas {
            store: self.store.clone(),
            schemas: self.schemas.clone(),
            projector: self.handle.clone(),
            book: self.book.clone(),
            topics: topics(),
            asked_for: self.asked_for.clone(),
            shutdown: token.clone(),
        }
    }

    /// Whether a redrive has not ended.
    pub(super) fn has_redrives(&self) -> bool {
        let latest = self
            .redrives(&CancellationToken::new())
            .latest(20, Stop::default())
            .unwrap();
        latest.iter().any(|redrive| redrive.ended_at.is_none())
    }

    /// Changes statuses, as an operator asks.
    pub(super) fn statuses(&self) -> StatusChanger {
        StatusChanger {
            store: self.store.clone(),
            definitions: self.definitions.clone(),
            topic: TRACKER.to_owned(),
            out: self.outlet.clone(),
            schemas: self.schemas.clone(),
            projected: self.handle.watch(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        }
    }

    pub(super) fn rebuild(&self) -> Rebuild {
        Rebuild {
            store: self.store.clone(),
            topic: TRACKER.to_owned(),
            definitions: self.definitions.get(),
            settings: self.settings.clone(),
            progress: Arc::default(),
        }
    }

    /// Whether the projections are to be made anew.
    pub(super) fn is_due(&self) -> bool {
        rebuild::is_due(&self.store, &self.definitions.get(), &self.settings).unwrap()
    }

    /// Whether all of the topics is read, folded and done, as far as the broker hands it out.
    pub(super) fn is_at_the_end(&self, world: &World) -> Result<(), String> {
        let next = reads::log_cut(&*self.store, TRACKER).unwrap();
        let tracker = world.tracker();
        for number in 0..u32::try_from(tracker.partitions.len()).unwrap() {
            if let Some(record) = tracker.next(number, next.next(number)) {
                return Err(format!("record {} is not read", record.position));
            }
        }
        drop(tracker);
        if !self.handle.status().cursor.covers(&next) {
            return Err(format!(
                "folded up to {:?} of {next:?}",
                self.handle.status().cursor
            ));
        }
        let (read, end) = (
            self.ops_status.snapshot().next,
            world.topic(OPS).partitions[0].end,
        );
        if read < end {
            return Err(format!("decisions are read up to {read} of {end}"));
        }
        let done = retention::cursor(&self.store).unwrap();
        if done < end {
            return Err(format!("[2.2] decisions are done up to {done} of {end}"));
        }
        if self.is_due() {
            return Err("the projections are to be made anew".to_owned());
        }
        if self.has_redrives() {
            return Err("a redrive has not ended".to_owned());
        }
        Ok(())
    }
}

/// The topics that letters lie in.
pub(super) fn topics() -> DeadLetterTopics {
    DeadLetterTopics {
        topic: TRACKER.to_owned(),
        dlt_topic: DLT.to_owned(),
    }
}
