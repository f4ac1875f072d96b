//! All sagas at a moment: search, statistics and census are held against the naive model of each saga.

use super::past;
use crate::domain::{Event, Millis, SagaId, SagaStatus};
use crate::pipeline::query::{Filter, Moment, Query, QueryError, SearchRequest, Sort, SortKey, Window};
use crate::program::demo::rng::Rng;
use std::collections::BTreeMap;

/// A moment at the edge of some event's time and arrival, or now by either clock; `None` where there are no events.
pub(super) fn any_moment(sagas: &[(&SagaId, Vec<Event>)], rng: &mut Rng) -> Option<Moment> {
    let all: Vec<Event> = sagas.iter().flat_map(|(_, events)| events.clone()).collect();
    let [happened, arrived] = past::edges(&all);
    let mut clock = |edges: &[Millis], now: u64| (!rng.per_mille(now)).then(|| edges[rng.index(edges.len())]);
    (!all.is_empty()).then(|| Moment {
        as_of: clock(&happened, 200),
        known_at: clock(&arrived, 500),
    })
}

/// Small as the bounds are in tests, a run may exceed them: then nothing is answered.
pub(super) fn is_bound(error: &QueryError) -> bool {
    matches!(
        error,
        QueryError::TooManyUnderWay { .. }
            | QueryError::TooMuchToFold { .. }
            | QueryError::TooManyChanges { .. }
    )
}

/// Every difference between the answers about one random moment and what they should be; `None` where nothing was
/// answered.
pub(crate) fn differences(
    query: &Query,
    sagas: &[(&SagaId, Vec<Event>)],
    rng: &mut Rng,
) -> Option<Vec<String>> {
    let moment = any_moment(sagas, rng)?;
    let stood = |(saga, events): &(&SagaId, Vec<Event>)| {
        let known = past::stood(events, &query.definitions(), moment)?;
        Some((known.started_at, (*saga).clone(), known.status))
    };
    let mut wanted: Vec<(i64, SagaId, String)> = sagas.iter().filter_map(stood).collect();
    wanted.sort();
    let mut by_status: BTreeMap<String, u64> = BTreeMap::new();
    for (.., status) in &wanted {
        *by_status.entry(status.clone()).or_default() += 1;
    }
    match answered(query, moment) {
        Ok((listed, counted, standing)) => {
            let mut found = Vec::new();
            if listed != wanted {
                found.push(format!(
                    "{moment}: {listed:?} stood there, it should be {wanted:?}"
                ));
            }
            for (what, counts) in [("statistics", counted), ("census", standing)] {
                if counts != by_status {
                    found.push(format!(
                        "{moment}: the {what} is {counts:?}, it should be {by_status:?}"
                    ));
                }
            }
            Some(found)
        }
        Err(error) if is_bound(&error) => None,
        Err(error) => Some(vec![format!("{moment}: {error}")]),
    }
}

type Answered = (
    Vec<(i64, SagaId, String)>,
    BTreeMap<String, u64>,
    BTreeMap<String, u64>,
);

fn answered(query: &Query, moment: Moment) -> Result<Answered, QueryError> {
    let filter = Filter {
        moment,
        ..Filter::default()
    };
    let page = query.search(&SearchRequest {
        filter: filter.clone(),
        sort: Sort {
            key: SortKey::StartedAt,
            descending: false,
        },
        window: Window::Page {
            number: 0,
            size: 10_000,
        },
    })?;
    let listed = page.sagas.into_iter().map(|view| {
        let status = view.state.status.to_string();
        (view.state.started_at.0, view.saga_id, status)
    });
    let statistics = query.statistics(&filter)?;
    let census = query.censuses(&filter, &[moment])?;
    let standing = |status| u64::try_from(census[0].all().standing(status)).unwrap_or(u64::MAX);
    let of = |count: &dyn Fn(SagaStatus) -> u64| {
        let counts = SagaStatus::ALL.map(|status| (status.to_string(), count(status)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    };
    let counted = of(&|status| statistics.in_status(status));
    Ok((listed.collect(), counted, of(&standing)))
}
