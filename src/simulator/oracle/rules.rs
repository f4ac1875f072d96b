//! Which rules of their definitions sagas break, when they last did, and which sagas are stuck, the slow and
//! obvious way.

use super::fold::{Expected, expected};
use super::sagas::Sagas;
use crate::domain::{ConformanceRule, Event, Millis, NaiveConformance, SagaDefinitions, SagaId, SagaType};
use crate::pipeline::query::{BrokenRulesRequest, Moment, Query, StuckRequest};
use crate::program::demo::rng::Rng;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Anomalies of one saga beyond so many are only counted.
const KEPT: usize = 64;

/// The naive model of a saga; none where its type has no definition.
fn model<'m>(
    timeline: &'m [Event],
    known: &Expected,
    definitions: &'m SagaDefinitions,
) -> Option<NaiveConformance<'m>> {
    let status = |events: usize| expected(&timeline[..events], definitions).map(|known| known.status);
    let odd = known.anomalies.iter().take(KEPT);
    Some(NaiveConformance {
        definition: definitions.types.get(&known.saga_type)?,
        timeline,
        statuses: (1..=timeline.len()).filter_map(status).collect(),
        anomalies: odd.map(|(kind, _, at)| (kind.clone(), *at)).collect(),
    })
}

/// The rules that a saga breaks, each with when it last did.
pub(crate) fn broken(known: &Expected, definitions: &SagaDefinitions) -> BTreeMap<ConformanceRule, i64> {
    let mut last = BTreeMap::new();
    let model = model(&known.timeline, known, definitions);
    for (rule, at) in model.iter().flat_map(NaiveConformance::rules) {
        let rule = ConformanceRule::from_name(rule).unwrap();
        let latest = last.entry(rule).or_insert(at);
        *latest = at.max(*latest);
    }
    last
}

/// The rule by which a saga is stuck at an instant.
pub(super) fn stuck(known: &Expected, definitions: &SagaDefinitions, at: Millis) -> Option<&'static str> {
    let found = model(&known.timeline, known, definitions)?.stuck(at.0)?;
    Some(found.1)
}

/// How far is undone what a saga did; none where its type has no definition.
pub(super) fn compensation(known: &Expected, definitions: &SagaDefinitions) -> Option<&'static str> {
    Some(model(&known.timeline, known, definitions)?.compensation().0)
}

/// A saga that breaks a rule, in the order of answers.
type Broken = (Reverse<(i64, SagaId)>, ConformanceRule);

/// Every difference between the answers about rules and what they should be.
pub(crate) fn differences(
    query: &Query,
    sagas: &Sagas,
    (rng, leads): (&mut Rng, bool),
    found: &mut Vec<String>,
) {
    let definitions = query.definitions();
    let mut all: Vec<(Broken, &str)> = Vec::new();
    for (saga, known) in &sagas.live {
        for (rule, at) in broken(known, &definitions) {
            all.push(((Reverse((at, saga.clone())), rule), &known.saga_type));
        }
    }
    all.sort();
    for _ in 0..6 {
        found.extend(page(query, &all, rng));
    }
    let instants: Vec<i64> = sagas
        .live
        .values()
        .flat_map(|known| [known.started_at, known.updated_at])
        .collect();
    if !instants.is_empty() {
        let after = [-1, 0, 299_999, 300_000, 1_800_000];
        let now = Millis(instants[rng.index(instants.len())] + after[rng.index(after.len())]);
        found.extend(late(query, sagas, now));
    }
    found.extend(failed_compensations(query, sagas, leads));
    found.extend(nothing_to_compensate(query, sagas));
}

/// One random question.
fn page(query: &Query, all: &[(Broken, &str)], rng: &mut Rng) -> Option<String> {
    let like = (!all.is_empty()).then(|| &all[rng.index(all.len())]);
    let (saga_type, rule) = like.map_or(
        ("ORDER_CREATION", ConformanceRule::UnknownStep),
        |((_, rule), of)| (*of, *rule),
    );
    let (from, to) = (like.map_or(0, |((row, _), _)| row.0.0), rng.below(100_000));
    let size = 1 + rng.index(4);
    let number = rng.below(3);
    let mut some = |share: u64| rng.per_mille(share);
    let request = BrokenRulesRequest {
        saga_type: some(300).then(|| SagaType::new(saga_type)),
        rule: some(300).then_some(rule),
        from: some(300).then_some(Millis(from)),
        to: some(300).then_some(Millis(from + i64::try_from(to).unwrap())),
        page: number,
        size,
    };
    let matches = |((row, rule), saga_type): &&(Broken, &str)| {
        let at = row.0.0;
        request
            .saga_type
            .as_ref()
            .is_none_or(|of| of.as_str() == *saga_type)
            && request.rule.is_none_or(|of| of == *rule)
            && request.from.is_none_or(|from| from.0 <= at)
            && request.to.is_none_or(|to| at <= to.0)
    };
    let wanted: Vec<&(Broken, &str)> = all.iter().filter(matches).collect();
    let mut counts: BTreeMap<(String, ConformanceRule), u64> = BTreeMap::new();
    for ((_, rule), saga_type) in &wanted {
        *counts.entry(((*saga_type).to_owned(), *rule)).or_default() += 1;
    }
    let skip = usize::try_from(number).unwrap() * size;
    let part: Vec<Broken> = wanted
        .iter()
        .skip(skip)
        .take(size)
        .map(|(row, _)| row.clone())
        .collect();
    let answered = query.broken_rules(&request).unwrap();
    let rows: Vec<Broken> = answered
        .rows
        .iter()
        .map(|row| (Reverse((row.at.0, row.saga.saga_id.clone())), row.rule))
        .collect();
    (rows != part || answered.counts != counts).then(|| {
        let right = wanted.len();
        format!(
            "{request:?}: {rows:?}, {:?}; it should be {part:?} of {right}, {counts:?}",
            answered.counts
        )
    })
}

/// The sagas that are stuck as they stand, by a clock that says so.
fn late(query: &Query, sagas: &Sagas, now: Millis) -> Option<String> {
    let definitions = query.definitions();
    let mut wanted: Vec<(&str, &str, i64, SagaId)> = Vec::new();
    for (saga, known) in &sagas.live {
        let stuck = model(&known.timeline, known, &definitions).and_then(|model| model.stuck(now.0));
        if let Some((since, rule)) = stuck {
            wanted.push((rule, &known.saga_type, since, saga.clone()));
        }
    }
    // By rule, deadlines first, which are the last by name.
    wanted.sort_by(|a, b| b.0.cmp(a.0).then_with(|| a.cmp(b)));
    let request = StuckRequest {
        moment: Moment::default(),
        now,
        saga_type: None,
        rule: None,
        from: None,
        to: None,
        page: 0,
        size: 10_000,
        newest_first: false,
    };
    let page = query.stuck(&request).unwrap();
    let answered: Vec<(&str, &str, i64, SagaId)> = page
        .sagas
        .iter()
        .map(|(view, stuck)| {
            let saga_type = view.state.saga_type.as_str();
            (
                stuck.rule.as_str(),
                saga_type,
                stuck.since.0,
                view.saga_id.clone(),
            )
        })
        .collect();
    let counts = query.rule_counts(now).unwrap().stuck;
    let counted: u64 = counts
        .values()
        .map(|of| of.past_deadline + of.compensation_overdue)
        .sum();
    (answered != wanted || counted != wanted.len() as u64)
        .then(|| format!("stuck at {now}: {answered:?}, {counts:?}; it should be {wanted:?}"))
}

/// What purged sagas left counts too.
fn failed_compensations(query: &Query, sagas: &Sagas, leads: bool) -> Option<String> {
    let definitions = query.definitions();
    let left = sagas.gone.values().map(|gone| &gone.left);
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for known in sagas.live.values().chain(left) {
        let model = model(&known.timeline, known, &definitions);
        let failed = model.map_or(0, |model| model.failed_compensations() as u64);
        *wanted.entry(&known.saga_type).or_default() += failed;
    }
    let answered = query.rule_counts(Millis(0)).unwrap().failed_compensations;
    let differs = wanted.iter().any(|(saga_type, wanted)| {
        let told = answered.get(*saga_type).copied().unwrap_or(0);
        told < *wanted || told > *wanted && !leads
    });
    differs.then(|| format!("failed compensations are {answered:?}, they should be {wanted:?}"))
}

/// The sagas that failed with nothing to compensate, by type.
fn nothing_to_compensate(query: &Query, sagas: &Sagas) -> Option<String> {
    let definitions = query.definitions();
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    for known in sagas.live.values() {
        if compensation(known, &definitions) == Some("NOTHING_TO_COMPENSATE") {
            *wanted.entry(known.saga_type.clone()).or_default() += 1;
        }
    }
    let answered = query.rule_counts(Millis(0)).unwrap().nothing_to_compensate;
    (answered != wanted).then(|| format!("nothing to compensate: {answered:?}, it should be {wanted:?}"))
}
