//! Definitions that are decided on are folded by: rebuilds begin by themselves, one after the other, where the disk has
//! room.

use super::*;
use crate::testkit::Room;

/// A tracker over a topic of orders whose stock is reserved and that are not confirmed.
struct Scene {
    room: Arc<Room>,
    topic: Arc<Topic>,
    renewer: Renewer,
    background: Background,
    projector: ProjectorHandle,
    folding: JoinHandle<()>,
}

const ORDERS: u64 = 20;

fn events() -> Vec<Event> {
    let order = |number: u64| {
        let saga = format!("order-{number}");
        [
            event_at(&saga, 2 * number, "ORDER_CREATED", SagaStatus::Started),
            event_at(&saga, 2 * number + 1, "STOCK_RESERVED", SagaStatus::Completed),
        ]
    };
    (0..ORDERS).flat_map(order).collect()
}

impl Scene {
    /// Starts over a store that may hold something.
    fn start(store: &SharedStore, file: &Configured) -> Self {
        rebuild::clear_leftovers(store).unwrap();
        let topic = Topic::over(store, file);
        let known = versions_before(&**store, None, 1).unwrap();
        *topic.next.lock().unwrap() = known.first().map_or(0, |last| last.decision + 1);
        let (projector, folding) =
            projector::spawn(store.clone(), TOPIC, topic.shared.get(), settings(1)).unwrap();
        let audit = Audit::new(store.clone(), Arc::new(SystemClock));
        let background = Background::new(audit.clone());
        let room = Arc::new(Room(AtomicU64::new(u64::MAX)));
        let parts = RebuildParts {
            store: store.clone(),
            topic: TOPIC.to_owned(),
            definitions: topic.shared.clone(),
            settings: settings(1),
            projector: projector.clone(),
            space: room.clone(),
        };
        let renewer = Renewer {
            definitions: topic.shared.clone(),
            rebuilds: Rebuilds::new(parts, background.clone()),
            audit,
            act: kim(),
            shutdown: CancellationToken::new(),
        };
        Self {
            room,
            topic,
            renewer,
            background,
            projector,
            folding,
        }
    }

    fn deliver(&self, events: &[Event]) {
        append(&self.topic.store, events);
        let after = behind(events, Cut::default());
        let after: Vec<_> = after.iter().filter(|(_, next)| *next > 0).collect();
        let (partition, next) = after[0];
        let events = events.to_vec();
        self.projector.deliver(Delivery { events, after }).unwrap();
        let last = Position::new(partition, next - 1);
        assert!(
            self.projector
                .watch()
                .wait_for(last, Duration::from_secs(20))
                .unwrap()
        );
    }

    /// Lets the renewer look until nothing is due. How many rebuilds that took.
    fn settle(&self) -> usize {
        let (mut tried, mut rebuilds) = (None, 0);
        for _ in 0..2_000 {
            rebuilds += usize::from(self.renewer.look(&mut tried).unwrap());
            let due = self.renewer.rebuilds.is_due(&self.topic.shared.get()).unwrap();
            if !due && !self.renewer.is_under_way() {
                return rebuilds;
            }
            wait::park(Duration::from_millis(5));
        }
        panic!("a rebuild is due for ever: {:?}", self.renewer.rebuilds.status());
    }

    fn statuses(&self) -> BTreeMap<SagaStatus, u64> {
        let query = Query::new(self.topic.store.clone(), self.topic.shared.clone());
        let mut active = query.totals().unwrap().active;
        active.retain(|_, sagas| *sagas > 0);
        active
    }

    fn stop(self) {
        self.background.stop();
        drop((self.renewer, self.background, self.projector));
        self.folding.join().unwrap();
    }
}

fn all(status: SagaStatus) -> BTreeMap<SagaStatus, u64> {
    [(status, ORDERS)].into()
}

fn assert_is_fold(store: &SharedStore, definitions: &str) {
    let verify = Verify {
        store: store.clone(),
        topic: TOPIC.to_owned(),
        definitions: Arc::new(read(definitions)),
        settings: settings(1),
        progress: Arc::default(),
    };
    let report = verify.run().unwrap();
    assert_eq!(report.differences.told, Vec::<String>::new());
    assert!(!report.rebuild_due);
}

#[test]
fn a_decision_is_followed_by_a_rebuild_and_taken_back_by_another() {
    let (store, file) = (testkit::store(), configured(LATE));
    let scene = Scene::start(&store, &file);
    scene.deliver(&events());
    assert_eq!(scene.settle(), 0);
    assert_eq!(scene.statuses(), all(SagaStatus::InProgress));
    scene.topic.apply(1, EARLY);
    assert_eq!(
        scene.statuses(),
        all(SagaStatus::InProgress),
        "the old ones serve"
    );
    assert_eq!(scene.settle(), 1);
    assert_eq!(scene.statuses(), all(SagaStatus::Completed));
    assert_is_fold(&store, EARLY);
    scene.topic.apply(2, LATE);
    assert_eq!(scene.settle(), 1);
    assert_eq!(scene.statuses(), all(SagaStatus::InProgress));
    assert_is_fold(&store, LATE);
    scene.stop();
}

#[test]
fn what_no_fold_depends_on_is_in_force_without_a_rebuild() {
    let (store, file) = (testkit::store(), configured(LATE));
    let scene = Scene::start(&store, &file);
    scene.deliver(&events());
    scene.topic.apply(1, IMPATIENT);
    assert_eq!(scene.settle(), 0);
    let query = Query::new(store, scene.topic.shared.clone());
    let now = crate::domain::Millis(testkit::DAY + 120_000);
    let (_, judgement) = query.judged_saga(&"order-3".into(), now).unwrap().unwrap();
    assert!(
        judgement.stuck.is_some(),
        "after a minute, not after half an hour"
    );
    scene.stop();
}

#[test]
fn of_decisions_in_quick_succession_the_last_one_holds() {
    let (store, file) = (testkit::store(), configured(LATE));
    let scene = Scene::start(&store, &file);
    scene.deliver(&events());
    scene.topic.apply(1, EARLY);
    let mut tried = None;
    assert!(scene.renewer.look(&mut tried).unwrap());
    // Whatever the first rebuild is at.
    scene.topic.apply(2, LATE);
    scene.topic.apply(3, EARLY);
    scene.topic.apply(4, IMPATIENT);
    scene.settle();
    assert_eq!(scene.statuses(), all(SagaStatus::InProgress));
    assert_is_fold(&store, IMPATIENT);
    scene.stop();
}

#[test]
fn a_replica_that_was_away_and_one_with_another_file_end_alike() {
    let (here, there) = (testkit::store(), testkit::store());
    let scene = Scene::start(&here, &configured(LATE));
    scene.deliver(&events());
    scene.topic.apply(1, EARLY);
    scene.settle();
    scene.stop();
    // The other one reads the decision before any event, is started with another file, and ends in between.
    let scene = Scene::start(&there, &configured(IMPATIENT));
    scene.topic.apply(1, EARLY);
    scene.deliver(&events()[..11]);
    scene.stop();
    let scene = Scene::start(&there, &configured(LATE));
    scene.deliver(&events()[11..]);
    scene.settle();
    assert_eq!(scene.statuses(), all(SagaStatus::Completed));
    scene.stop();
    let [one, other] = [&here, &there].map(|store| digest(store, TOPIC).unwrap());
    assert_eq!(one.rules, other.rules);
    assert_eq!(one.tables, other.tables);
    assert_eq!(
        reads::fold_rules(&*here, reads::active_generation(&*here).unwrap()).unwrap(),
        Some(read(EARLY).fold_rules())
    );
}

#[test]
fn after_a_failed_rebuild_the_next_is_not_at_once() {
    let (store, file) = (testkit::store(), configured(LATE));
    let scene = Scene::start(&store, &file);
    scene.deliver(&events());
    scene.topic.apply(1, EARLY);
    // It was tried a moment ago, and is still due.
    let mut tried = Some((scene.topic.shared.in_force().rules, wait::now()));
    assert!(!scene.renewer.look(&mut tried).unwrap());
    // Other rules are tried at once.
    scene
        .topic
        .apply(2, "[types.ORDER_CREATION]\ncompleting_steps = [\"SHIPPED\"]\n");
    assert!(scene.renewer.look(&mut tried).unwrap());
    scene.settle();
    scene.stop();
}

#[test]
fn a_rebuild_waits_for_room_while_the_old_projections_serve() {
    let (store, file) = (testkit::store(), configured(LATE));
    let scene = Scene::start(&store, &file);
    scene.deliver(&events());
    scene.room.0.store(999, Ordering::Relaxed);
    scene.topic.apply(1, EARLY);
    let mut tried = None;
    for _ in 0..3 {
        assert!(!scene.renewer.look(&mut tried).unwrap());
    }
    let lacking = scene.renewer.rebuilds.waiting().unwrap();
    assert_eq!((lacking.free, lacking.needed), (999, 1_000));
    assert_eq!(
        scene.statuses(),
        all(SagaStatus::InProgress),
        "the old ones serve"
    );
    // It begins by itself, without waiting as after one that failed.
    scene.room.0.store(1_000, Ordering::Relaxed);
    assert!(scene.renewer.look(&mut tried).unwrap());
    assert_eq!(scene.renewer.rebuilds.waiting(), None);
    scene.settle();
    assert_eq!(scene.statuses(), all(SagaStatus::Completed));
    // What is taken back before there is room waits for none any more.
    scene.room.0.store(0, Ordering::Relaxed);
    scene.topic.apply(2, LATE);
    assert!(!scene.renewer.look(&mut tried).unwrap());
    scene.topic.apply(3, EARLY);
    assert!(!scene.renewer.look(&mut tried).unwrap());
    assert_eq!(scene.renewer.rebuilds.waiting(), None);
    scene.stop();
}
