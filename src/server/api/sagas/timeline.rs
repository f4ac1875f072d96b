//! The timeline of a saga as columns, to be drawn.

use super::super::caller::Caller;
use super::super::chunked;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, parse_number};
use super::super::saga_fields::{SagaIdPath, Status};
use super::super::text::{ACCEPTED, Edge, Instant, edge_schema, parse_edge};
use super::archive_wanted;
use super::columns::{ColumnsBody, DensityBody};
use super::moment::{self, BasisBody};
use crate::domain::{Millis, SagaId, Undoing, Unreached};
use crate::operations::incidents::IncidentView;
use crate::pipeline::query::{
    Basis, ColumnsRequest, MAX_COLUMN_ROWS, Moment, QueryError, StateSpan, Timeline, TimelineColumns,
};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// Incidents beside a timeline, at most.
const MAX_INCIDENTS: usize = 50;

/// Which part of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct TimelineQuery {
    /// Whether to look into the archive when it was purged.
    #[param(value_type = Option<bool>)]
    archive: bool,
    #[param(schema_with = from_schema)]
    from: Option<Millis>,
    #[param(schema_with = to_schema)]
    to: Option<Millis>,
    /// Events that are answered one by one, at most. Of more, the notable ones are, and the others are counted.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 20_000, default = 20_000)]
    max: usize,
    #[param(schema_with = moment::as_of_schema)]
    as_of: Option<Millis>,
    #[param(schema_with = moment::known_at_schema)]
    known_at: Option<Millis>,
}

fn from_schema() -> Schema {
    edge_schema(
        "Events with this recordedAt or a later one: an instant, or a date, which begins at 00:00:00Z.",
    )
}

fn to_schema() -> Schema {
    edge_schema(
        "Events with this recordedAt or an earlier one: an instant, or a date, which ends at 23:59:59.999Z.",
    )
}

impl TimelineQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let archive = archive_wanted(&mut params);
        let from = params.take(&["from"], ACCEPTED, |text| parse_edge(text, Edge::First));
        let to = params.take(&["to"], ACCEPTED, |text| parse_edge(text, Edge::Last));
        let accepted = format!("a whole number from 1 to {MAX_COLUMN_ROWS}");
        let max = params.take(&["max"], &accepted, |text| {
            parse_number(text, 1, MAX_COLUMN_ROWS as u64)
        });
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            params.fault(
                "to",
                to.to_string(),
                format!("an instant not before from, which is {from}"),
            );
        }
        let Moment { as_of, known_at } = moment::take(&mut params, ["asOf", "knownAt"]);
        params.finish()?;
        let max = max.and_then(|max| usize::try_from(max).ok());
        Ok(Self {
            archive,
            from,
            to,
            max: max.unwrap_or(MAX_COLUMN_ROWS),
            as_of,
            known_at,
        })
    }

    fn moment(&self) -> Moment {
        let (as_of, known_at) = (self.as_of, self.known_at);
        Moment { as_of, known_at }
    }

    fn request(&self) -> ColumnsRequest {
        ColumnsRequest {
            from: self.from,
            to: self.to,
            max: self.max,
        }
    }
}

/// A timeline as columns.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TimelineColumns)]
struct TimelineColumnsBody<'a> {
    saga_id: &'a str,
    #[schema(example = "ORDER_CREATION")]
    saga_type: &'a str,
    /// recordedAt of the first event of the whole timeline.
    first: Instant,
    /// recordedAt of the last event of the whole timeline.
    last: Instant,
    /// Events of the whole timeline.
    whole: u64,
    /// Of these, those from `from` to `to`.
    total: u64,
    /// Whether the columns hold all of those. Otherwise they hold the notable ones (FAILED and COMPENSATED, changes of
    /// the saga's status, operators' changes, anomalies, late and repeated ones, both ends of arcs), and `density` counts the
    /// others.
    exact: bool,
    /// Notable events that are counted in `density` because there are too many: of those that are late or came again
    /// and of the others, a thousand each stand in the columns.
    notable_left_out: u64,
    /// What `recordedAt` and the cells count from, milliseconds since 1970.
    base: i64,
    names: NamesBody<'a>,
    columns: ColumnsBody<'a>,
    /// The events that are not in the columns; null when there are none.
    #[schema(required)]
    density: Option<DensityBody<'a>>,
    /// The states that the saga went through, of the whole timeline: a thousand, the last one among them.
    states: Vec<StateSpanBody>,
    /// States before the last one that are not told.
    states_left_out: u64,
    /// Which event undid which, by its definition; and what is owed.
    arcs: Vec<ArcBody>,
    /// Steps that its definition expects and that have not come.
    ghosts: Vec<GhostBody<'a>>,
    /// Incidents whose labels match the saga and that overlap its timeline, newest first, at most 50.
    incidents: Vec<TimelineIncidentBody>,
    /// The event time that was asked for. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    as_of: Option<Instant>,
    /// The arrival time that was asked for. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    known_at: Option<Instant>,
    #[serde(flatten)]
    basis: BasisBody,
}

/// Names, which columns give by their places, from 0.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineNames)]
struct NamesBody<'a> {
    #[schema(value_type = Vec<String>)]
    steps: &'a [Box<str>],
    #[schema(value_type = Vec<String>)]
    services: &'a [Box<str>],
}

/// A state that a saga went through.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StateSpan)]
struct StateSpanBody {
    status: Status,
    /// Since when: the time of the event that caused it.
    from: Instant,
    /// Until when: the time of the event that ended it; null when the saga is in it.
    #[schema(required)]
    until: Option<Instant>,
}

/// What undid what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineArc)]
struct ArcBody {
    /// The number of the event that is undone.
    #[schema(minimum = 1)]
    from: u32,
    /// The number of the event that undid it; null while that is owed.
    #[schema(required, minimum = 1)]
    to: Option<u32>,
    /// The step that is undone, as the definition names it.
    #[schema(example = "STOCK_RESERVED")]
    step: String,
    /// Until when it has to be undone; null where nothing is owed or no time runs.
    #[schema(required)]
    due: Option<Instant>,
    /// Whether that is over.
    overdue: bool,
}

/// A step that has not come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineGhost)]
struct GhostBody<'a> {
    /// The step, as the definition names it.
    #[schema(example = "PAYMENT_COMPLETED")]
    step: &'a str,
    /// The service that reported it in the newest sagas of the type that completed; null when none did.
    #[schema(required)]
    service: Option<&'a str>,
    /// Until when the saga has to have ended; null when it has.
    #[schema(required)]
    due: Option<Instant>,
}

/// An incident beside a timeline.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineIncident)]
struct TimelineIncidentBody {
    id: String,
    name: String,
    /// How bad it is, where it says.
    #[schema(required)]
    severity: Option<String>,
    from: Instant,
    /// Null while it goes on.
    #[schema(required)]
    until: Option<Instant>,
}

impl From<&IncidentView> for TimelineIncidentBody {
    fn from(told: &IncidentView) -> Self {
        Self {
            id: told.incident.id(),
            name: told.incident.name().to_owned(),
            severity: told.incident.severity().map(str::to_owned),
            from: Instant(told.incident.began),
            until: told.until.map(Instant),
        }
    }
}

impl From<&StateSpan> for StateSpanBody {
    fn from(state: &StateSpan) -> Self {
        Self {
            status: state.status.into(),
            from: Instant(state.from),
            until: state.until.map(Instant),
        }
    }
}

impl ArcBody {
    fn of(undoing: &Undoing, now: Millis) -> Self {
        Self {
            from: undoing.from,
            to: undoing.to,
            step: undoing.step.clone(),
            due: undoing.due.map(Instant),
            overdue: undoing.due.is_some_and(|due| due <= now),
        }
    }
}

impl<'a> TimelineColumnsBody<'a> {
    fn of(
        saga: &'a SagaId,
        found: &'a TimelineColumns,
        (moment, basis, now): (Moment, &Basis, Millis),
        incidents: &[IncidentView],
    ) -> Self {
        let [as_of, known_at] = moment::instants(moment);
        let first_row = found.rows.first().map(|row| row.place.recorded_at);
        let base = found.density.as_ref().map(|density| density.base).or(first_row);
        let base = base.unwrap_or_default().0;
        let ghost = |it: &'a Unreached| GhostBody {
            step: &it.step,
            service: found.reporters.get(&it.step).map(String::as_str),
            due: it.due.map(Instant),
        };
        Self {
            saga_id: saga.as_str(),
            saga_type: found.state.saga_type.as_str(),
            first: Instant(found.state.started_at),
            last: Instant(found.state.updated_at),
            whole: found.whole,
            total: found.total,
            exact: found.density.is_none(),
            notable_left_out: found.notable_left_out,
            base,
            names: NamesBody {
                steps: &found.names.steps,
                services: &found.names.services,
            },
            columns: ColumnsBody::of(&found.rows, base),
            density: found.density.as_ref().map(DensityBody::of),
            states: found.states.iter().map(StateSpanBody::from).collect(),
            states_left_out: found.states_left_out,
            arcs: found.undoings.iter().map(|it| ArcBody::of(it, now)).collect(),
            ghosts: found.unreached.iter().map(ghost).collect(),
            incidents: incidents.iter().map(Into::into).collect(),
            as_of,
            known_at,
            basis: basis.into(),
        }
    }
}

/// The timeline of a saga, to be drawn
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}/timeline",
    operation_id = "getTimeline",
    tag = "sagas",
    description = "As columns of numbers, with what its definition says of it: which event undid which, and what has not \
                   come. Of a saga of more events than max the notable ones are answered, and the others are counted \
                   by time, service and status; the answer does not grow with the saga.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        TimelineQuery,
    ),
    responses(
        (status = 200, body = TimelineColumnsBody<'static>, description = "Its timeline."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, it had not begun at that moment, or it was purged; the message says which."),
        (status = 409, body = ErrorBody, description = "Too many of its events came again to tell how often each did."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = TimelineQuery::parse(query.as_deref())?;
    let (what, moment) = (format!("the timeline of saga {id}"), query.moment());
    let today = context.clock().now();
    let (now, beside) = (query.as_of.unwrap_or(today), context.clone());
    let write = move |mut parts: chunked::Parts| async move {
        let saga = id.clone();
        let question = move |timeline: &mut Timeline<'_>| {
            let found = timeline.columns(moment, query.request())?;
            let found = found.ok_or_else(|| timeline.not_begun(moment))?;
            let state = &found.state;
            let named = (state.saga_type.as_str(), state.order_id.as_str(), saga.as_str());
            let lasted = (state.started_at, state.updated_at);
            let incidents = beside
                .parts()
                .incidents
                .beside(named, lasted, (today, MAX_INCIDENTS));
            let body = TimelineColumnsBody::of(&saga, &found, (moment, timeline.basis(), now), &incidents);
            // What is not written to its end breaks off: nobody reads it any more.
            if serde_json::to_writer(&mut parts, &body).is_ok() {
                parts.finish();
            }
            Ok::<(), QueryError>(())
        };
        moment::ask(&context, (&id, query.archive), caller.peer(), question).await
    };
    chunked::sent(what, write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_begins_before_it_ends_and_the_number_of_events_is_bounded() {
        let query = TimelineQuery::parse(Some("from=2026-01-31&to=2026-01-31&max=7")).unwrap();
        assert_eq!(
            (query.from, query.to, query.max),
            (
                parse_edge("2026-01-31", Edge::First),
                parse_edge("2026-01-31", Edge::Last),
                7
            )
        );
        assert_eq!(TimelineQuery::parse(None).unwrap().max, MAX_COLUMN_ROWS);
        for (query, parameter) in [
            ("from=2026-02-01&to=2026-01-31", "to"),
            ("max=0", "max"),
            ("max=20001", "max"),
            ("from=now", "from"),
            ("asOf=x", "asOf"),
        ] {
            let refused = TimelineQuery::parse(Some(query)).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{parameter}: found")), "{refused}");
        }
    }
}
