use super::*;
use crate::domain::{Event, ServiceDefinition, SharedDefinitions, deduplicate};
use crate::pipeline::query::observed::MAX_FLOW_SAGAS;
use crate::testkit::{event_at, project, store, traffic};
use proptest::prelude::*;
use std::sync::Arc;

fn asked(events: &[Event], definitions: SagaDefinitions) -> Result<Catalogue, QueryError> {
    let store = store();
    project(&store, events, &[13], 1);
    let request = FlowRequest {
        limit: MAX_FLOW_SAGAS,
        ..FlowRequest::default()
    };
    catalogue(
        &*store,
        &SharedDefinitions::from(Arc::new(definitions)).in_force(),
        &request,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_catalogue_has_each_event_of_the_timelines_once(events in traffic(80)) {
        let mut expected: BTreeMap<EventKind, (u64, Millis, Millis)> = BTreeMap::new();
        let mut by_saga: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in &events {
            by_saga.entry(event.saga_id.as_str()).or_default().push(event);
        }
        for own in by_saga.into_values() {
            let timeline = deduplicate(own).timeline;
            for event in &timeline {
                let kind = EventKind {
                    saga_type: timeline[0].saga_type.as_str().to_owned(),
                    step: event.step.as_str().to_owned(),
                    service: event.producer_service.as_deref().map(str::to_owned),
                    status: event.status,
                };
                let at = event.recorded_at;
                let entry = expected.entry(kind).or_insert((0, at, at));
                *entry = (entry.0 + 1, entry.1.min(at), entry.2.max(at));
            }
        }
        match asked(&events, SagaDefinitions::default()) {
            Err(QueryError::TooMuchFlow(_)) => prop_assert!(expected.len() > MAX_EVENT_KINDS),
            found => {
                let found = found.unwrap();
                let entries: BTreeMap<_, _> = found.entries.into_iter()
                    .map(|(kind, of)| (kind, (of.events, of.first_seen, of.last_seen)))
                    .collect();
                prop_assert_eq!(entries, expected);
            }
        }
    }
}

#[test]
fn owners_and_whether_a_step_is_documented_come_from_the_definitions() {
    let mut definitions = SagaDefinitions::default();
    let of_type = definitions.types.get_mut("ORDER_CREATION").unwrap();
    of_type.owner = Some("team-orders".to_owned());
    let owner = "team-stock".to_owned();
    definitions
        .services
        .insert("stock".to_owned(), ServiceDefinition { owner });
    let mut events: Vec<Event> = ["ORDER_CONFIRMED", "STRANGE", OPERATOR_STATUS_CHANGE]
        .into_iter()
        .zip(0..)
        .map(|(step, n)| event_at("s", n, step, SagaStatus::InProgress))
        .collect();
    events[1].producer_service = Some("stock".into());
    let mut other = event_at("t", 3, "ORDER_CONFIRMED", SagaStatus::InProgress);
    other.saga_type = "UNKNOWN".into();
    events.push(other);
    let found = asked(&events, definitions).unwrap();
    assert_eq!((found.sagas, found.events()), (2, 4));
    let told: Vec<_> = found
        .entries
        .iter()
        .map(|(kind, of)| {
            (
                kind.step.as_str(),
                of.type_owner.as_deref(),
                of.service_owner.as_deref(),
                of.documented,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (OPERATOR_STATUS_CHANGE, Some("team-orders"), None, true),
            ("ORDER_CONFIRMED", Some("team-orders"), None, true),
            ("STRANGE", Some("team-orders"), Some("team-stock"), false),
            ("ORDER_CONFIRMED", None, None, false),
        ]
    );
}

#[test]
fn too_many_kinds_are_refused_by_number() {
    let events: Vec<Event> = (0..60)
        .map(|n| event_at("s", n, &format!("STEP_{n}"), SagaStatus::InProgress))
        .collect();
    let refused = asked(&events, SagaDefinitions::default())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("40 different kinds"), "{refused}");
}
