//! The families by saga type. Types are open text; labels must be bounded.

use super::catalogue;
use super::floor::Floor;
use super::sample::{Buckets, Labels, Reading};
use super::steps::{OTHER, StepLabels};
use crate::domain::{DURATION_BUCKETS, SagaStatus};
use crate::pipeline::projector::{DELAY_BUCKETS, Delay, Delays};
use crate::pipeline::query::{Durations, Outcomes, TypeOutcomes};
use std::collections::BTreeMap;

/// Types that have a label of their own.
pub(super) const MAX_TYPES: usize = 50;

/// What became of sagas, by type.
pub(super) fn read(outcomes: &Outcomes, floor: &mut Floor, types: &mut StepLabels, to: &mut Vec<Reading>) {
    types.admit(
        outcomes
            .by_type
            .iter()
            .map(|(name, of)| (name.as_str(), of.entries())),
    );
    let labelled = outcomes.by_type.iter().map(|(name, of)| (types.label(name), of));
    let others = Some((OTHER, &outcomes.others)).filter(|(_, of)| **of != TypeOutcomes::default());
    let mut entered: BTreeMap<(&str, SagaStatus), u64> = BTreeMap::new();
    let mut durations: BTreeMap<(&str, SagaStatus), Durations> = BTreeMap::new();
    for (label, of) in labelled.chain(others) {
        for (status, entries) in &of.entered {
            *entered.entry((label, *status)).or_default() += entries;
        }
        for (status, of) in &of.durations {
            let sums = durations.entry((label, *status)).or_default();
            sums.millis = sums.millis.saturating_add(of.millis);
            sums.buckets
                .iter_mut()
                .zip(&of.buckets)
                .for_each(|(sum, by)| *sum += by);
        }
    }
    let labels = |second: &'static str, (saga_type, status): (&str, SagaStatus)| -> Labels {
        vec![("saga_type", saga_type.to_owned()), (second, status.to_string())]
    };
    let entered = entered
        .into_iter()
        .map(|(of, entries)| (labels("status", of), entries));
    to.push(floor.counters(catalogue::SAGAS_ENTERED, entered.collect()));
    let durations = durations.into_iter().map(|(of, sums)| {
        let buckets = with_bounds(&DURATION_BUCKETS, &sums.buckets);
        (labels("outcome", of), sums.millis, buckets)
    });
    to.push(floor.histograms(catalogue::SAGA_DURATION, durations.collect()));
    to.push(floor.histograms(catalogue::EDGE_DURATION, edges(outcomes)));
}

/// The pairs of steps that are measured, as samples.
fn edges(outcomes: &Outcomes) -> Vec<(Labels, u64, Buckets)> {
    let named = outcomes.edges.iter().map(|(edge, of)| (edge.as_str(), of));
    let others = Some((OTHER, &outcomes.other_edges)).filter(|(_, of)| **of != Durations::default());
    let samples = named.chain(others).map(|(edge, of)| {
        let buckets = with_bounds(&DURATION_BUCKETS, &of.buckets);
        (vec![("edge", edge.to_owned())], of.millis, buckets)
    });
    samples.collect()
}

/// How long deliveries took, since this process began.
pub(super) fn read_delays(delays: &Delays, to: &mut Vec<Reading>) {
    let stage = |name: &str, of: &Delay| {
        let buckets = with_bounds(&DELAY_BUCKETS, &of.buckets);
        (vec![("stage", name.to_owned())], of.millis, buckets)
    };
    let stages = vec![
        stage("producer", &delays.producer),
        stage("tracker", &delays.tracker),
    ];
    to.push(Reading::histograms(catalogue::EVENT_DELAY, stages));
}

fn with_bounds(bounds: &[f64], counts: &[u64]) -> Buckets {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    bounds.zip(counts.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::Samples;
    use super::*;

    fn of(entries: u64) -> TypeOutcomes {
        TypeOutcomes {
            entered: BTreeMap::from([(SagaStatus::Failed, entries)]),
            durations: BTreeMap::from([(
                SagaStatus::Failed,
                Durations {
                    millis: 1_500 * entries,
                    ..Durations::default()
                },
            )]),
        }
    }

    #[test]
    fn types_beyond_those_with_the_most_entries_share_a_label_and_nothing_is_lost() {
        let most = MAX_TYPES as u64;
        let outcomes = Outcomes {
            by_type: (1..=most + 10).map(|n| (format!("type-{n:03}"), of(n))).collect(),
            others: of(7),
            ..Outcomes::default()
        };
        let (mut floor, mut types) = (Floor::default(), StepLabels::new(MAX_TYPES));
        let mut readings = Vec::new();
        read(&outcomes, &mut floor, &mut types, &mut readings);
        let Samples::Counters(entered) = &readings[0].samples else {
            panic!("{readings:?}");
        };
        assert_eq!(entered.len(), MAX_TYPES + 1);
        let others = entered.iter().find(|(labels, _)| labels[0].1 == OTHER);
        assert_eq!(others.map(|(_, count)| *count), Some((1..=10).sum::<u64>() + 7));
        let Samples::Histograms(durations) = &readings[1].samples else {
            panic!("{readings:?}");
        };
        let sums: f64 = durations.iter().map(|(_, of)| of.sum).sum();
        let all: u64 = (1..=most + 10).sum::<u64>() + 7;
        assert_eq!(sums, 1.5 * all as f64);
    }

    #[test]
    fn each_pair_of_steps_has_a_label_and_those_that_are_not_told_apart_share_one() {
        let durations = |millis| {
            let mut of = Durations {
                millis,
                ..Durations::default()
            };
            of.buckets[2] = 4;
            of
        };
        let mut outcomes = Outcomes {
            edges: BTreeMap::from([("A>B".to_owned(), durations(2_500))]),
            ..Outcomes::default()
        };
        let told = |outcomes: &Outcomes| {
            let (mut floor, mut types, mut readings) =
                (Floor::default(), StepLabels::new(MAX_TYPES), Vec::new());
            read(outcomes, &mut floor, &mut types, &mut readings);
            let Some(Samples::Histograms(edges)) = readings.pop().map(|reading| reading.samples) else {
                panic!("no histogram");
            };
            let edges = edges
                .into_iter()
                .map(|(labels, of)| (labels[0].1.clone(), of.sum));
            edges.collect::<Vec<_>>()
        };
        assert_eq!(told(&outcomes), [("A>B".to_owned(), 2.5)]);
        outcomes.other_edges = durations(1_000);
        assert_eq!(
            told(&outcomes),
            [("A>B".to_owned(), 2.5), (OTHER.to_owned(), 1.0)]
        );
    }

    #[test]
    fn both_stages_of_a_delay_show_before_anything_was_delivered() {
        let mut readings = Vec::new();
        read_delays(&Delays::default(), &mut readings);
        let Samples::Histograms(stages) = &readings[0].samples else {
            panic!("{readings:?}");
        };
        let names: Vec<&str> = stages.iter().map(|(labels, _)| labels[0].1.as_str()).collect();
        assert_eq!(names, ["producer", "tracker"]);
        assert!(
            stages
                .iter()
                .all(|(_, of)| of.buckets.len() == DELAY_BUCKETS.len() + 1)
        );
    }
}
