//! The flow of a type in a period, in answers.

use super::super::sagas::statistics::PeriodBody;
use crate::pipeline::query::{FlowStep, RecentFlow, Times};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Steps of which the worst are told.
const WORST: usize = 8;

/// Which step came next behind which in sagas of a type, by the events that arrived in a period.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecentFlow)]
pub(in crate::server::api) struct RecentFlowBody {
    #[schema(example = "ORDER_CREATION")]
    saga_type: String,
    /// All events that arrived then are in it.
    period: PeriodBody,
    /// Whether that is all of the period that was asked for, and nothing is left out. Otherwise so many events arrived
    /// in it that only the newest were looked at, or there are too many different pairs of steps.
    whole: bool,
    /// Events of further steps and pairs of steps, of which there are too many: they are in no number of `steps` and
    /// `edges`, or not in that of `edges`.
    left_out: u64,
    /// Sagas of which an event arrived.
    sagas: u64,
    /// Their events, duplicates left out.
    events: u64,
    /// Each step, by name.
    steps: Vec<RecentStepBody>,
    /// Each pair of steps of which the second came next behind the first, counted by when the second arrived, whenever
    /// the first did.
    edges: Vec<RecentEdgeBody>,
}

/// A step in a period.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecentStep)]
struct RecentStepBody {
    #[schema(example = "STOCK_RESERVED")]
    step: String,
    /// Its events.
    events: u64,
    /// Sagas that began with it.
    first: u64,
    /// Sagas of which it is the last event so far.
    last: u64,
    /// Its events by the service that reported them, of at most 50 services.
    services: BTreeMap<String, u64>,
}

/// One step next behind another in a period.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecentEdge)]
struct RecentEdgeBody {
    #[schema(example = "ORDER_CREATED")]
    from: String,
    #[schema(example = "STOCK_RESERVED")]
    to: String,
    /// How often.
    count: u64,
    /// Of what came next behind the first step, the part that was the second.
    share: f64,
    /// How often in a second of the period.
    per_second: f64,
    /// The time, by event time, within which half of them came.
    p50_seconds: f64,
    /// The time within which 95 of 100 came.
    p95_seconds: f64,
    /// The time within which 99 of 100 came.
    p99_seconds: f64,
}

/// A pair of steps that takes long.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WorstStep)]
pub(super) struct WorstStepBody {
    #[schema(example = "PAYMENT_INITIALIZED")]
    from: String,
    #[schema(example = "PAYMENT_FAILED")]
    to: String,
    /// How often.
    count: u64,
    /// How often in a second of the period.
    per_second: f64,
    /// The time, by event time, within which 95 of 100 came.
    p95_seconds: f64,
    /// The same of the same time a day before; null when nothing was then.
    #[schema(required)]
    p95_seconds_before: Option<f64>,
}

impl RecentFlowBody {
    pub(in crate::server::api) fn of(found: &RecentFlow) -> Self {
        let flow = &found.flow;
        let mut behind: BTreeMap<&str, u64> = BTreeMap::new();
        for ((from, _), times) in &flow.edges {
            *behind.entry(from).or_default() += times.count();
        }
        let edge = |((from, to), times): (&(String, String), &Times)| {
            let of_step = behind.get(from.as_str()).copied().unwrap_or(0);
            RecentEdgeBody {
                from: from.clone(),
                to: to.clone(),
                count: times.count(),
                share: rounded(times.count() as f64 / of_step.max(1) as f64),
                per_second: per_second(found, times),
                p50_seconds: seconds(times, 50),
                p95_seconds: seconds(times, 95),
                p99_seconds: seconds(times, 99),
            }
        };
        let step = |(step, of): (&String, &FlowStep)| RecentStepBody {
            step: step.clone(),
            events: of.events,
            first: of.first,
            last: of.last,
            services: of.services.clone(),
        };
        Self {
            saga_type: found.saga_type.as_str().to_owned(),
            period: PeriodBody::of(Some(found.from), Some(found.to)),
            whole: found.is_whole,
            left_out: found.left_out,
            sagas: flow.sagas,
            events: flow.events,
            steps: flow.steps.iter().map(step).collect(),
            edges: flow.edges.iter().map(edge).collect(),
        }
    }
}

/// The pairs that took longest, and how long they took a day before.
pub(super) fn worst(found: &RecentFlow, before: Option<&RecentFlow>) -> Vec<WorstStepBody> {
    let mut pairs: Vec<_> = found.flow.edges.iter().collect();
    pairs.sort_by_key(|(_, times)| std::cmp::Reverse(times.percentile(95)));
    let body = |((from, to), times): (&(String, String), &Times)| {
        let pair = (from.clone(), to.clone());
        let before = before.and_then(|before| before.flow.edges.get(&pair));
        WorstStepBody {
            from: pair.0,
            to: pair.1,
            count: times.count(),
            per_second: per_second(found, times),
            p95_seconds: seconds(times, 95),
            p95_seconds_before: before.map(|before| seconds(before, 95)),
        }
    };
    pairs.into_iter().take(WORST).map(body).collect()
}

pub(in crate::server::api) fn per_second(found: &RecentFlow, times: &Times) -> f64 {
    let millis = found.to.since(found.from).max(1);
    rounded(times.count() as f64 * 1_000.0 / millis as f64)
}

fn seconds(times: &Times, percent: usize) -> f64 {
    times.percentile(percent) as f64 / 1_000.0
}

/// To four digits behind the point: what is smaller nobody reads.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Millis;
    use crate::pipeline::query::Flow;

    /// What came within half a second.
    fn found() -> RecentFlow {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let mut flow = Flow::default();
        flow.edges.insert(pair("A", "B"), (1..=300).collect());
        flow.edges.insert(pair("A", "C"), (1..=100).collect());
        // Most that came next behind A had their first event before the period.
        flow.steps.insert(
            "A".to_owned(),
            FlowStep {
                events: 2,
                ..FlowStep::default()
            },
        );
        RecentFlow {
            saga_type: "T".into(),
            from: Millis(10_000),
            to: Millis(10_500),
            is_whole: false,
            left_out: 7,
            flow,
        }
    }

    #[test]
    fn a_rate_is_of_the_stretch_that_was_looked_at_however_short() {
        let body = RecentFlowBody::of(&found());
        let told: Vec<_> = body
            .edges
            .iter()
            .map(|edge| (edge.per_second, edge.share))
            .collect();
        assert_eq!(told, [(600.0, 0.75), (200.0, 0.25)]);
        assert_eq!((body.whole, body.left_out), (false, 7));
    }
}
