//! What was known of all sagas at an instant can be asked whatever a few producers did at others.

use super::as_of::known;
use super::*;
use crate::domain::{Cut, Position};
use crate::store::counting::CountingStore;
use crate::store::{Generation, ProjectionTable, SharedStore, Table, reads};
use crate::testkit::event_at;

/// An event of a saga in a partition, which happened and arrived then.
fn delivery(saga: &str, id: &str, (partition, offset): (u32, u64), (at, arrived): (i64, i64)) -> Event {
    Event {
        position: Position::new(partition, offset),
        recorded_at: Millis(DAY + at),
        arrived_at: Millis(DAY + arrived),
        event_id: id.into(),
        ..event_at(saga, offset, "STEP", SagaStatus::Started)
    }
}

/// Four hundred sagas, of each one event that is delivered twice, with different bodies, in these partitions.
fn contradicted(partitions: [u32; 2]) -> Vec<Event> {
    let of = |(number, partition): (u64, u32)| {
        let first = number * 10_000;
        (0..400u64).map(move |n| {
            let at = (first + n) as i64;
            let offset = if partitions[0] == partitions[1] {
                number * 400 + n
            } else {
                n
            };
            delivery(&format!("s{n}"), "e", (partition, offset), (at, at))
        })
    };
    (0..).zip(partitions).flat_map(of).collect()
}

struct Counted {
    counting: Arc<CountingStore>,
    store: SharedStore,
    generation: Generation,
}

impl Counted {
    fn new(events: &[Event]) -> Self {
        let counting = Arc::new(CountingStore::new(store()));
        let store: SharedStore = counting.clone();
        project(&store, events, &[100], 1);
        let generation = reads::active_generation(&*store).unwrap();
        Self {
            counting,
            store,
            generation,
        }
    }

    /// Which sagas may have been known otherwise at a moment, and how many rows of a table are read for it.
    fn known_otherwise(&self, moment: Moment, table: Table) -> (BTreeSet<SagaId>, usize) {
        let cursor: Cut = reads::cursor(&*self.store, self.generation).unwrap();
        let past = past_state::Past {
            trees: trees::Trees {
                store: &*self.store,
                generation: self.generation,
            },
            definitions: &SagaDefinitions::default(),
            cursor: &cursor,
            moment,
        };
        self.counting.forget();
        let found = under_way::known_otherwise(&past, moment.known_at.unwrap()).unwrap();
        (found, self.counting.rows_of(table))
    }
}

fn at(known_at: i64, as_of: Option<i64>) -> Moment {
    Moment {
        known_at: Some(Millis(DAY + known_at)),
        as_of: as_of.map(|at| Millis(DAY + at)),
    }
}

fn asked(query: &Query, moment: Moment) -> Result<Statistics, QueryError> {
    query.statistics(&Filter {
        moment,
        ..Filter::default()
    })
}

#[test]
fn sagas_that_are_contradicted_by_what_arrives_later_deny_no_instant() {
    let query = query(&contradicted([0, 0]));
    for (known_at, sagas) in [(-1, 0), (99, 100), (5_000, 400), (10_100, 400), (20_000, 400)] {
        assert_eq!(known(&query, known_at).unwrap().total(), sagas, "{known_at}");
    }
}

#[test]
fn sagas_that_were_known_by_what_does_not_stand_deny_the_instants_in_between_alone() {
    let events = contradicted([1, 0]);
    let query = query(&events);
    for (known_at, sagas) in [(-1, 0), (99, 100), (10_150, 400), (20_000, 400)] {
        assert_eq!(known(&query, known_at).unwrap().total(), sagas, "{known_at}");
    }
    let refused = known(&query, 5_000).unwrap_err();
    assert!(matches!(refused, QueryError::TooManyUnderWay { .. }), "{refused}");
    let counted = Counted::new(&events);
    let table = Table::Projection(counted.generation, ProjectionTable::Contradicted);
    for (known_at, sagas, most) in [(-5_000, 0, 0), (99, 100, 400), (10_399, 0, 0), (20_000, 0, 0)] {
        let (found, rows) = counted.known_otherwise(at(known_at, None), table);
        assert_eq!(found.len(), sagas, "{known_at}");
        assert!(rows <= most, "{known_at}: {rows} rows");
    }
}

#[test]
fn a_clock_that_is_years_ahead_denies_no_question_of_what_had_happened() {
    let year = 365 * 86_400_000;
    let mut events: Vec<Event> = (0..700u64)
        .map(|n| {
            let at = n as i64;
            delivery(&format!("ahead-{}", n % 10), "", (0, n), (10 * year + at, at))
        })
        .collect();
    events.extend((0..5u64).map(|n| delivery(&format!("s{n}"), "", (0, 700 + n), (800, 800))));
    // An hour ahead.
    events.push(delivery("soon", "", (0, 705), (3_600_000, 900)));
    let query = query(&events);
    for (as_of, sagas) in [(1_000, 5), (5_000, 5), (7_200_000, 6), (year, 6)] {
        let answer = asked(&query, at(5_000, Some(as_of)));
        assert_eq!(answer.unwrap().total(), sagas, "{as_of}");
    }
    let refused = asked(&query, at(5_000, None)).unwrap_err();
    assert!(matches!(refused, QueryError::TooManyUnderWay { .. }), "{refused}");
    let counted = Counted::new(&events);
    for (as_of, sagas, rows) in [(5_000, 0, 0), (7_200_000, 1, 1), (year, 1, 1)] {
        let (found, read) = counted.known_otherwise(at(5_000, Some(as_of)), Table::Late);
        assert_eq!((found.len(), read), (sagas, rows), "{as_of}");
    }
}

#[test]
fn more_events_than_are_folded_for_one_question_are_refused_and_other_instants_are_answered() {
    let mut events: Vec<Event> = (0..3_000)
        .map(|n| delivery("long", "", (0, n), (n as i64, n as i64)))
        .collect();
    events.push(delivery("long", "late", (0, 3_000), (1_000, 50_000)));
    let query = query(&events);
    let refused = known(&query, 10_000).unwrap_err();
    assert!(
        matches!(refused, QueryError::TooMuchToFold { limit: 3_000 }),
        "{refused}"
    );
    assert!(refused.to_string().contains("3000"), "{refused}");
    assert_eq!(known(&query, 60_000).unwrap().total(), 1);
}

#[test]
fn a_saga_of_which_much_came_again_denies_no_question_of_all() {
    let mut events = Vec::new();
    for (round, at) in [(0u64, 0i64), (1, 1_000)] {
        events.extend((0..100u64).map(|n| {
            let id = format!("e{n}");
            delivery("hot", &id, (0, round * 100 + n), (n as i64, at + n as i64))
        }));
    }
    events.push(delivery("hot", "late", (0, 200), (50, 90_000)));
    let query = query(&events);
    assert_eq!(known(&query, 5_000).unwrap().total(), 1);
    let moment = at(5_000, None);
    let search = |filter: Filter| {
        let sort = Sort {
            key: SortKey::StartedAt,
            descending: false,
        };
        let window = Window::Page { number: 0, size: 1 };
        query.search(&SearchRequest { filter, sort, window })
    };
    // Which of its events were in conflict is told with it.
    let refused = search(Filter {
        moment,
        ..Filter::default()
    });
    let refused = refused.unwrap_err();
    assert!(matches!(refused, QueryError::TooManyRepeated { .. }), "{refused}");
    assert!(refused.to_string().contains("hot"), "{refused}");
    let steps = query.timeline(&"hot".into(), |timeline| {
        let mut steps = 0;
        timeline.steps(moment, None, &mut |_| {
            steps += 1;
            std::ops::ControlFlow::Continue(())
        })?;
        Ok::<u32, QueryError>(steps)
    });
    assert_eq!(steps.unwrap().unwrap(), 100);
}

#[test]
fn a_type_that_no_saga_is_of_any_more_is_told_as_it_was_known() {
    let mut first = delivery("s", "first", (0, 0), (1_000, 1_000));
    first.saga_type = "REFUND".into();
    // It says that the saga had begun earlier, and as another one.
    let earlier = delivery("s", "earlier", (0, 1), (0, 9_000));
    let query = query(&[first, earlier]);
    for (known_at, saga_type) in [(2_000, "REFUND"), (9_000, "ORDER_CREATION")] {
        let statistics = known(&query, known_at).unwrap();
        assert_eq!(statistics.by_type, BTreeMap::from([(saga_type.to_owned(), 1)]));
        assert_eq!((statistics.other_types, statistics.sagas_of_other_types), (0, 0));
        let moment = at(known_at, None);
        let census = query.censuses(&Filter::default(), &[moment]).unwrap().remove(0);
        assert_eq!(census.by_type.keys().collect::<Vec<_>>(), [saga_type]);
        assert_eq!(census.all(), census.by_type[saga_type]);
        assert_eq!(census.other_types, 0);
    }
}
