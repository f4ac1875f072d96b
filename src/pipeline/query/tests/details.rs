//! What happened inside of the sagas that statistics are of is the sum over their timelines.

use super::super::candidates::MAX_EXAMINED;
use super::*;
use crate::simulator::oracle::past::stood;
use crate::testkit::event_at;

/// By name in how many sagas and in how many events, most names not told apart.
type Counts = BTreeMap<String, (u64, u64)>;

/// The names of each saga, one for each event.
fn counts(sagas: &[Vec<String>]) -> Counts {
    let mut counts = Counts::new();
    for names in sagas {
        for name in names {
            counts.entry(name.clone()).or_default().1 += 1;
        }
        for name in names.iter().collect::<BTreeSet<_>>() {
            counts.get_mut(name).unwrap().0 += 1;
        }
    }
    counts
}

fn shown<T>(named: &Named<T>, of: impl Fn(&T) -> &Occurrences) -> Counts {
    let counts = named.by_name.iter();
    let shown = |(name, of_name): (&String, &T)| (name.clone(), (of(of_name).sagas, of(of_name).events));
    assert_eq!(of(&named.others).events, 0);
    counts.map(shown).collect()
}

/// How long each step came after the event before it.
fn after(timelines: &[Vec<Event>]) -> BTreeMap<String, Vec<u64>> {
    let mut after: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for timeline in timelines {
        for two in timeline.windows(2) {
            let times = after.entry(two[1].step.to_string()).or_default();
            times.push(two[1].recorded_at.since(two[0].recorded_at));
        }
    }
    after.values_mut().for_each(|times| times.sort_unstable());
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn details_are_sums_over_the_timelines_of_the_sagas_that_match(
        events in prop_oneof![crowd(), past::deliveries(40)], filter in filters(),
        place in proptest::option::of((0usize..400, -1i64..=1)), known in proptest::option::of((0usize..400, -1i64..=1)),
    ) {
        let moment = Moment {
            as_of: place.map(|(at, by)| Millis(events[at % events.len()].recorded_at.0 + by)),
            known_at: known.map(|(at, by)| Millis(events[at % events.len()].arrived_at.0 + by)),
        };
        let filter = Filter { moment, status: None, order_id: None, ..filter };
        let (query, definitions) = (query(&events), SagaDefinitions::default());
        let ids: BTreeSet<&str> = events.iter().map(|event| event.saga_id.as_str()).collect();
        let own = |id: &str| events.iter().filter(|event| event.saga_id.as_str() == id).cloned().collect::<Vec<_>>();
        let all = ids.into_iter().filter_map(|id| stood(&own(id), &definitions, moment));
        let matching = all.filter(|known| {
            filter.saga_type.as_ref().is_none_or(|wanted| wanted.as_str() == known.saga_type)
                && filter.from.is_none_or(|from| from.0 <= known.started_at)
                && filter.to.is_none_or(|to| known.started_at <= to.0)
        });
        let matching: Vec<_> = matching.collect();
        let timelines: Vec<Vec<Event>> = matching.iter().map(|known| known.timeline.clone()).collect();
        let found = match query.detailed_statistics(&filter) {
            Err(QueryError::TooManyUnderWay { .. } | QueryError::TooMuchToFold { .. } | QueryError::TooManyChanges { .. }) => return Ok(()),
            found => found.unwrap(),
        };
        let (statistics, details) = found;
        prop_assert_eq!((details.sagas, statistics.total()), (matching.len() as u64, matching.len() as u64));
        prop_assert_eq!(details.events, timelines.iter().map(|events| events.len() as u64).sum::<u64>());
        let steps: Vec<Vec<String>> = timelines.iter().map(|events| events.iter().map(|event| event.step.to_string()).collect()).collect();
        prop_assert_eq!(shown(&details.steps, |step| &step.reported), counts(&steps));
        let named = |event: &Event| event.producer_service.as_deref().map(str::to_owned);
        let services: Vec<Vec<String>> = timelines.iter().map(|events| events.iter().filter_map(named).collect()).collect();
        prop_assert_eq!(shown(&details.services, |service| service), counts(&services));
        let unnamed = timelines.iter().flatten().filter(|event| event.producer_service.is_none());
        prop_assert_eq!(details.without_service, unnamed.count() as u64);
        let times: BTreeMap<String, Vec<u64>> = details.steps.by_name.iter()
            .filter(|(_, step)| step.after.count() > 0)
            .map(|(step, of)| (step.clone(), of.after.all().to_vec()))
            .collect();
        prop_assert_eq!(times, after(&timelines));
        let mut completed: Vec<i64> = matching.iter()
            .filter(|known| known.status == "COMPLETED")
            .map(|known| known.updated_at - known.started_at)
            .collect();
        completed.sort_unstable();
        let found: Vec<i64> = details.completed.all().iter().map(|millis| i64::try_from(*millis).unwrap()).collect();
        prop_assert_eq!(found, completed);
        let wanted = matching.iter().map(|known| known.compensated_after.len() as u64).sum::<u64>();
        prop_assert!(details.compensated.count() <= wanted);
    }
}

#[test]
fn durations_and_reasons_are_those_of_the_sagas() {
    use SagaStatus::{Compensated, Completed, Failed, Started};
    let mut events = vec![
        event_at("a", 0, "ORDER_CREATED", Started),
        event_at("a", 10, "ORDER_CANCELLED", Failed),
        event_at("a", 30, "COMPENSATION_ORDER", Compensated),
        event_at("b", 40, "ORDER_CREATED", Started),
        event_at("b", 45, "ORDER_CONFIRMED", Completed),
    ];
    events[1].metadata = Some(r#"{"failureReason":"OUT_OF_STOCK"}"#.into());
    events[1].metadata_form = crate::domain::MetadataForm::Object;
    let (_, details) = query(&events).detailed_statistics(&Filter::default()).unwrap();
    assert_eq!(
        (details.completed.all(), details.compensated.all()),
        (&[5][..], &[20][..])
    );
    assert_eq!(details.reasons.by_name["OUT_OF_STOCK"].sagas, 1);
    assert_eq!(details.steps.by_name["ORDER_CANCELLED"].after.all(), [10]);
}

#[test]
fn names_beyond_those_that_are_told_apart_are_summed_up() {
    let events: Vec<Event> = (0..12)
        .map(|n| event_at("s", n, &format!("STEP_{n:02}"), SagaStatus::InProgress))
        .collect();
    let (_, details) = query(&events).detailed_statistics(&Filter::default()).unwrap();
    assert_eq!(details.steps.by_name.len(), 8);
    let others = &details.steps.others;
    assert_eq!(
        (
            others.reported.sagas,
            others.reported.events,
            others.after.count()
        ),
        (1, 4, 4)
    );
}

#[test]
fn details_of_more_sagas_than_are_looked_at_are_refused() {
    let events: Vec<Event> = (0..=MAX_EXAMINED)
        .map(|n| event_at(&format!("s{n}"), n, "A", SagaStatus::Started))
        .collect();
    let refused = query(&events)
        .detailed_statistics(&Filter::default())
        .unwrap_err();
    assert!(
        matches!(refused, QueryError::TooManyToExamine { .. }),
        "{refused}"
    );
}
