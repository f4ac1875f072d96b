//! What questions about sagas have in common: about which sagas, and at which moment.

use super::times;
use crate::domain::{CompensationState, Millis, SagaStatus, StuckRule};
use clap::Args;
use clap::builder::PossibleValuesParser;

/// Parameters of a call.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// The statuses, as an argument takes them.
pub(super) fn statuses() -> PossibleValuesParser {
    SagaStatus::ALL.map(SagaStatus::as_str).into()
}

/// Which sagas, by what they are.
#[derive(Clone, Debug, Args)]
pub(super) struct KindArgs {
    /// Of this order
    #[arg(long, value_name = "ORDER_ID")]
    order: Option<String>,
    /// Of this type, e.g. ORDER_CREATION
    #[arg(long = "type", value_name = "SAGA_TYPE")]
    saga_type: Option<String>,
    /// In this status: STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED
    #[arg(long, ignore_case = true, value_parser = statuses(), hide_possible_values = true)]
    status: Option<String>,
}

impl KindArgs {
    pub(super) fn parameters(&self) -> Parameters {
        let status = self.status.as_ref().map(|status| status.to_uppercase());
        given([
            ("orderId", &self.order),
            ("sagaType", &self.saga_type),
            ("status", &status),
        ])
    }
}

/// Which sagas, by what happened inside of them.
#[derive(Clone, Debug, Args)]
pub(super) struct InsideArgs {
    /// Sagas that reported this step, e.g. PAYMENT_COMPLETED; repeat for several, all must match
    #[arg(long, value_name = "STEP")]
    step: Vec<String>,
    /// Sagas that did not report this step; repeat for several, all must match
    #[arg(long, value_name = "STEP")]
    without_step: Vec<String>,
    /// Sagas in which this service reported something
    #[arg(long, value_name = "SERVICE")]
    producer_service: Option<String>,
    /// Of this trace: one of the first eight that the saga's events named
    #[arg(long, value_name = "TRACE_ID")]
    trace_id: Option<String>,
    /// Which break this rule of their definition, e.g. NEVER_COMPENSATED (`saga-tracker conformance --help` names all)
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Which are stuck, or were at --as-of; by this rule alone: PAST_DEADLINE or COMPENSATION_OVERDUE
    #[arg(long, value_name = "RULE", num_args = 0..=1, default_missing_value = ANY, ignore_case = true,
        value_parser = stuck_rules(), hide_possible_values = true)]
    stuck: Option<String>,
    /// Sagas whose compensation is in this state: NOT_NEEDED (not failed), NOTHING_TO_COMPENSATE (failed before anything
    /// was done that can be undone), OWED (failed, and something is not undone), COMPENSATED (all is undone) or
    /// PARTLY_COMPENSATED (compensated, and something is not undone all the same)
    #[arg(long, value_name = "STATE", ignore_case = true, value_parser = compensations(), hide_possible_values = true)]
    compensation: Option<String>,
}

/// How far what sagas did may be asked to be undone.
fn compensations() -> PossibleValuesParser {
    CompensationState::ALL.map(CompensationState::as_str).into()
}

/// Stuck by any rule.
const ANY: &str = "true";

/// By which rule sagas may be asked to be stuck.
fn stuck_rules() -> PossibleValuesParser {
    let [deadline, overdue] = StuckRule::ALL.map(StuckRule::as_str);
    [ANY, deadline, overdue].into()
}

impl InsideArgs {
    pub(super) fn parameters(&self) -> Parameters {
        let steps = self.step.iter().map(|step| ("step", step.clone()));
        let without = self.without_step.iter().map(|step| ("withoutStep", step.clone()));
        let is_any = |rule: &str| rule.eq_ignore_ascii_case(ANY);
        let stuck = self.stuck.as_deref().map(|rule| {
            if is_any(rule) {
                ANY.to_owned()
            } else {
                rule.to_uppercase()
            }
        });
        let names = given([
            ("producerService", &self.producer_service),
            ("traceId", &self.trace_id),
            ("rule", &self.rule.as_ref().map(|rule| rule.to_uppercase())),
            ("stuck", &stuck),
            (
                "compensation",
                &self.compensation.as_ref().map(|state| state.to_uppercase()),
            ),
        ]);
        steps.chain(without).chain(names).collect()
    }
}

/// Which sagas, by their start.
#[derive(Clone, Debug, Args)]
pub(super) struct StartedArgs {
    /// Started at or after this: 2025-01-31, 2025-01-31T08:00:00Z, or e.g. "1 hour ago"
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    from: Option<String>,
    /// Started at or before this
    #[arg(long, value_name = "DATE", value_parser = times::edge)]
    to: Option<String>,
}

impl StartedArgs {
    pub(super) fn parameters(&self) -> Parameters {
        given([("fromDate", &self.from), ("toDate", &self.to)])
    }
}

/// At which moment; of which nothing is given, now.
#[derive(Clone, Debug, Args)]
pub(super) struct MomentArgs {
    /// As of this event time: an instant, a date, or e.g. "2 hours ago"; what happened later does not count
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    as_of: Option<Millis>,
    /// As it was known at this arrival time: what arrived later does not count, whenever it happened
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    known_at: Option<Millis>,
}

impl MomentArgs {
    pub(super) fn parameters(&self) -> Parameters {
        instants([("asOf", self.as_of), ("knownAt", self.known_at)])
    }
}

/// Two moments; one of which nothing is given is now.
#[derive(Clone, Debug, Args)]
pub(super) struct TwoMomentsArgs {
    /// The first moment, by event time: an instant, a date, or e.g. "2 hours ago"
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    from: Option<Millis>,
    /// The first moment, by arrival time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    from_known_at: Option<Millis>,
    /// The second moment, by event time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    to: Option<Millis>,
    /// The second moment, by arrival time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    to_known_at: Option<Millis>,
}

impl TwoMomentsArgs {
    pub(super) fn parameters(&self) -> Parameters {
        instants([
            ("from", self.from),
            ("fromKnownAt", self.from_known_at),
            ("to", self.to),
            ("toKnownAt", self.to_known_at),
        ])
    }
}

/// Which page of an answer.
#[derive(Clone, Debug, Args)]
pub(super) struct PageArgs {
    /// Which page, from 0
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    page: u64,
    /// Sagas on a page, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    size: u64,
}

impl PageArgs {
    pub(super) fn parameters(&self) -> Parameters {
        vec![("page", self.page.to_string()), ("size", self.size.to_string())]
    }
}

/// Those that were given.
pub(super) fn given<const N: usize>(of: [(&'static str, &Option<String>); N]) -> Parameters {
    of.into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect()
}

/// The instants that were given, exactly.
pub(super) fn instants<const N: usize>(of: [(&'static str, Option<Millis>); N]) -> Parameters {
    of.into_iter()
        .filter_map(|(name, at)| Some((name, at?.to_string())))
        .collect()
}
