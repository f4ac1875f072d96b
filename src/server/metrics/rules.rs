//! The families about rules of definitions, by saga type: who breaks them, who is stuck, and who
//! failed with nothing to compensate.

use super::catalogue;
use super::floor::Floor;
use super::sample::{Reading, Value};
use super::steps::StepLabels;
use crate::domain::ConformanceRule;
use crate::pipeline::query::RuleCounts;
use std::collections::BTreeMap;

/// Which sagas break rules or are late, by type. Of every type that is defined and has a label all shows from the
/// start, so that what falls to 0 says so.
pub(super) fn read(counts: &RuleCounts, floor: &mut Floor, types: &StepLabels, to: &mut Vec<Reading>) {
    let defined = || counts.stuck.keys().filter(|name| types.has(name));
    let mut broken: BTreeMap<(&str, ConformanceRule), u64> = defined()
        .flat_map(|name| ConformanceRule::ALL.map(|rule| ((name.as_str(), rule), 0)))
        .collect();
    for ((name, rule), sagas) in &counts.broken {
        *broken.entry((types.label(name), *rule)).or_default() += sagas;
    }
    let broken = broken.into_iter().map(|((saga_type, rule), sagas)| {
        let labels = vec![
            ("saga_type", saga_type.to_owned()),
            ("rule", rule.as_str().to_owned()),
        ];
        (labels, Value::Whole(sagas))
    });
    to.push(Reading::gauges(
        catalogue::CONFORMANCE_VIOLATIONS,
        broken.collect(),
    ));

    let by_label = |of: &mut dyn Iterator<Item = (&String, u64)>| -> BTreeMap<String, u64> {
        let mut sums: BTreeMap<String, u64> = defined().map(|name| (name.clone(), 0)).collect();
        for (name, count) in of.filter(|(_, count)| *count > 0) {
            *sums.entry(types.label(name).to_owned()).or_default() += count;
        }
        sums
    };
    let failed = by_label(
        &mut counts
            .failed_compensations
            .iter()
            .map(|(name, times)| (name, *times)),
    );
    let failed = failed
        .into_iter()
        .map(|(name, times)| (vec![("saga_type", name)], times));
    to.push(floor.counters(catalogue::COMPENSATIONS_FAILED, failed.collect()));
    let stuck = counts.stuck.iter();
    let overdue = by_label(&mut stuck.clone().map(|(name, of)| (name, of.compensation_overdue)));
    let past_deadline = by_label(&mut stuck.map(|(name, of)| (name, of.past_deadline)));
    let nothing = counts.nothing_to_compensate.iter();
    let nothing = by_label(&mut nothing.map(|(name, sagas)| (name, *sagas)));
    for (family, sagas) in [
        (catalogue::UNCOMPENSATED_OVERDUE, overdue),
        (catalogue::PAST_DEADLINE, past_deadline),
        (catalogue::NOTHING_TO_COMPENSATE, nothing),
    ] {
        let samples = sagas
            .into_iter()
            .map(|(name, sagas)| (vec![("saga_type", name)], Value::Whole(sagas)));
        to.push(Reading::gauges(family, samples.collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Samples;
    use super::*;
    use crate::pipeline::query::StuckCounts;

    fn counts() -> RuleCounts {
        let stuck = |past_deadline, compensation_overdue| StuckCounts {
            past_deadline,
            compensation_overdue,
        };
        RuleCounts {
            broken: BTreeMap::from([
                (("KNOWN".to_owned(), ConformanceRule::UnknownStep), 3),
                (("RARE".to_owned(), ConformanceRule::UnknownStep), 4),
                (("ODD".to_owned(), ConformanceRule::UnknownStep), 5),
            ]),
            failed_compensations: BTreeMap::from([("KNOWN".to_owned(), 7), ("ODD".to_owned(), 2)]),
            stuck: BTreeMap::from([
                ("KNOWN".to_owned(), stuck(1, 2)),
                ("QUIET".to_owned(), stuck(0, 0)),
                ("ODD".to_owned(), stuck(0, 6)),
                ("UNSEEN".to_owned(), stuck(0, 0)),
            ]),
            nothing_to_compensate: BTreeMap::from([("KNOWN".to_owned(), 5), ("ODD".to_owned(), 1)]),
        }
    }

    fn shown(reading: &Reading) -> BTreeMap<String, u64> {
        let labels = |labels: &[(&'static str, String)]| {
            let values: Vec<&str> = labels.iter().map(|(_, value)| value.as_str()).collect();
            values.join(" ")
        };
        match &reading.samples {
            Samples::Gauges(values) => values
                .iter()
                .map(|(of, value)| match value {
                    Value::Whole(value) => (labels(of), *value),
                    Value::Real(value) => panic!("{value}"),
                })
                .collect(),
            Samples::Counters(values) => values.iter().map(|(of, value)| (labels(of), *value)).collect(),
            Samples::Histograms(_) => panic!("{reading:?}"),
        }
    }

    #[test]
    fn types_with_a_label_show_from_the_start_and_the_others_share_one() {
        let mut types = StepLabels::new(2);
        types.admit([("KNOWN", 9), ("QUIET", 5)]);
        let mut readings = Vec::new();
        read(&counts(), &mut Floor::default(), &types, &mut readings);
        let broken = shown(&readings[0]);
        assert_eq!(broken.len(), 2 * ConformanceRule::ALL.len() + 1);
        assert_eq!(broken["KNOWN UNKNOWN_STEP"], 3);
        assert_eq!(broken["KNOWN MISSING_STEP"], 0);
        assert_eq!(broken["QUIET UNKNOWN_STEP"], 0);
        assert_eq!(broken["other UNKNOWN_STEP"], 9);
        let sums = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
            pairs
                .iter()
                .map(|(name, sum)| ((*name).to_owned(), *sum))
                .collect()
        };
        assert_eq!(
            shown(&readings[1]),
            sums(&[("KNOWN", 7), ("QUIET", 0), ("other", 2)])
        );
        assert_eq!(
            shown(&readings[2]),
            sums(&[("KNOWN", 2), ("QUIET", 0), ("other", 6)])
        );
        assert_eq!(shown(&readings[3]), sums(&[("KNOWN", 1), ("QUIET", 0)]));
        assert_eq!(
            shown(&readings[4]),
            sums(&[("KNOWN", 5), ("QUIET", 0), ("other", 1)])
        );
    }

    #[test]
    fn failed_compensations_do_not_fall_when_state_is_revised() {
        let mut types = StepLabels::new(2);
        types.admit([("KNOWN", 9)]);
        let (mut floor, mut readings) = (Floor::default(), Vec::new());
        read(&counts(), &mut floor, &types, &mut readings);
        readings.clear();
        read(&RuleCounts::default(), &mut floor, &types, &mut readings);
        assert_eq!(shown(&readings[1]), BTreeMap::new());
        let mut revised = counts();
        revised.failed_compensations.insert("KNOWN".to_owned(), 1);
        readings.clear();
        read(&revised, &mut floor, &types, &mut readings);
        assert_eq!(shown(&readings[1])["KNOWN"], 7);
    }
}
