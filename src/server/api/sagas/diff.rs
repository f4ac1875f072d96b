//! How a saga at one moment differs from the same saga at another.

use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody, ErrorKind};
use super::super::params::Params;
use super::super::saga_fields::SagaIdPath;
use super::super::text::{Instant, edge_schema};
use super::moment::{self, BasisBody};
use super::past::PastEventBody;
use super::{SagaBody, archive_wanted};
use crate::domain::{BoundedLog, Millis, SagaId, SagaState};
use crate::pipeline::query::{Basis, Difference, Moment, PastEvent, SagaView, Timeline};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// Which two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct DiffQuery {
    /// Whether to look into the archive when it was purged.
    #[param(value_type = Option<bool>)]
    archive: bool,
    #[param(schema_with = from_schema)]
    from: Option<Millis>,
    #[param(schema_with = from_known_at_schema)]
    from_known_at: Option<Millis>,
    #[param(schema_with = to_schema)]
    to: Option<Millis>,
    #[param(schema_with = to_known_at_schema)]
    to_known_at: Option<Millis>,
}

fn from_schema() -> Schema {
    edge_schema(
        "The first moment, by event time. Not given: by all events. A date means its end, 23:59:59.999Z.",
    )
}

fn from_known_at_schema() -> Schema {
    edge_schema("The first moment, by arrival time. Not given: by all that is known. A date means its end.")
}

fn to_schema() -> Schema {
    edge_schema(
        "The second moment, by event time. Not given: by all events. A date means its end, 23:59:59.999Z.",
    )
}

fn to_known_at_schema() -> Schema {
    edge_schema("The second moment, by arrival time. Not given: by all that is known. A date means its end.")
}

impl DiffQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let archive = archive_wanted(&mut params);
        let from = moment::take(&mut params, ["from", "fromKnownAt"]);
        let to = moment::take(&mut params, ["to", "toKnownAt"]);
        params.finish()?;
        Ok(Self {
            archive,
            from: from.as_of,
            from_known_at: from.known_at,
            to: to.as_of,
            to_known_at: to.known_at,
        })
    }

    fn moments(&self) -> [Moment; 2] {
        let moment = |as_of, known_at| Moment { as_of, known_at };
        [
            moment(self.from, self.from_known_at),
            moment(self.to, self.to_known_at),
        ]
    }
}

/// How two moments of a saga differ.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SagaDifference)]
pub(super) struct DiffBody {
    saga_id: String,
    /// The first moment.
    from: SideBody,
    /// The second.
    to: SideBody,
    /// The fields of the saga that differ.
    fields: Vec<FieldBody>,
    #[serde(flatten)]
    basis: BasisBody,
}

/// A saga at one of two moments.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SagaSide)]
struct SideBody {
    /// The moment's event time; null when none was given.
    #[schema(required)]
    as_of: Option<Instant>,
    /// The moment's arrival time; null when none was given.
    #[schema(required)]
    known_at: Option<Instant>,
    /// The saga then; null when it had not begun.
    #[schema(required)]
    saga: Option<SagaBody>,
    /// How many events stand here and not at the other moment.
    only_here_count: u32,
    /// The first hundred of them, in the order of the timeline.
    only_here: Vec<PastEventBody>,
}

/// A field of the saga that is not the same at both moments.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = DifferentField)]
struct FieldBody {
    /// Its name in the saga's answer.
    #[schema(example = "currentStatus")]
    field: String,
    /// What it was at the first moment; null when the saga had not begun.
    from: Value,
    /// What it was at the second.
    to: Value,
}

impl SideBody {
    fn of<const N: usize>(
        moment: Moment,
        saga: Option<SagaBody>,
        only_here: BoundedLog<PastEvent, N>,
    ) -> Self {
        let [as_of, known_at] = moment::instants(moment);
        Self {
            as_of,
            known_at,
            saga,
            only_here_count: only_here.total,
            only_here: only_here.kept.into_iter().map(Into::into).collect(),
        }
    }
}

impl DiffBody {
    fn of(
        id: &SagaId,
        [from, to]: [Moment; 2],
        difference: Difference,
        basis: &Basis,
    ) -> Result<Self, serde_json::Error> {
        let saga = |state: Option<SagaState>| {
            let saga_id = id.clone();
            state.map(|state| SagaBody::from(SagaView { saga_id, state }))
        };
        let sagas = [saga(difference.from), saga(difference.to)];
        let fields = different_fields(&fields_of(&sagas[0])?, &fields_of(&sagas[1])?);
        let [saga_from, saga_to] = sagas;
        Ok(Self {
            saga_id: id.as_str().to_owned(),
            from: SideBody::of(from, saga_from, difference.only_from),
            to: SideBody::of(to, saga_to, difference.only_to),
            fields,
            basis: basis.into(),
        })
    }
}

fn fields_of(saga: &Option<SagaBody>) -> Result<Map<String, Value>, serde_json::Error> {
    Ok(match serde_json::to_value(saga)? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    })
}

/// What is not the same. `status` says what `currentStatus` does.
fn different_fields(from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<FieldBody> {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let told = names.into_iter().filter(|name| name.as_str() != "status");
    told.filter(|name| from.get(*name) != to.get(*name))
        .map(|name| FieldBody {
            field: name.clone(),
            from: from.get(name).cloned().unwrap_or_default(),
            to: to.get(name).cloned().unwrap_or_default(),
        })
        .collect()
}

/// How two moments of a saga differ
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}/diff",
    operation_id = "getDifference",
    tag = "sagas",
    description = "Each side is a moment by event time, by arrival time, or both; a side of which nothing is given is \
                   now. Both states, the fields that differ, and the events that stand on one side alone.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        DiffQuery,
    ),
    responses(
        (status = 200, body = DiffBody, description = "What differs. A side on which the saga had not begun has none."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, or it was purged; the message says which."),
        (status = 409, body = ErrorBody, description = "Too many of its events came again to tell what was known."),
        (status = 503, body = ErrorBody, description = "The archive cannot be reached."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    caller: Caller,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Json<DiffBody>, ApiError> {
    let query = DiffQuery::parse(query.as_deref())?;
    let [from, to] = query.moments();
    let question = move |timeline: &mut Timeline<'_>| {
        let difference = timeline.difference(from, to)?;
        Ok((difference, timeline.basis().clone()))
    };
    let (difference, basis) = moment::ask(&context, (&id, query.archive), caller.peer(), question).await?;
    let body = DiffBody::of(&id, [from, to], difference, &basis);
    body.map(Json)
        .map_err(|error| ApiError::new(ErrorKind::InternalError, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_not_the_same_is_told_and_what_is_missing_is_null() {
        let fields = |value: Value| value.as_object().cloned().unwrap();
        let from = fields(json!({"status": "A", "currentStatus": "A", "stepCount": 1, "sagaId": "s"}));
        let to = fields(json!({"status": "B", "currentStatus": "B", "stepCount": 1, "sagaId": "s"}));
        let told = different_fields(&from, &to);
        assert_eq!(
            serde_json::to_value(&told).unwrap(),
            json!([{"field": "currentStatus", "from": "A", "to": "B"}])
        );
        let told = different_fields(&Map::new(), &to);
        let names: Vec<_> = told.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(names, ["currentStatus", "sagaId", "stepCount"]);
        assert_eq!(told[0].from, Value::Null);
    }
}
