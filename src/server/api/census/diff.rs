//! What changed between two moments, by type and status: between two instants, or between what was known of one
//! instant at two times.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::saga_fields::Status;
use super::super::sagas::moment::{self, MomentBody, known_at_schema};
use super::super::sagas::statistics::ByStatusBody;
use super::super::text::{self, Instant, edge_schema};
use super::{at, between, number};
use crate::domain::{Event, Millis};
use crate::pipeline::query::{Census, CensusRecord, LateEvents, Moment};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// The parameters of a comparison.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct DiffQuery {
    #[param(schema_with = from_schema)]
    from: Option<Millis>,
    #[param(schema_with = known_at_schema)]
    from_known_at: Option<Millis>,
    #[param(schema_with = to_schema)]
    to: Option<Millis>,
    #[param(schema_with = known_at_schema)]
    to_known_at: Option<Millis>,
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    #[param(schema_with = text::first_edge_schema)]
    from_date: Option<Millis>,
    #[param(schema_with = text::last_edge_schema)]
    to_date: Option<Millis>,
}

fn from_schema() -> Schema {
    edge_schema(
        "The first moment by event time; of a date the end counts. Left out: everything that is known.",
    )
}

fn to_schema() -> Schema {
    edge_schema(
        "The second moment by event time; of a date the end counts. Left out: everything that is known.",
    )
}

/// What changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusDiff)]
pub(super) struct DiffBody {
    from: MomentBody,
    to: MomentBody,
    /// Each type and status in which more or fewer sagas stood, or that was entered or left more often.
    changes: Vec<ChangeBody>,
    /// The same of sagas that were purged since, whenever they started. They are in no other number here.
    purged: MovedBody,
    /// The events that arrived between both moments and so changed what was known: given where both are of one instant
    /// of event time, and what was known at the first one is asked no earlier than that. Of all types and starts;
    /// purged sagas have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    late_events: Option<LateEventsBody>,
}

/// Events that arrived late.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LateEvents)]
struct LateEventsBody {
    /// How many there are.
    total: u64,
    /// The first 100 of them, in the order in which they arrived.
    events: Vec<LateEventBody>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LateEvent)]
struct LateEventBody {
    saga_id: String,
    event_id: String,
    step: String,
    /// What the producer said about the saga.
    status: Status,
    recorded_at: Instant,
    arrived_at: Instant,
    partition: u32,
    offset: u64,
}

impl LateEventsBody {
    fn of(found: LateEvents) -> Self {
        let body = |event: Event| LateEventBody {
            saga_id: event.saga_id.to_string(),
            event_id: event.event_id.to_string(),
            step: event.step.to_string(),
            status: event.status.into(),
            recorded_at: Instant(event.recorded_at),
            arrived_at: Instant(event.arrived_at),
            partition: event.position.partition,
            offset: event.position.offset,
        };
        Self {
            total: found.total,
            events: found.events.into_iter().map(body).collect(),
        }
    }
}

/// Late events that are shown.
const MAX_SHOWN: usize = 100;

/// The instant of event time that both moments are of, and between which instants more became known of it.
fn became_known(from: Moment, to: Moment) -> Option<(Millis, Millis, Millis)> {
    let (happened, after) = (from.as_of?, from.known_at?);
    let until = to.known_at.unwrap_or(Millis(i64::MAX));
    (to.as_of == Some(happened) && happened <= after && after < until).then_some((happened, after, until))
}

/// One type and status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusChange)]
struct ChangeBody {
    /// Null for all types that are not told apart.
    #[schema(required)]
    saga_type: Option<String>,
    #[serde(flatten)]
    moved: MovedBody,
}

/// Who stood where, and what was entered and left in between.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CensusMoved)]
struct MovedBody {
    /// Sagas that stood in each status at the first moment.
    before: ByStatusBody,
    /// Sagas that stood in each status at the second moment.
    after: ByStatusBody,
    /// How often each status was entered by the second moment and not by the first.
    entered: ByStatusBody,
    /// How often each status was left by the second moment and not by the first.
    left: ByStatusBody,
}

impl ChangeBody {
    fn of(
        saga_type: Option<&str>,
        (before, after): (&CensusRecord, &CensusRecord),
        fallen: &CensusRecord,
    ) -> Option<Self> {
        (before != after).then(|| Self {
            saga_type: saga_type.map(str::to_owned),
            moved: MovedBody::of(before, after, fallen),
        })
    }
}

impl MovedBody {
    fn of(before: &CensusRecord, after: &CensusRecord, fallen: &CensusRecord) -> Self {
        Self {
            before: ByStatusBody::of(|status| number(before.standing(status))),
            after: ByStatusBody::of(|status| number(after.standing(status))),
            entered: between(before.entered, after.entered, fallen.entered),
            left: between(before.left, after.left, fallen.left),
        }
    }
}

impl DiffBody {
    fn of((from, before): (Moment, &Census), (to, after): (Moment, &Census)) -> Self {
        let types: BTreeSet<&String> = before.by_type.keys().chain(after.by_type.keys()).collect();
        let sums = |by_type: &BTreeMap<String, CensusRecord>, name: &String| {
            by_type.get(name).copied().unwrap_or_default()
        };
        let of_type = |name: &String| {
            let both = (&sums(&before.by_type, name), &sums(&after.by_type, name));
            ChangeBody::of(Some(name), both, &sums(&after.fallen_by_type, name))
        };
        let others = ChangeBody::of(None, (&before.others, &after.others), &after.fallen_others);
        Self {
            late_events: None,
            changes: types.into_iter().filter_map(of_type).chain(others).collect(),
            purged: MovedBody::of(&before.purged, &after.purged, &CensusRecord::default()),
            from: MomentBody::of(from, &before.basis),
            to: MomentBody::of(to, &after.basis),
        }
    }
}

/// What changed between two moments
#[utoipa::path(
    get,
    path = "/api/v1/census/diff",
    operation_id = "diffCensus",
    tag = "census",
    description = "Between two instants, or between what was known of one instant at two times: then it is what late \
                   events changed of the past.",
    params(DiffQuery),
    responses(
        (status = 200, body = DiffBody, description = "The types of which anything changed."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<DiffBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let from = moment::take(&mut params, ["from", "fromKnownAt"]);
    let to = moment::take(&mut params, ["to", "toKnownAt"]);
    let filter = at::counted(&mut params);
    params.finish()?;
    let found = context.censuses(filter, vec![from, to]).await?;
    let none = Census::default();
    let (before, after) = (found.first().unwrap_or(&none), found.get(1).unwrap_or(&none));
    let mut body = DiffBody::of((from, before), (to, after));
    if let Some(instants) = became_known(from, to) {
        let late = context.late_events(instants, MAX_SHOWN).await?;
        body.late_events = Some(LateEventsBody::of(late));
    }
    Ok(Json(body))
}
