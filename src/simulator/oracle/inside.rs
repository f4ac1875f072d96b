//! Search by what happened inside of sagas, at any moment, the slow and obvious way: every event that stood is looked
//! at.

use super::answers::matches;
use super::fold::Expected;
use super::past;
use super::population::{any_moment, is_bound};
use super::rules;
use crate::domain::{
    CompensationState, ConformanceRule, Event, MAX_TRACE_IDS, Millis, SagaDefinitions, SagaId, Step,
    StuckRule,
};
use crate::pipeline::query::{
    AskedStuck, Filter, Inside, Query, QueryError, SearchRequest, Sort, SortKey, Window,
};
use crate::program::demo::rng::Rng;

/// Every difference between the answers to one random search and what they should be; `None` where nothing was
/// answered.
pub(crate) fn differences(
    query: &Query,
    sagas: &[(&SagaId, Vec<Event>)],
    rng: &mut Rng,
) -> Option<Vec<String>> {
    let moment = any_moment(sagas, rng)?;
    let stood = |(saga, events): &(&SagaId, Vec<Event>)| {
        let known = past::stood(events, &query.definitions(), moment)?;
        Some(((*saga).clone(), known))
    };
    let stood: Vec<(SagaId, Expected)> = sagas.iter().filter_map(stood).collect();
    let filter = Filter {
        moment,
        ..any_filter(sagas, &stood, rng)
    };
    let sort = Sort {
        key: rng.pick([SortKey::StartedAt, SortKey::UpdatedAt]),
        descending: rng.per_mille(500),
    };
    let wanted = wanted(&stood, (&filter, &query.definitions()), sort);
    match answered(query, (&filter, sort), 1 + rng.index(6)) {
        Ok((total, listed, page))
            if total != wanted.len() as u64 || listed != wanted || page != last(&wanted) =>
        {
            Some(vec![format!(
                "{filter:?}: {total} {listed:?}, of which the last page is {page:?}; it should be {wanted:?}"
            )])
        }
        Ok(_) => Some(Vec::new()),
        Err(error) if is_bound(&error) => None,
        Err(error) => Some(vec![format!("{filter:?}: {error}")]),
    }
}

/// Like some saga in some respects, and with what some events say.
fn any_filter(sagas: &[(&SagaId, Vec<Event>)], stood: &[(SagaId, Expected)], rng: &mut Rng) -> Filter {
    let mut filter = Filter {
        inside: any_inside(sagas, rng),
        ..Filter::default()
    };
    if !stood.is_empty() {
        let like = &stood[rng.index(stood.len())].1;
        let mut some = |share: u64| rng.per_mille(share);
        filter.order_id = some(200).then(|| like.order.as_str().into());
        filter.saga_type = some(200).then(|| like.saga_type.as_str().into());
        filter.status = some(250).then(|| like.status.parse().unwrap());
        filter.from = some(200).then_some(Millis(like.started_at));
        filter.to = some(200).then_some(Millis(like.started_at + 100_000));
    }
    filter
}

fn any_inside(sagas: &[(&SagaId, Vec<Event>)], rng: &mut Rng) -> Inside {
    let mut inside = Inside::default();
    let (_, events) = &sagas[rng.index(sagas.len())];
    let event = |rng: &mut Rng| events[rng.index(events.len())].clone();
    for _ in 0..rng.below(3) {
        inside.steps.push(event(rng).step);
    }
    for _ in 0..rng.below(3) {
        let (_, others) = &sagas[rng.index(sagas.len())];
        let step: Step = others[rng.index(others.len())].step.clone();
        inside
            .without_steps
            .push(if rng.per_mille(100) { "NOBODY".into() } else { step });
    }
    if rng.per_mille(300) {
        inside.producer_service = event(rng).producer_service;
    }
    if rng.per_mille(300) {
        inside.trace_id = event(rng).trace_id;
    }
    if rng.per_mille(200) {
        inside.rule = Some(rng.pick(ConformanceRule::ALL));
    }
    if rng.per_mille(300) {
        let after = rng.pick([-1, 0, 299_999, 300_000, 1_800_000]);
        inside.stuck = Some(AskedStuck {
            rule: rng.pick([
                None,
                Some(StuckRule::PastDeadline),
                Some(StuckRule::CompensationOverdue),
            ]),
            now: Millis(event(rng).recorded_at.0 + after),
        });
    }
    if rng.per_mille(200) {
        inside.compensation = Some(rng.pick(CompensationState::ALL));
    }
    inside
}

/// Whether that happened in a timeline.
fn happened(timeline: &[Event], inside: &Inside) -> bool {
    let reported = |step: &Step| timeline.iter().any(|event| event.step == *step);
    let service = inside.producer_service.as_deref();
    let mut traces: Vec<&str> = Vec::new();
    for trace in timeline.iter().filter_map(|event| event.trace_id.as_deref()) {
        if !traces.contains(&trace) {
            traces.push(trace);
        }
    }
    traces.truncate(MAX_TRACE_IDS);
    inside.steps.iter().all(reported)
        && !inside.without_steps.iter().any(reported)
        && service.is_none_or(|service| {
            timeline
                .iter()
                .any(|event| event.producer_service.as_deref() == Some(service))
        })
        && inside
            .trace_id
            .as_deref()
            .is_none_or(|trace| traces.contains(&trace))
}

fn wanted(
    stood: &[(SagaId, Expected)],
    (filter, definitions): (&Filter, &SagaDefinitions),
    sort: Sort,
) -> Vec<SagaId> {
    let breaks = |known: &Expected| {
        let rule = filter.inside.rule.as_ref();
        rule.is_none_or(|rule| rules::broken(known, definitions).contains_key(rule))
    };
    let is_stuck = |known: &Expected| {
        let asked = filter.inside.stuck.as_ref();
        asked.is_none_or(|asked| {
            let at = filter.moment.as_of.unwrap_or(asked.now);
            let by = rules::stuck(known, definitions, at);
            by.is_some_and(|by| asked.rule.is_none_or(|rule| rule.as_str() == by))
        })
    };
    let is_undone_so = |known: &Expected| {
        let wanted = filter.inside.compensation.map(CompensationState::as_str);
        wanted.is_none_or(|wanted| rules::compensation(known, definitions) == Some(wanted))
    };
    let matching = stood.iter().filter(|(_, known)| {
        let is_wanted = happened(&known.timeline, &filter.inside)
            && breaks(known)
            && is_stuck(known)
            && is_undone_so(known);
        matches(filter, known) && is_wanted
    });
    let mut rows: Vec<(i64, SagaId)> = matching
        .map(|(saga, known)| match sort.key {
            SortKey::StartedAt => (known.started_at, saga.clone()),
            SortKey::UpdatedAt => (known.updated_at, saga.clone()),
        })
        .collect();
    rows.sort();
    if sort.descending {
        rows.reverse();
    }
    rows.into_iter().map(|(_, saga)| saga).collect()
}

/// The last page of two, where there are as many.
fn last(sagas: &[SagaId]) -> Vec<SagaId> {
    sagas.chunks(2).last().unwrap_or_default().to_vec()
}

/// How many there are, all of them by cursor, and the last page of two.
fn answered(
    query: &Query,
    (filter, sort): (&Filter, Sort),
    size: usize,
) -> Result<(u64, Vec<SagaId>, Vec<SagaId>), QueryError> {
    let ask = |window| {
        let filter = filter.clone();
        query.search(&SearchRequest { filter, sort, window })
    };
    let ids = |page: &crate::pipeline::query::SearchPage| -> Vec<SagaId> {
        page.sagas.iter().map(|view| view.saga_id.clone()).collect()
    };
    let mut page = ask(Window::Page { number: 0, size })?;
    let (total, mut listed) = (page.total, ids(&page));
    while let Some(cursor) = page.next_cursor {
        page = ask(Window::After { cursor, size })?;
        listed.extend(ids(&page));
    }
    let number = total.div_ceil(2).saturating_sub(1);
    let last = ask(Window::Page { number, size: 2 })?;
    Ok((total, listed, ids(&last)))
}
