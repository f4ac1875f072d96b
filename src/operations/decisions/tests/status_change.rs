//! Changes of statuses, over a tracker topic that is consumed at once.

use super::*;

/// A tracker topic whose every message is consumed at once, behind what other services send meanwhile.
struct Topic {
    store: SharedStore,
    projector: ProjectorHandle,
    meanwhile: Mutex<Vec<Event>>,
    published: Mutex<Vec<Message>>,
}

impl Topic {
    fn deliver(&self, events: Vec<Event>) {
        testkit::append(&self.store, &events);
        let after = events
            .iter()
            .map(|event| (event.position.partition, event.position.offset + 1))
            .collect();
        self.projector.deliver(Delivery { events, after }).unwrap();
    }

    fn next(&self, partition: u32) -> u64 {
        let cut = reads::log_cut(&*self.store, testkit::TOPIC).unwrap();
        cut.next(partition)
    }
}

impl Outlet for Topic {
    fn publish(&self, message: &Message) -> Result<Position, OutError> {
        for mut event in self.meanwhile.lock().unwrap().drain(..) {
            event.position = Position::new(0, self.next(0));
            self.deliver(vec![event]);
        }
        // Where the key leads to when nobody says.
        let partition = message.partition.unwrap_or(0);
        let position = Position::new(partition, self.next(partition));
        let (_, body) = wire::payload(message.value.as_deref()).unwrap();
        let plan = BundledSchema::new().unwrap().plan(1).unwrap();
        let event = plan
            .decode(body)
            .unwrap()
            .into_event(position, Millis(testkit::DAY))
            .unwrap();
        assert_eq!(message.key.as_deref(), Some(event.saga_id.as_str().as_bytes()));
        self.deliver(vec![event]);
        self.published.lock().unwrap().push(message.clone());
        Ok(position)
    }
}

fn event(at: i64, status: SagaStatus) -> Event {
    Event {
        position: Position::new(0, 0),
        arrived_at: Millis(at),
        recorded_at: Millis(at),
        event_timestamp: Millis(at),
        event_id: format!("event-{at}").into(),
        saga_id: "s/1".into(),
        saga_type: "ORDER_CREATION".into(),
        step: "PAYMENT_FAILED".into(),
        status,
        order_id: "o".into(),
        metadata: None,
        metadata_form: MetadataForm::Absent,
        producer_service: None,
        trace_id: None,
    }
}

struct Scene {
    topic: Arc<Topic>,
    changer: StatusChanger,
}

/// A failed saga whose last event is at `DAY + 5000`; our clock stands at `DAY + now`.
fn scene(now: i64, meanwhile: Vec<Event>) -> Scene {
    let store = testkit::store();
    let definitions = Arc::new(SagaDefinitions::default());
    let (projector, _) = projector::spawn(
        store.clone(),
        testkit::TOPIC,
        definitions.clone(),
        testkit::settings(1),
    )
    .unwrap();
    let topic = Arc::new(Topic {
        store: store.clone(),
        projector: projector.clone(),
        meanwhile: Mutex::new(meanwhile),
        published: Mutex::default(),
    });
    topic.deliver(vec![event(testkit::DAY + 5_000, SagaStatus::Failed)]);
    let projected = projector.watch();
    assert!(
        projected
            .wait_for(Position::new(0, 0), Duration::from_secs(10))
            .unwrap()
    );
    let changer = StatusChanger {
        store,
        definitions: definitions.into(),
        topic: testkit::TOPIC.to_owned(),
        out: topic.clone(),
        schemas: Arc::new(BundledSchema::new().unwrap()),
        projected,
        clock: Arc::new(At(Millis(testkit::DAY + now))),
        ids: Arc::new(Counting::default()),
    };
    Scene { topic, changer }
}

fn wish(status: SagaStatus, expected: Option<SagaStatus>) -> StatusChangeOrder {
    StatusChangeOrder {
        saga_id: SagaId::from("s/1"),
        status,
        reason: "paid by hand".to_owned(),
        expected,
        operator: "kim".to_owned(),
        origin: "10.0.0.7".to_owned(),
    }
}

fn state(scene: &Scene) -> crate::domain::SagaState {
    let store = &*scene.topic.store;
    let generation = reads::active_generation(store).unwrap();
    reads::instance(store, generation, &"s/1".into())
        .unwrap()
        .unwrap()
}

#[test]
fn a_change_is_an_ordinary_event_that_says_who_and_why() {
    let scene = scene(60_000, vec![]);
    let changed = scene
        .changer
        .change(&wish(SagaStatus::Compensated, Some(SagaStatus::Failed)))
        .unwrap();
    assert_eq!(
        (changed.previous, changed.current),
        (SagaStatus::Failed, SagaStatus::Compensated)
    );
    assert_eq!(changed.updated_at, Millis(testkit::DAY + 60_000));
    let state = state(&scene);
    assert_eq!(state.status, SagaStatus::Compensated);
    assert_eq!(state.last_step.as_str(), OPERATOR_STATUS_CHANGE);
    let cursor = reads::log_cut(&*scene.topic.store, testkit::TOPIC).unwrap();
    let events = reads::deliveries(&*scene.topic.store, &"s/1".into(), &cursor).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(events[1].metadata.as_deref().unwrap()).unwrap();
    assert_eq!(
        (
            &metadata["operator"],
            &metadata["reason"],
            &metadata["expectedStatus"]
        ),
        (&json!("kim"), &json!("paid by hand"), &json!("FAILED"))
    );
    assert_eq!(events[1].producer_service.as_deref(), Some("saga-tracker"));
}

#[test]
fn a_change_stands_behind_the_last_event_even_when_our_clock_is_behind() {
    let scene = scene(-3_600_000, vec![]);
    let changed = scene.changer.change(&wish(SagaStatus::Completed, None)).unwrap();
    assert_eq!(changed.updated_at, Millis(testkit::DAY + 5_001));
    assert_eq!(state(&scene).status, SagaStatus::Completed);
}

#[test]
fn what_would_be_in_vain_is_not_published() {
    let scene = scene(60_000, vec![]);
    for (wish, words) in [
        (
            wish(SagaStatus::Failed, None),
            "the saga is FAILED already; nothing was changed",
        ),
        (
            wish(SagaStatus::Completed, Some(SagaStatus::Started)),
            "the saga is FAILED, not STARTED as expected; nothing was changed",
        ),
    ] {
        let refused = scene.changer.change(&wish).unwrap_err();
        assert!(
            matches!(&refused, OpsError::Conflict(why) if why.to_string() == words),
            "{refused}"
        );
    }
    let unknown = StatusChangeOrder {
        saga_id: "nobody".into(),
        ..wish(SagaStatus::Completed, None)
    };
    assert!(matches!(
        scene.changer.change(&unknown),
        Err(OpsError::NotFound(_))
    ));
    assert_eq!(scene.topic.published.lock().unwrap().len(), 0);
}

#[test]
fn a_change_decided_on_a_status_that_is_gone_is_refused_when_it_is_applied() {
    let compensated = event(testkit::DAY + 6_000, SagaStatus::Compensated);
    let scene = scene(60_000, vec![compensated]);
    let refused = scene
        .changer
        .change(&wish(SagaStatus::Completed, Some(SagaStatus::Failed)))
        .unwrap_err();
    assert!(
        matches!(&refused, OpsError::Conflict(why) if why.to_string().contains("was COMPENSATED when it was applied")),
        "{refused}"
    );
    assert_eq!(scene.topic.published.lock().unwrap().len(), 1);
    let state = state(&scene);
    assert_eq!(state.status, SagaStatus::Compensated);
    assert_eq!(state.anomalies.kept[0].kind, AnomalyKind::OperatorChangeRefused);
}

#[test]
fn a_change_that_another_event_made_first_is_told_as_such() {
    let compensated = event(testkit::DAY + 6_000, SagaStatus::Compensated);
    let scene = scene(60_000, vec![compensated]);
    let refused = scene
        .changer
        .change(&wish(SagaStatus::Compensated, None))
        .unwrap_err();
    assert!(
        matches!(&refused, OpsError::Conflict(why) if why.to_string().contains("COMPENSATED already")),
        "{refused}"
    );
}

/// A saga whose last event has the latest instant of all, in a partition that its key leads to no more.
#[test]
fn changes_take_effect_behind_an_event_of_the_latest_instant() {
    let scene = scene(60_000, vec![]);
    let latest = Millis::LATEST_EVENT.0 - 1;
    let position = Position::new(2, 7);
    scene.topic.deliver(vec![Event {
        position,
        ..event(latest, SagaStatus::Failed)
    }]);
    assert!(
        scene
            .changer
            .projected
            .wait_for(position, Duration::from_secs(10))
            .unwrap()
    );
    for status in [
        SagaStatus::Completed,
        SagaStatus::Compensated,
        SagaStatus::Completed,
    ] {
        let changed = scene.changer.change(&wish(status, None)).unwrap();
        assert_eq!(
            (changed.current, changed.updated_at, changed.position.partition),
            (status, Millis(latest), 2)
        );
        assert_eq!(state(&scene).status, status);
    }
}

#[test]
fn a_change_takes_effect_behind_an_event_of_the_far_future() {
    let scene = scene(60_000, vec![]);
    let future = testkit::DAY + 50 * 365 * 86_400_000;
    let position = Position::new(0, 1);
    scene.topic.deliver(vec![Event {
        position,
        ..event(future, SagaStatus::Failed)
    }]);
    assert!(
        scene
            .changer
            .projected
            .wait_for(position, Duration::from_secs(10))
            .unwrap()
    );
    let changed = scene.changer.change(&wish(SagaStatus::Completed, None)).unwrap();
    assert_eq!(changed.updated_at, Millis(future + 1));
    assert_eq!(state(&scene).status, SagaStatus::Completed);
}
