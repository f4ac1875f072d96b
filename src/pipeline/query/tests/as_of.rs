//! Search and statistics of a moment are those of a fold of what had happened, and was known, by then.

use super::*;
use crate::domain::{Milestone, Position, SagaState, StatusMove, deduplicate};

/// The sagas as they stood, by brute force. What the deliveries say beyond the timeline is left out.
pub(super) fn stood(events: &[Event], moment: Moment) -> Vec<SagaView> {
    let definitions = SagaDefinitions::default();
    let ids: BTreeSet<&str> = events.iter().map(|event| event.saga_id.as_str()).collect();
    let of = |id: &str| {
        let own = events.iter().filter(|event| event.saga_id.as_str() == id);
        let is_known = |event: &&Event| moment.known_at.is_none_or(|at| event.arrived_at <= at);
        let deduplicated = deduplicate(own.filter(is_known));
        let mut timeline = deduplicated
            .timeline
            .into_iter()
            .filter(|event| moment.has_happened(event.recorded_at));
        let mut state = SagaState::begin(timeline.next()?, &definitions);
        timeline.for_each(|event| state.apply_unlisted(&event.view(), &definitions));
        Some(SagaView {
            saga_id: id.into(),
            state: state.of_timeline(),
        })
    };
    ids.into_iter().filter_map(of).collect()
}

fn expected_at(events: &[Event], filter: &Filter, sort: Sort, moment: Moment) -> Vec<SagaView> {
    let mut views = stood(events, moment);
    views.retain(|view| {
        order::matches(filter, &view.state)
            && filter
                .order_id
                .as_ref()
                .is_none_or(|order| *order == view.state.order_id)
    });
    views.sort_by_key(|view| (order::time_of(sort, &view.state), view.saga_id.clone()));
    if sort.descending {
        views.reverse();
    }
    views
}

fn bare(sagas: Vec<SagaView>) -> Vec<SagaView> {
    let of_timeline = |view: SagaView| SagaView {
        state: view.state.of_timeline(),
        ..view
    };
    sagas.into_iter().map(of_timeline).collect()
}

/// The edge of an event, or one millisecond before or behind it.
fn edge(events: &[Event], place: usize, by: i64) -> Moment {
    as_of(events[place % events.len()].recorded_at.0 + by)
}

pub(super) fn as_of(at: i64) -> Moment {
    Moment {
        as_of: Some(Millis(at)),
        known_at: None,
    }
}

/// The same events, each arriving a while after it happened, some before (a producer's clock is ahead), and behind
/// those before it in its partition.
pub(super) fn arriving(mut events: Vec<Event>) -> Vec<Event> {
    let mut latest = [Millis(0); 3];
    for (n, event) in (0i64..).zip(&mut events) {
        let latest = &mut latest[event.position.partition as usize];
        *latest = Millis(event.recorded_at.0 + n * 7_919 % 700 - 200).max(*latest);
        event.arrived_at = *latest;
    }
    events
}

/// What was known when an event arrived, one millisecond before or behind, as of then or of another event's time.
pub(super) fn known_at() -> impl Strategy<Value = (usize, i64, Option<(usize, i64)>)> {
    (
        0usize..400,
        -1i64..=1,
        proptest::option::of((0usize..400, -1i64..=1)),
    )
}

pub(super) fn moment_of(events: &[Event], (place, by, then): (usize, i64, Option<(usize, i64)>)) -> Moment {
    Moment {
        known_at: Some(Millis(events[place % events.len()].arrived_at.0 + by)),
        as_of: then.and_then(|(place, by)| edge(events, place, by).as_of),
    }
}

/// A few sagas whose status changes too often to keep all of its changes.
fn flapping() -> impl Strategy<Value = Vec<Event>> {
    (traffic(160), 1i64..2_000).prop_map(|(mut events, pace)| {
        for (n, event) in (0i64..).zip(&mut events) {
            event.event_id = format!("e{n}").into();
            event.recorded_at = Millis(DAY + n * pace);
            event.saga_type = "REFUND".into();
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn pages_as_of_an_instant_are_those_of_a_sorted_list(
        events in prop_oneof![crowd(), many_types(), flapping()], filter in filters(), sort in sorts(),
        size in select(vec![1usize, 3, 30]), place in 0usize..400, by in -1i64..=1, number in 0usize..40,
    ) {
        let query = query(&events);
        let moment = edge(&events, place, by);
        let all = expected_at(&events, &filter, sort, moment);
        let filter = Filter { moment, ..filter };
        for number in [0, number, all.len() / size] {
            let window = Window::Page { number: number as u64, size };
            let page = query.search(&SearchRequest { filter: filter.clone(), sort, window }).unwrap();
            prop_assert_eq!(page.total, all.len() as u64);
            let wanted: Vec<SagaView> = all.iter().skip(number * size).take(size).cloned().collect();
            prop_assert_eq!(bare(page.sagas), wanted);
        }
    }

    #[test]
    fn cursors_as_of_an_instant_lead_through_the_same_list(
        events in prop_oneof![crowd(), flapping()], filter in filters(), sort in sorts(), size in 1usize..12,
        place in 0usize..400,
    ) {
        let query = query(&events);
        let moment = edge(&events, place, 0);
        let of_then = Filter { moment, ..filter.clone() };
        let request = |window| SearchRequest { filter: of_then.clone(), sort, window };
        let mut page = query.search(&request(Window::Page { number: 0, size })).unwrap();
        let mut seen = page.sagas;
        while let Some(cursor) = page.next_cursor {
            page = query.search(&request(Window::After { cursor, size })).unwrap();
            seen.extend(page.sagas);
        }
        prop_assert_eq!(bare(seen), expected_at(&events, &filter, sort, moment));
    }

    #[test]
    fn statistics_as_of_an_instant_count_who_stood_where(
        events in prop_oneof![crowd(), many_types(), flapping()], filter in filters(), place in 0usize..400, by in -1i64..=1,
    ) {
        let query = query(&events);
        let moment = edge(&events, place, by);
        let sort = Sort { key: SortKey::StartedAt, descending: false };
        let all = expected_at(&events, &filter, sort, moment);
        let statistics = query.statistics(&Filter { moment, ..filter }).unwrap();
        for status in SagaStatus::ALL {
            let count = all.iter().filter(|view| view.state.status == status).count();
            prop_assert_eq!(statistics.in_status(status), count as u64);
        }
        let mut by_type = BTreeMap::new();
        for view in &all {
            *by_type.entry(view.state.saga_type.as_str().to_owned()).or_insert(0) += 1;
        }
        prop_assert_eq!(statistics.by_type, by_type);
    }

    #[test]
    fn sagas_that_ever_failed_count_once_and_no_more_were_compensated(
        events in prop_oneof![crowd(), many_types(), flapping()], filter in filters(), place in 0usize..400, by in -1i64..=1,
    ) {
        let query = query(&events);
        let sort = Sort { key: SortKey::StartedAt, descending: false };
        for moment in [Moment::default(), edge(&events, place, by)] {
            let filter = Filter { moment, status: None, ..filter.clone() };
            let all = expected_at(&events, &filter, sort, moment);
            let (mut failed, mut compensated) = (0, 0);
            for view in &all {
                let moves: Vec<SagaStatus> = view.state.path().moves().map(|step| step.to).collect();
                let first = moves.iter().position(|to| *to == SagaStatus::Failed);
                failed += u64::from(first.is_some());
                let behind = &moves[first.unwrap_or(moves.len())..];
                compensated += u64::from(behind.contains(&SagaStatus::Compensated));
            }
            let statistics = query.statistics(&filter).unwrap();
            prop_assert_eq!((statistics.ever_failed, statistics.ever_compensated), (failed, compensated));
            prop_assert!(statistics.compensated_of_failed() <= 1.0);
        }
    }

    #[test]
    fn what_was_known_at_an_instant_is_what_had_arrived_by_then(
        events in prop_oneof![crowd(), flapping()], filter in filters(), sort in sorts(),
        size in select(vec![1usize, 3, 30]), when in known_at(),
    ) {
        let events = arriving(events);
        let query = query(&events);
        let moment = moment_of(&events, when);
        let all = expected_at(&events, &filter, sort, moment);
        let filter = Filter { moment, ..filter };
        for number in [0, 1, all.len() / size] {
            let window = Window::Page { number: number as u64, size };
            let page = query.search(&SearchRequest { filter: filter.clone(), sort, window }).unwrap();
            prop_assert_eq!(page.total, all.len() as u64);
            let wanted: Vec<SagaView> = all.iter().skip(number * size).take(size).cloned().collect();
            prop_assert_eq!(bare(page.sagas), wanted);
        }
        let statistics = query.statistics(&filter).unwrap();
        for status in SagaStatus::ALL {
            let count = all.iter().filter(|view| view.state.status == status).count();
            prop_assert_eq!(statistics.in_status(status), count as u64);
        }
        // Of some types no saga is any more.
        let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
        all.iter().for_each(|view| *by_type.entry(view.state.saga_type.to_string()).or_default() += 1);
        prop_assert_eq!(&statistics.by_type, &by_type);
        prop_assert_eq!((statistics.other_types, statistics.sagas_of_other_types), (0, 0));
        if filter.order_id.is_none() && filter.status.is_none() {
            let census = query.censuses(&filter, &[moment]).unwrap().remove(0);
            let standing = |sums: &CensusRecord| -> i64 {
                SagaStatus::ALL.into_iter().map(|status| sums.standing(status)).sum()
            };
            prop_assert_eq!(standing(&census.all()), page_total(&query, &filter));
            let of_type = |(name, sums): (&String, _)| (name.clone(), standing(sums).unsigned_abs());
            prop_assert_eq!(census.by_type.iter().map(of_type).collect::<BTreeMap<_, _>>(), by_type);
            prop_assert_eq!((census.other_types, census.others), (0, CensusRecord::default()));
        }
    }

    #[test]
    fn a_path_of_statuses_moves_as_the_folds_of_all_instants_do(events in crowd()) {
        let ids: BTreeSet<&str> = events.iter().map(|event| event.saga_id.as_str()).collect();
        let definitions = SagaDefinitions::default();
        for id in ids {
            let own: Vec<Event> = events.iter().filter(|event| event.saga_id.as_str() == id).cloned().collect();
            let state = fold(&own, &definitions).unwrap();
            if !state.changes.is_complete() {
                continue;
            }
            let instants: BTreeSet<Millis> = own.iter().map(|event| event.recorded_at).collect();
            let mut moves: Vec<StatusMove> = Vec::new();
            for at in instants {
                let then = stood(&own, as_of(at.0)).pop().map(|view| view.state.status);
                let before = moves.last().map(|step| step.to);
                if let Some(to) = then.filter(|_| then != before) {
                    let failed = moves.iter().any(|step| step.to == SagaStatus::Failed);
                    let undone = moves.iter().any(|step| step.first == Some(Milestone::Compensation));
                    let first = match to {
                        SagaStatus::Failed if !failed => Some(Milestone::Failure),
                        SagaStatus::Compensated if failed && !undone => Some(Milestone::Compensation),
                        _ => None,
                    };
                    moves.push(StatusMove { at, from: before, to, first });
                }
            }
            prop_assert_eq!(state.path().moves().collect::<Vec<_>>(), moves);
        }
    }
}

fn page_total(query: &Query, filter: &Filter) -> i64 {
    let window = Window::Page { number: 0, size: 1 };
    let sort = Sort {
        key: SortKey::StartedAt,
        descending: true,
    };
    let filter = filter.clone();
    let page = query.search(&SearchRequest { filter, sort, window });
    page.unwrap().total as i64
}

/// What the sagas were as was known at an instant.
pub(super) fn known(query: &Query, known_at: i64) -> Result<Statistics, QueryError> {
    let moment = Moment {
        as_of: None,
        known_at: Some(Millis(DAY + known_at)),
    };
    query.statistics(&Filter {
        moment,
        ..Filter::default()
    })
}

#[test]
fn when_more_is_under_way_than_is_looked_through_is_refused_and_other_instants_are_answered() {
    let events: Vec<Event> = (0..1_000u64)
        .map(|n| Event {
            // A backlog: all happened, and arrived one by one a minute later.
            arrived_at: Millis(DAY + 60_000 + n as i64),
            ..crate::testkit::event_at(&format!("s{}", n % 10), n, "STEP", SagaStatus::Started)
        })
        .collect();
    let query = query(&events);
    // Nearer to the backlog its rows are read on the way, and count as looked through.
    assert_eq!(known(&query, -200_000).unwrap().total(), 0);
    for refused in [1_000, 59_000, 60_100] {
        let answer = known(&query, refused);
        assert!(
            matches!(answer, Err(QueryError::TooManyUnderWay { .. })),
            "{refused}"
        );
    }
    assert_eq!(known(&query, 60_900).unwrap().total(), 10);
    assert_eq!(known(&query, 99_000).unwrap().total(), 10);
}

#[test]
fn what_was_known_long_ago_costs_what_was_under_way_then_and_not_what_came_since() {
    use crate::domain::Cut;
    use crate::store::counting::CountingStore;
    use crate::store::{SharedStore, Table, reads};
    let counting = Arc::new(CountingStore::new(store()));
    let shared: SharedStore = counting.clone();
    let events: Vec<Event> = (0..3_000u64)
        .map(|n| {
            let at = DAY + n as i64 * 10;
            let delay = [3, 35, 90, 4_000][(n % 4) as usize];
            Event {
                position: Position::new((n % 4) as u32, n / 4),
                recorded_at: Millis(at),
                arrived_at: Millis(at + delay),
                ..crate::testkit::event_at(&format!("s{n:04}"), n, "STEP", SagaStatus::Started)
            }
        })
        .collect();
    project(&shared, &events, &[500], 1);
    let generation = reads::active_generation(&*shared).unwrap();
    let cursor: Cut = reads::cursor(&*shared, generation).unwrap();
    let mut most = 0;
    for known_at in (0..30_000).step_by(777) {
        let past = past_state::Past {
            trees: trees::Trees {
                store: &*shared,
                generation,
            },
            definitions: &SagaDefinitions::default(),
            cursor: &cursor,
            moment: Moment {
                as_of: None,
                known_at: Some(Millis(DAY + known_at)),
            },
        };
        counting.forget();
        let found = under_way::known_otherwise(&past, Millis(DAY + known_at)).unwrap();
        let wanted: BTreeSet<SagaId> = events
            .iter()
            .filter(|event| event.recorded_at.0 <= DAY + known_at && event.arrived_at.0 > DAY + known_at)
            .map(|event| event.saga_id.clone())
            .collect();
        assert_eq!(found, wanted, "{known_at}");
        let read = [Table::Feed, Table::Late, Table::Log].map(|table| counting.rows_of(table));
        most = most.max(read.iter().sum());
    }
    assert!(most < 600, "{most} rows of 3,000 deliveries");
}

#[test]
fn more_sagas_than_are_folded_for_one_question_are_refused_and_other_instants_are_answered() {
    let mut events = Vec::new();
    for saga in 0..30u64 {
        for n in 0..20u64 {
            let status = [SagaStatus::Failed, SagaStatus::Compensated][(n % 2) as usize];
            let mut event = crate::testkit::event_at(&format!("s{saga}"), saga * 20 + n, "STEP", status);
            event.recorded_at = Millis(DAY + n as i64 * 1_000);
            events.push(event);
        }
    }
    let query = query(&events);
    let ask = |at: i64| {
        let moment = as_of(DAY + at);
        query.statistics(&Filter {
            moment,
            ..Filter::default()
        })
    };
    assert!(matches!(ask(10_000), Err(QueryError::TooManyChanges { .. })));
    assert_eq!(ask(500).unwrap().in_status(SagaStatus::Failed), 30);
    assert_eq!(ask(19_000).unwrap().in_status(SagaStatus::Compensated), 30);
}

#[test]
fn a_page_behind_a_cursor_reads_no_more_sagas_than_the_first() {
    use crate::domain::Cut;
    use crate::store::counting::CountingStore;
    use crate::store::{ProjectionTable, SharedStore, Table, reads};
    let counting = Arc::new(CountingStore::new(store()));
    let shared: SharedStore = counting.clone();
    let events: Vec<Event> = (0..2_000u64)
        .map(|n| Event {
            recorded_at: Millis(DAY + n as i64 * 5_000),
            ..crate::testkit::event_at(&format!("s{n:04}"), n, "STEP", SagaStatus::Started)
        })
        .collect();
    project(&shared, &events, &[500], 1);
    let generation = reads::active_generation(&*shared).unwrap();
    let past = past_state::Past {
        trees: trees::Trees {
            store: &*shared,
            generation,
        },
        definitions: &SagaDefinitions::default(),
        cursor: &Cut::default(),
        moment: as_of(DAY + 20_000_000),
    };
    let by_started = Table::Projection(generation, ProjectionTable::ByStarted);
    for descending in [false, true] {
        let request = SearchRequest {
            filter: Filter {
                moment: past.moment,
                ..Filter::default()
            },
            sort: Sort {
                key: SortKey::StartedAt,
                descending,
            },
            window: Window::Page { number: 0, size: 10 },
        };
        let row = |n: usize| (events[n].recorded_at, events[n].saga_id.clone());
        let read = |behind: Option<usize>| {
            let part = order::Part {
                skip: 0,
                size: 10,
                behind: behind.map(row),
            };
            counting.forget();
            let (found, total) = super::super::past::search(&past, &request, &part).unwrap();
            assert_eq!((found.len(), total), (10, 2_000));
            if let Some(n) = behind {
                assert_eq!(found[0], row(if descending { n - 1 } else { n + 1 }));
            }
            counting.rows_of(by_started)
        };
        let first = read(None);
        assert!(first >= 10, "{first}");
        for behind in [100, 1_000, 1_900] {
            let rows = read(Some(behind));
            assert!(
                rows <= first + 1,
                "{rows} rows behind {behind}, {first} rows of the first page"
            );
        }
    }
}
