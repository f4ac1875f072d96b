//! What happened inside of the sagas that statistics are of.

use crate::pipeline::query::{Details, Named, Occurrences, StepDetails, Times};
use serde::Serialize;
use std::cmp::Reverse;
use utoipa::ToSchema;

/// Names that are listed of each kind.
const LISTED: usize = 1_000;

/// What happened inside of them, and how long it took.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatisticsDetails)]
pub(super) struct DetailsBody {
    /// Their events, duplicates left out.
    events: u64,
    /// From first to last event of those that are COMPLETED.
    duration: TimesBody,
    /// From FAILED to COMPENSATED, each time; of a saga whose status changed more than 32 times those of the first 32.
    compensation: TimesBody,
    /// By step: a thousand, those of the most sagas first.
    by_step: Vec<StepBody>,
    /// Events of all other steps.
    events_of_other_steps: u64,
    /// By the service that events name: a thousand, those of the most sagas first.
    by_producer_service: Vec<ServiceBody>,
    /// Events of all other services.
    events_of_other_services: u64,
    /// Events that name no service.
    events_without_service: u64,
    /// By the failureReason of a saga: a thousand, those of the most sagas first.
    failure_reasons: Vec<ReasonBody>,
    /// Sagas with any other failureReason.
    sagas_with_other_reasons: u64,
}

/// Times, in seconds; 0 when there were none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatisticsTimes)]
struct TimesBody {
    /// How many there were.
    count: u64,
    /// Half of them were no longer.
    p50_seconds: f64,
    /// 95 of 100 were no longer.
    p95_seconds: f64,
    /// 99 of 100 were no longer.
    p99_seconds: f64,
}

/// A step.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatisticsStep)]
struct StepBody {
    #[schema(example = "STOCK_RESERVED")]
    step: String,
    #[serde(flatten)]
    reported: OccurrencesBody,
    /// How long it came after the event before it in its saga.
    after: TimesBody,
}

/// A service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatisticsService)]
struct ServiceBody {
    #[schema(example = "order-service")]
    producer_service: String,
    #[serde(flatten)]
    reported: OccurrencesBody,
}

/// Why sagas failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StatisticsReason)]
struct ReasonBody {
    #[schema(example = "OUT_OF_STOCK")]
    failure_reason: String,
    /// Sagas whose events gave it last.
    sagas: u64,
}

/// How often.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatisticsOccurrences)]
struct OccurrencesBody {
    /// In how many sagas.
    sagas: u64,
    /// In how many events.
    events: u64,
}

impl From<&Times> for TimesBody {
    fn from(times: &Times) -> Self {
        let seconds = |percent| times.percentile(percent) as f64 / 1000.0;
        Self {
            count: times.count(),
            p50_seconds: seconds(50),
            p95_seconds: seconds(95),
            p99_seconds: seconds(99),
        }
    }
}

impl From<&Occurrences> for OccurrencesBody {
    fn from(of: &Occurrences) -> Self {
        Self {
            sagas: of.sagas,
            events: of.events,
        }
    }
}

impl From<Details> for DetailsBody {
    fn from(details: Details) -> Self {
        let (steps, other_steps) = listed(details.steps, |step: &StepDetails| &step.reported);
        let (services, other_services) = listed(details.services, |service| service);
        let (reasons, other_reasons) = listed(details.reasons, |reason| reason);
        let step = |(step, of): (String, StepDetails)| StepBody {
            step,
            reported: (&of.reported).into(),
            after: (&of.after).into(),
        };
        let service = |(producer_service, of): (String, Occurrences)| ServiceBody {
            producer_service,
            reported: (&of).into(),
        };
        let reason = |(failure_reason, of): (String, Occurrences)| ReasonBody {
            failure_reason,
            sagas: of.sagas,
        };
        Self {
            events: details.events,
            duration: (&details.completed).into(),
            compensation: (&details.compensated).into(),
            by_step: steps.into_iter().map(step).collect(),
            events_of_other_steps: other_steps,
            by_producer_service: services.into_iter().map(service).collect(),
            events_of_other_services: other_services,
            events_without_service: details.without_service,
            failure_reasons: reasons.into_iter().map(reason).collect(),
            sagas_with_other_reasons: other_reasons,
        }
    }
}

/// Those of the most sagas, of equals the first by name; and the events of all others.
fn listed<T>(named: Named<T>, reported: impl Fn(&T) -> &Occurrences) -> (Vec<(String, T)>, u64) {
    let mut others = reported(&named.others).events;
    let mut all: Vec<(String, T)> = named.by_name.into_iter().collect();
    all.sort_by_key(|(_, of)| Reverse(reported(of).sagas));
    let rest = all.split_off(all.len().min(LISTED));
    others += rest.iter().map(|(_, of)| reported(of).events).sum::<u64>();
    (all, others)
}
