//! The census at several moments of one answer, as a difference or a series is made of it, and the events that came
//! late between two: held against the naive model of each saga.

use super::fold::{expected, place};
use super::past;
use super::population::{any_moment, is_bound};
use crate::domain::{Event, MAX_KEPT_CHANGES, Millis, SagaDefinitions, SagaId, SagaStatus};
use crate::pipeline::query::{CensusRecord, Filter, Moment, Query};
use crate::program::demo::rng::Rng;
use std::collections::BTreeMap;

/// What a type's sagas did until a moment, by name; what is 0 is left out.
type Sums = BTreeMap<String, i64>;

/// Every difference between what one answer says of three moments and what it should; `None` where nothing was answered.
pub(crate) fn differences(
    query: &Query,
    sagas: &[(&SagaId, Vec<Event>)],
    rng: &mut Rng,
) -> Option<Vec<String>> {
    let moments: Vec<Moment> = (0..3).filter_map(|_| any_moment(sagas, rng)).collect();
    let types = sagas.iter().flat_map(|(_, events)| events);
    let types: Vec<&Event> = types.collect();
    let first = moments.first().copied()?;
    let filter = Filter {
        saga_type: rng
            .per_mille(300)
            .then(|| types[rng.index(types.len())].saga_type.clone()),
        ..Filter::default()
    };
    let mut found = late(query, sagas, first, rng);
    let Some(wanted) = wanted(sagas, &query.definitions(), &moments, &filter) else {
        return Some(found);
    };
    match query.censuses(&filter, &moments) {
        Ok(censuses) => {
            for ((moment, wanted), census) in moments.iter().zip(&wanted).zip(censuses) {
                let mut answered = BTreeMap::new();
                for (saga_type, sums) in &census.by_type {
                    add(&mut answered, saga_type, sums);
                }
                if answered != *wanted {
                    found.push(format!(
                        "{moment}: the moves are {answered:?}, they should be {wanted:?}"
                    ));
                }
            }
        }
        Err(error) if is_bound(&error) => return (!found.is_empty()).then_some(found),
        Err(error) => found.push(format!("{moments:?}: {error}")),
    }
    Some(found)
}

fn add(sums: &mut Sums, saga_type: &str, census: &CensusRecord) {
    let mut add = |what: String, by: i64| {
        if by != 0 {
            *sums.entry(format!("{saga_type} {what}")).or_default() += by;
        }
    };
    for status in SagaStatus::ALL {
        let of = usize::from(status.tag());
        add(format!("entered {status}"), census.entered[of]);
        add(format!("left {status}"), census.left[of]);
    }
    add("ever failed".to_owned(), census.ever_failed);
}

/// What should be told of each moment; `None` where a saga changed too often to be counted.
fn wanted(
    sagas: &[(&SagaId, Vec<Event>)],
    definitions: &SagaDefinitions,
    moments: &[Moment],
    filter: &Filter,
) -> Option<Vec<Sums>> {
    let mut all = vec![Sums::new(); moments.len()];
    for (_, events) in sagas {
        for (moment, sums) in moments.iter().zip(&mut all) {
            let timeline = past::timeline(events, definitions, *moment);
            let Some(known) = expected(&timeline, definitions) else {
                continue;
            };
            let statuses = statuses(&timeline, definitions)?;
            let saga_type = known.saga_type.as_str();
            if filter
                .saga_type
                .as_ref()
                .is_some_and(|one| one.as_str() != saga_type)
            {
                continue;
            }
            let mut count = |what: String| *sums.entry(format!("{saga_type} {what}")).or_default() += 1;
            statuses.iter().for_each(|now| count(format!("entered {now}")));
            let left = statuses.split_last().map_or(&[][..], |(_, left)| left);
            left.iter().for_each(|before| count(format!("left {before}")));
            if statuses.iter().any(|now| now == SagaStatus::Failed.as_str()) {
                count("ever failed".to_owned());
            }
        }
    }
    Some(all)
}

/// The statuses that a saga was in, one after the other; what came and went within a millisecond was at no instant.
/// `None` where its status changed more often than is kept: of that, changes within a millisecond are a part.
fn statuses(timeline: &[Event], definitions: &SagaDefinitions) -> Option<Vec<String>> {
    let (mut statuses, mut changes, mut before) = (Vec::new(), 0, None);
    for (number, event) in timeline.iter().enumerate() {
        let now = expected(&timeline[..=number], definitions)?.status;
        changes += usize::from(before.as_ref() != Some(&now));
        let next = timeline.get(number + 1).map(|next| next.recorded_at);
        if next != Some(event.recorded_at) && statuses.last() != Some(&now) {
            statuses.push(now.clone());
        }
        before = Some(now);
    }
    (changes <= MAX_KEPT_CHANGES).then_some(statuses)
}

/// The events that had happened by an instant and were not known then, but became known until another.
fn late(query: &Query, sagas: &[(&SagaId, Vec<Event>)], moment: Moment, rng: &mut Rng) -> Vec<String> {
    let (Some(happened), Some(after)) = (moment.as_of, moment.known_at) else {
        return Vec::new();
    };
    if after < happened {
        return Vec::new();
    }
    let until = Millis(after.0 + i64::try_from(rng.below(200_000)).unwrap_or(0));
    let is_late = |event: &&Event| {
        event.recorded_at <= happened && event.arrived_at > after && event.arrived_at <= until
    };
    let mut wanted: Vec<(Millis, (u32, u64))> = sagas
        .iter()
        .flat_map(|(_, events)| events.iter().filter(is_late))
        .map(|event| (event.arrived_at, place(event)))
        .collect();
    wanted.sort();
    match query.late_events((happened, after, until), 1_000) {
        Ok(late) => {
            let of = |event: &Event| (event.arrived_at, place(event));
            let answered: Vec<_> = late.events.iter().map(of).collect();
            let what = format!("of {happened} came between {after} and {until}");
            (answered != wanted || late.total != wanted.len() as u64)
                .then(|| format!("{what}: {} {answered:?}, it should be {wanted:?}", late.total))
                .into_iter()
                .collect()
        }
        Err(error) if is_bound(&error) => Vec::new(),
        Err(error) => vec![format!("late events: {error}")],
    }
}
