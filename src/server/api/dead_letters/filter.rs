//! The parameters that say which dead letters are meant.

use super::super::params::{Params, parse_text};
use super::super::text::{self, ACCEPTED, Edge, parse_edge};
use super::StateName;
use crate::domain::Millis;
use crate::operations::dead_letters::{DeadLetterFilter, EXTERNAL_REASON};
use crate::pipeline::decode::DefectReason;
use crate::store::dead_letters::DeadLetterState;
use saga_tracker_sdk::contract::limits;

const MAX_CHARS: usize = limits::MAX_ID_CHARS;
const TEXT: &str = "1 to 255 characters";

/// Which dead letters; all that is given must hold.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(in crate::server::api) struct FilterQuery {
    /// Dead letters of this reason.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "unknown_status")]
    reason: Option<String>,
    /// Dead letters from this topic.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    topic: Option<String>,
    /// Dead letters of this step, as far as it could be decoded.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    step: Option<String>,
    /// Dead letters of this saga, as far as it could be decoded.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    saga_id: Option<String>,
    /// Dead letters with this event, as far as it could be decoded.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    event_id: Option<String>,
    /// Dead letters in this state.
    #[param(value_type = Option<StateName>)]
    state: Option<StateName>,
    #[param(schema_with = arrived_from)]
    from_date: Option<Millis>,
    #[param(schema_with = arrived_to)]
    to_date: Option<Millis>,
}

fn arrived_from() -> utoipa::openapi::schema::Schema {
    text::edge_schema(
        "Dead letters that arrived then or later: an instant, or a date, which begins at 00:00:00Z.",
    )
}

fn arrived_to() -> utoipa::openapi::schema::Schema {
    text::edge_schema(
        "Dead letters that arrived then or earlier: an instant, or a date, which ends at 23:59:59.999Z.",
    )
}

/// A state by its name.
pub(super) fn parse_state(text: &str) -> Option<DeadLetterState> {
    DeadLetterState::ALL
        .into_iter()
        .find(|state| state.as_str() == text)
}

/// Reads the filter.
pub(in crate::server::api) fn parse(params: &mut Params<'_>) -> DeadLetterFilter {
    let mut text = |name: &str| {
        params.take(&[name], TEXT, |text| {
            parse_text(text, MAX_CHARS).map(str::to_owned)
        })
    };
    let (topic, step) = (text("topic"), text("step"));
    let (saga_id, event_id) = (text("sagaId"), text("eventId"));
    let accepted = DefectReason::ALL.map(DefectReason::as_str).join(", ");
    let reason = params.take(&["reason"], &format!("{accepted} or foreign"), |text| {
        let known = text == EXTERNAL_REASON || DefectReason::ALL.iter().any(|reason| reason.as_str() == text);
        known.then(|| text.to_owned())
    });
    let state = params.take(&["state"], "open, redriven or discarded", parse_state);
    let from = params.take(&["fromDate"], ACCEPTED, |text| parse_edge(text, Edge::First));
    let to = params.take(&["toDate"], ACCEPTED, |text| parse_edge(text, Edge::Last));
    if let (Some(first), Some(last)) = (from, to)
        && first > last
    {
        params.fault(
            "fromDate",
            first.to_string(),
            format!("at or before toDate, which is {last}"),
        );
    }
    DeadLetterFilter {
        reason,
        topic,
        step,
        saga_id,
        event_id,
        state,
        from,
        to,
    }
}
