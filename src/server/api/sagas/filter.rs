//! The parameters that say which sagas are meant, shared by search and statistics.

use super::super::params::{Params, parse_text, shown};
use super::super::text::{ACCEPTED, Edge, parse_edge};
use crate::domain::{CompensationState, ConformanceRule, Millis, SagaStatus, Step, StuckRule};
use crate::pipeline::query::{AskedStuck, Inside};
use saga_tracker_sdk::contract::limits;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// Ids and types are never longer: what is longer never got into the log.
pub(super) const MAX_NAME_CHARS: usize = limits::MAX_ID_CHARS;
const NAME: &str = "1 to 255 characters";
/// Nor are steps.
pub(super) const MAX_STEP_CHARS: usize = limits::MAX_STEP_CHARS;
const STEP: &str = "1 to 100 characters";
/// Values of step, and of withoutStep, at most.
pub const MAX_STEPS: usize = 10;

pub(in crate::server::api) fn saga_type(params: &mut Params<'_>) -> Option<String> {
    params.take(&["sagaType", "type"], NAME, |text| {
        parse_text(text, MAX_NAME_CHARS).map(str::to_owned)
    })
}

pub(super) fn order_id(params: &mut Params<'_>) -> Option<String> {
    params.take(&["orderId"], NAME, |text| {
        parse_text(text, MAX_NAME_CHARS).map(str::to_owned)
    })
}

pub(in crate::server::api) fn status(params: &mut Params<'_>) -> Option<SagaStatus> {
    params.take(
        &["status"],
        "STARTED, IN_PROGRESS, COMPLETED, FAILED or COMPENSATED",
        |text| text.parse().ok(),
    )
}

/// What must have happened inside of the sagas; where they must be stuck, when is now.
pub(super) fn inside(params: &mut Params<'_>, now: Millis) -> Inside {
    let mut steps = |name| {
        params.take_all(name, MAX_STEPS, STEP, |text| {
            parse_text(text, MAX_STEP_CHARS).map(Step::from)
        })
    };
    let (steps, without_steps) = (steps("step"), steps("withoutStep"));
    if let Some(both) = steps.iter().find(|step| without_steps.contains(step)) {
        let (found, accepted) = (shown(both.as_str()), "no step that step names too".to_owned());
        params.fault("withoutStep", found, accepted);
    }
    let mut name = |name| {
        params.take(&[name], NAME, |text| {
            parse_text(text, MAX_NAME_CHARS).map(Into::into)
        })
    };
    Inside {
        steps,
        without_steps,
        producer_service: name("producerService"),
        trace_id: name("traceId"),
        rule: rule(params),
        stuck: stuck(params).map(|rule| AskedStuck { rule, now }),
        compensation: compensation(params),
    }
}

/// `stuck` by any rule.
const ANY: &str = "true";

/// Whether the sagas must be stuck, and by which rule.
fn stuck(params: &mut Params<'_>) -> Option<Option<StuckRule>> {
    let accepted = "true, PAST_DEADLINE or COMPENSATION_OVERDUE";
    params.take(&["stuck"], accepted, |text| match text {
        ANY => Some(None),
        name => StuckRule::from_name(name).map(Some),
    })
}

/// The schema of `stuck`.
pub(super) fn stuck_schema() -> Schema {
    let [deadline, overdue] = StuckRule::ALL.map(StuckRule::as_str);
    let stuck = ObjectBuilder::new().schema_type(Type::String);
    let stuck = stuck.description(Some(
        "Sagas that are stuck by this rule, or by any: at asOf, otherwise by the tracker's clock.",
    ));
    Schema::Object(stuck.enum_values(Some([ANY, deadline, overdue])).build())
}

/// The rule of a definition that is not kept.
pub(super) fn rule(params: &mut Params<'_>) -> Option<ConformanceRule> {
    let [all @ .., last] = ConformanceRule::ALL.map(ConformanceRule::as_str);
    let accepted = format!("{} or {last}", all.join(", "));
    params.take(&["rule"], &accepted, ConformanceRule::from_name)
}

/// The schema of `rule`.
pub(super) fn rule_schema() -> Schema {
    let names = ConformanceRule::ALL.map(ConformanceRule::as_str);
    let rule = ObjectBuilder::new().schema_type(Type::String);
    let rule = rule.description(Some("Sagas that break this rule of their type's definition."));
    Schema::Object(rule.enum_values(Some(names)).build())
}

/// How far is undone what the sagas did.
fn compensation(params: &mut Params<'_>) -> Option<CompensationState> {
    let [all @ .., last] = CompensationState::ALL.map(CompensationState::as_str);
    let accepted = format!("{} or {last}", all.join(", "));
    params.take(&["compensation"], &accepted, CompensationState::from_name)
}

/// The schema of `compensation`.
pub(super) fn compensation_schema() -> Schema {
    let names = CompensationState::ALL.map(CompensationState::as_str);
    let state = ObjectBuilder::new().schema_type(Type::String);
    let state = state.description(Some(
        "Sagas with this compensation.state, of types with a definition. NOTHING_TO_COMPENSATE: they failed before \
         anything was done that can be undone.",
    ));
    Schema::Object(state.enum_values(Some(names)).build())
}

/// First and last instant of the period, both inside.
pub(in crate::server::api) fn period(params: &mut Params<'_>) -> (Option<Millis>, Option<Millis>) {
    between(params, ["fromDate", "toDate"])
}

/// The same under these names.
pub(super) fn between(
    params: &mut Params<'_>,
    [begin, end]: [&'static str; 2],
) -> (Option<Millis>, Option<Millis>) {
    let from = params.take(&[begin], ACCEPTED, |text| parse_edge(text, Edge::First));
    let to = params.take(&[end], ACCEPTED, |text| parse_edge(text, Edge::Last));
    if let (Some(first), Some(last)) = (from, to)
        && first > last
    {
        let accepted = format!("at or before {end}, which is {last}");
        params.fault(begin, first.to_string(), accepted);
    }
    (from, to)
}
