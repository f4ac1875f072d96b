//! Promises 2 and 4: every answer is what the records make it.

use super::account::Account;
use super::flow;
use super::fold::Expected;
use super::inside;
use super::moves;
use super::past;
use super::population;
use super::rules;
use super::sagas::{Sagas, came_back};
use crate::domain::{COMPENSATION_BUCKETS, Event, Millis, SagaId, SagaState, SagaStatus};
use crate::pipeline::query::{
    Filter, Moment, Query, SearchRequest, Sort, SortKey, TimelineStep, Totals, Window,
};
use crate::program::demo::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Anomalies of one saga beyond so many are only counted.
const KEPT: usize = 64;

/// Every difference between the answers and what they should be. Where the rules of the fold changed, counters
/// may lead: they never fall. How many questions about all sagas at a moment were answered.
pub(crate) fn differences(
    query: &Query,
    account: &Account,
    sagas: &Sagas,
    (rng, leads): (&mut Rng, bool),
    found: &mut Vec<String>,
) -> u64 {
    let deliveries = account.events();
    for (saga, known) in &sagas.live {
        if !one(query, saga, known, found) {
            continue;
        }
        let events = deliveries[saga].iter().map(|(event, _)| event.clone());
        any_moment(query, (saga, &events.collect::<Vec<_>>()), rng, found);
    }
    for saga in sagas.gone.keys() {
        if query.saga(saga).unwrap().is_some()
            || query.steps(saga, None, |_| ControlFlow::Continue(())).unwrap()
        {
            found.push(format!("saga {saga:?} is answered, though it is gone"));
        }
        if !query
            .purged(saga)
            .unwrap()
            .is_some_and(|purged| purged.purged.is_gone())
        {
            found.push(format!("saga {saga:?} is gone, and there is no record of it"));
        }
    }
    let of = |saga: &SagaId| deliveries[saga].iter().map(|(event, _)| event.clone()).collect();
    let live: Vec<(&SagaId, Vec<Event>)> = sagas.live.keys().map(|saga| (saga, of(saga))).collect();
    let mut answered = 0;
    for _ in 0..4 {
        let differences = [
            population::differences(query, &live, rng),
            inside::differences(query, &live, rng),
            moves::differences(query, &live, rng),
        ];
        for differences in differences.into_iter().flatten() {
            answered += 1;
            found.extend(differences);
        }
        found.extend(flow::differences(query, &live, rng));
    }
    totals(&query.totals().unwrap(), (account, sagas, leads), found);
    for _ in 0..6 {
        search(query, sagas, rng, found);
    }
    rules::differences(query, sagas, (rng, leads), found);
    answered
}

/// The saga as it is now. Whether it is answered at all.
fn one(query: &Query, saga: &SagaId, known: &Expected, found: &mut Vec<String>) -> bool {
    let Some(view) = query.saga(saga).unwrap() else {
        found.push(format!("saga {saga:?} is not found; it is {}", known.status));
        return false;
    };
    let answered = shown(&view.state);
    let wanted = wanted(known);
    for ((what, answered), (_, wanted)) in answered.iter().zip(&wanted) {
        if answered != wanted {
            found.push(format!(
                "saga {saga:?}: {what} is {answered}, it should be {wanted}"
            ));
        }
    }
    let mut answered = Vec::new();
    let visit = |step: &TimelineStep<'_>| {
        answered.push(format!("{} {}", step.event.place.position, step.event.event_id));
        ControlFlow::Continue(())
    };
    query.steps(saga, None, visit).unwrap();
    let wanted: Vec<String> = known.timeline.iter().map(place).collect();
    if answered != wanted {
        found.push(format!(
            "saga {saga:?}: the timeline is {answered:?}, it should be {wanted:?}"
        ));
    }
    true
}

/// The saga at a moment, and how that differs from another.
fn any_moment(query: &Query, of: (&SagaId, &[Event]), rng: &mut Rng, found: &mut Vec<String>) {
    let [happened, arrived] = past::edges(of.1);
    let mut clock = |edges: &[Millis]| (!rng.per_mille(250)).then(|| edges[rng.index(edges.len())]);
    let [one, other] = [0; 2].map(|_| Moment {
        as_of: clock(&happened),
        known_at: clock(&arrived),
    });
    let definitions = query.definitions();
    found.extend(past::differences(query, of, &definitions, one));
    found.extend(past::differences_between(query, of, &definitions, [one, other]));
}

fn place(event: &Event) -> String {
    format!("{} {}", event.position, event.event_id)
}

type Facts = Vec<(&'static str, String)>;

fn shown(state: &SagaState) -> Facts {
    let anomalies: Vec<_> = state
        .anomalies
        .kept
        .iter()
        .map(|odd| (odd.kind.as_str(), odd.event_id.as_str(), odd.at.0))
        .collect();
    vec![
        ("currentStatus", state.status.to_string()),
        ("sagaType", state.saga_type.to_string()),
        ("orderId", state.order_id.to_string()),
        ("lastStep", state.last_step.to_string()),
        ("lastTraceId", format!("{:?}", state.last_trace_id.as_deref())),
        ("startedAt", state.started_at.0.to_string()),
        ("updatedAt", state.updated_at.0.to_string()),
        ("stepCount", state.step_count.to_string()),
        ("duplicates", state.duplicates.to_string()),
        ("conflicts", state.conflicts.total.to_string()),
        ("failures", state.failures.to_string()),
        ("compensations", state.compensations.to_string()),
        (
            "lastFailedAt",
            format!("{:?}", state.last_failed_at.map(|at| at.0)),
        ),
        ("anomalies", format!("{} {anomalies:?}", state.anomalies.total)),
    ]
}

fn wanted(known: &Expected) -> Facts {
    let anomalies: Vec<_> = known
        .anomalies
        .iter()
        .take(KEPT)
        .map(|(kind, event, at)| (kind.as_str(), event.as_str(), *at))
        .collect();
    vec![
        ("", known.status.clone()),
        ("", known.saga_type.clone()),
        ("", known.order.clone()),
        ("", known.last_step.clone()),
        ("", format!("{:?}", known.trace.as_deref())),
        ("", known.started_at.to_string()),
        ("", known.updated_at.to_string()),
        ("", known.steps.to_string()),
        ("", known.duplicates.to_string()),
        ("", known.conflicts.to_string()),
        ("", known.failures.to_string()),
        ("", known.compensations.to_string()),
        ("", format!("{:?}", known.last_failed_at)),
        ("", format!("{} {anomalies:?}", known.anomalies.len())),
    ]
}

/// The sums, by name; those that are 0 are left out.
type Sums = BTreeMap<String, u64>;

fn totals(answered: &Totals, (account, sagas, leads): (&Account, &Sagas, bool), found: &mut Vec<String>) {
    let (answered, wanted) = (answered_sums(answered), wanted_sums(account, sagas));
    let names = answered.keys().chain(wanted.keys());
    let names: BTreeSet<&String> = names.collect();
    for name in names {
        let of = |sums: &Sums| sums.get(name).copied().unwrap_or(0);
        let may_lead = leads && RULED.iter().any(|family| name.starts_with(family));
        if of(&answered) != of(&wanted) && !(may_lead && of(&answered) > of(&wanted)) {
            let (answered, wanted) = (of(&answered), of(&wanted));
            found.push(format!("the sum {name:?} is {answered}, it should be {wanted}"));
        }
    }
}

/// Counters that depend on the rules of the fold.
const RULED: [&str; 3] = ["failed", "compensat", "anomaly"];

fn answered_sums(totals: &Totals) -> Sums {
    let mut sums = Sums::new();
    for (status, count) in &totals.active {
        sums.insert(format!("active {status}"), *count);
    }
    for ((status, step), count) in &totals.processed {
        sums.insert(format!("processed {status} {step}"), *count);
    }
    for (kind, count) in &totals.anomalies {
        sums.insert(format!("anomaly {kind}"), *count);
    }
    for (bucket, count) in totals.compensation_buckets.iter().enumerate() {
        sums.insert(format!("compensated within {bucket}"), *count);
    }
    for (name, count) in [
        ("failed", totals.failed),
        ("compensated", totals.compensated),
        ("compensation millis", totals.compensation_millis),
        ("duplicates", totals.duplicates),
        ("conflicts", totals.conflicts),
        ("purged sagas", totals.purged_sagas),
        ("purged events", totals.purged_events),
        ("late", totals.late),
    ] {
        sums.insert(name.to_owned(), count);
    }
    let last_failed = totals.last_failed_at.map_or(0, |at| at.0.unsigned_abs());
    sums.insert("last failed".to_owned(), last_failed);
    sums
}

fn wanted_sums(account: &Account, sagas: &Sagas) -> Sums {
    let mut sums = Sums::new();
    let mut add = |name: String, by: u64| *sums.entry(name).or_default() += by;
    for known in sagas.live.values() {
        add(format!("active {}", known.status), 1);
    }
    let left = sagas.gone.values().map(|gone| &gone.left);
    for known in sagas.live.values().chain(left) {
        for event in &known.timeline {
            add(format!("processed {} {}", event.status, event.step), 1);
        }
        for (kind, ..) in known.anomalies.iter().take(KEPT) {
            add(format!("anomaly {kind}"), 1);
        }
        for took in &known.compensated_after {
            let within = |bound: &f64| *took as f64 / 1000.0 <= *bound;
            let bucket = COMPENSATION_BUCKETS.iter().position(within);
            let bucket = bucket.unwrap_or(COMPENSATION_BUCKETS.len());
            add(format!("compensated within {bucket}"), 1);
            add("compensation millis".to_owned(), *took);
        }
        add("failed".to_owned(), known.failures.into());
        add("compensated".to_owned(), known.compensations.into());
        add("duplicates".to_owned(), known.duplicates.into());
        add("conflicts".to_owned(), known.conflicts.into());
    }
    for gone in sagas.gone.values() {
        add("purged sagas".to_owned(), 1);
        add("purged events".to_owned(), gone.events.len() as u64);
    }
    for late in sagas.late.values() {
        add("late".to_owned(), late.len() as u64);
    }
    let failed = account
        .seen
        .values()
        .filter_map(|seen| seen.outcome.as_ref().ok());
    let failed = failed.filter(|event| event.status == SagaStatus::Failed);
    let last = failed.map(|event| event.recorded_at.0).max().unwrap_or(0);
    add("last failed".to_owned(), last.unsigned_abs());
    sums
}

/// Every difference between the account of dead letters and what it should be.
pub(crate) fn letters(query: &Query, account: &Account, sagas: &Sagas, found: &mut Vec<String>) {
    let discarded = &sagas.discarded;
    let mut wanted: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for (at, seen) in &account.seen {
        if let Err(reason) = &seen.outcome {
            let came_back = came_back(account, *at, seen, &sagas.announced);
            let state = match (came_back, discarded.contains(at)) {
                (true, _) => 1,
                (false, true) => 2,
                (false, false) => 0,
            };
            wanted.entry((*reason).to_owned()).or_default()[state] += 1;
        }
    }
    let counted = query.letter_counts().unwrap();
    let answered: BTreeMap<String, [u64; 3]> = counted
        .into_iter()
        .map(|(reason, counts)| (reason, [counts.open, counts.redriven, counts.discarded]))
        .filter(|(_, counts)| counts.iter().sum::<u64>() > 0)
        .collect();
    if answered != wanted {
        found.push(format!(
            "dead letters (open, redriven, discarded) are {answered:?}, they should be {wanted:?}"
        ));
    }
}

/// One search, any filter, any order, any page; its total, and the statistics of the same filter.
fn search(query: &Query, sagas: &Sagas, rng: &mut Rng, found: &mut Vec<String>) {
    let live: Vec<(&SagaId, &Expected)> = sagas.live.iter().collect();
    if live.is_empty() {
        return;
    }
    let like = live[rng.index(live.len())].1;
    let mut some = |share: u64| rng.per_mille(share);
    let filter = Filter {
        order_id: some(200).then(|| like.order.as_str().into()),
        saga_type: some(400).then(|| like.saga_type.as_str().into()),
        status: some(400).then(|| like.status.parse().unwrap()),
        from: some(300).then_some(Millis(like.started_at)),
        to: some(300).then_some(Millis(like.started_at + 100_000)),
        ..Filter::default()
    };
    let sort = Sort {
        key: if some(500) {
            SortKey::StartedAt
        } else {
            SortKey::UpdatedAt
        },
        descending: some(500),
    };
    let size = 1 + rng.index(5);
    let number = rng.below(3);
    let request = SearchRequest {
        filter: filter.clone(),
        sort,
        window: Window::Page { number, size },
    };
    let mut wanted: Vec<(i64, &SagaId, &Expected)> = live
        .iter()
        .filter(|(_, known)| matches(&filter, known))
        .map(|(saga, known)| {
            let at = match sort.key {
                SortKey::StartedAt => known.started_at,
                SortKey::UpdatedAt => known.updated_at,
            };
            (at, *saga, *known)
        })
        .collect();
    wanted.sort_by_key(|(at, saga, _)| (*at, (*saga).clone()));
    if sort.descending {
        wanted.reverse();
    }
    let page = query.search(&request).unwrap();
    let answered: Vec<&SagaId> = page.sagas.iter().map(|view| &view.saga_id).collect();
    let skip = usize::try_from(number).unwrap() * size;
    let part: Vec<&SagaId> = wanted
        .iter()
        .skip(skip)
        .take(size)
        .map(|(_, saga, _)| *saga)
        .collect();
    if answered != part || page.total != wanted.len() as u64 {
        let (total, right) = (page.total, wanted.len());
        found.push(format!(
            "{request:?}: {answered:?} of {total}, it should be {part:?} of {right}"
        ));
    }
    let statistics = query.statistics(&filter).unwrap();
    let mut by_status: BTreeMap<SagaStatus, u64> = SagaStatus::ALL.map(|status| (status, 0)).into();
    let mut completed = 0;
    let (mut nothing, definitions) = (0, query.definitions());
    for (_, _, known) in &wanted {
        let state = rules::compensation(known, &definitions);
        nothing += u64::from(state == Some("NOTHING_TO_COMPENSATE"));
        *by_status.entry(known.status.parse().unwrap()).or_default() += 1;
        if known.status == "COMPLETED" {
            completed += u64::try_from(known.updated_at - known.started_at).unwrap();
        }
    }
    let nothing = Some(nothing);
    if statistics.by_status != by_status
        || statistics.completed_millis != completed
        || statistics.nothing_to_compensate != nothing
    {
        found.push(format!(
            "statistics of {filter:?}: {statistics:?}, they should be {by_status:?}, {completed} ms and {nothing:?}"
        ));
    }
}

/// Whether a saga is what a filter asks for, what happened inside apart.
pub(super) fn matches(filter: &Filter, known: &Expected) -> bool {
    filter
        .order_id
        .as_ref()
        .is_none_or(|order| order.as_str() == known.order)
        && filter
            .saga_type
            .as_ref()
            .is_none_or(|wanted| wanted.as_str() == known.saga_type)
        && filter.status.is_none_or(|status| status.as_str() == known.status)
        && filter.from.is_none_or(|from| from.0 <= known.started_at)
        && filter.to.is_none_or(|to| to.0 >= known.started_at)
}
