//! The moment that a saga is asked about: by event time, by arrival time, or by both; and where it is asked.

use super::super::context::Context;
use super::super::error::ApiError;
use super::super::params::Params;
use super::super::places::Peer;
use super::super::retention::archived_timeline;
use super::super::text::{ACCEPTED, Edge, Instant, edge_schema, parse_edge};
use crate::domain::SagaId;
use crate::pipeline::query::{Basis, Moment, QueryError, Timeline};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// Takes both clocks of a moment under these names. A date means its last millisecond.
pub(in crate::server::api) fn take(params: &mut Params<'_>, [as_of, known_at]: [&str; 2]) -> Moment {
    let mut clock = |name| params.take(&[name], ACCEPTED, |text| parse_edge(text, Edge::Last));
    Moment {
        as_of: clock(as_of),
        known_at: clock(known_at),
    }
}

/// The schema of `asOf`.
pub(in crate::server::api) fn as_of_schema() -> Schema {
    edge_schema(
        "What was true then, by event time: events with a later recordedAt do not count. An instant, or a date, \
         which means its end, 23:59:59.999Z.",
    )
}

/// The schema of `knownAt`.
pub(in crate::server::api) fn known_at_schema() -> Schema {
    edge_schema(
        "What was known then, by arrival time: deliveries that arrived later do not count, whatever their \
         recordedAt. An instant, or a date, which means its end, 23:59:59.999Z.",
    )
}

/// What an answer was computed from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Basis)]
pub(super) struct BasisBody {
    /// By partition of the tracker topic, the next offset that the answer does not count.
    cursor: BTreeMap<String, u64>,
    /// The hash (BLAKE3, hexadecimal) of the rules that it was folded under.
    definitions: String,
}

impl From<&Basis> for BasisBody {
    fn from(basis: &Basis) -> Self {
        let offsets = basis.cursor.iter();
        Self {
            cursor: offsets
                .map(|(partition, next)| (partition.to_string(), next))
                .collect(),
            definitions: basis.definitions.clone(),
        }
    }
}

/// Of which moment an answer is, and what it was computed from: whoever has folded the same under the same
/// definitions gets the same answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AnswerMoment)]
pub(in crate::server::api) struct MomentBody {
    /// What was asked for by event time; null where nothing was.
    #[schema(required)]
    as_of: Option<Instant>,
    /// What was asked for by arrival time; null where nothing was.
    #[schema(required)]
    known_at: Option<Instant>,
    #[serde(flatten)]
    basis: BasisBody,
}

impl MomentBody {
    pub(in crate::server::api) fn of(moment: Moment, basis: &Basis) -> Self {
        let [as_of, known_at] = instants(moment);
        Self {
            as_of,
            known_at,
            basis: basis.into(),
        }
    }
}

/// The same where only a moment that was asked for is told of.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AskedMoment)]
pub(in crate::server::api) struct AskedMomentBody {
    /// The event time that was asked for. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    as_of: Option<Instant>,
    /// The arrival time that was asked for. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    known_at: Option<Instant>,
    /// By partition of the tracker topic, the next offset that the answer does not count. Absent unless asOf or
    /// knownAt was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cursor: Option<BTreeMap<String, u64>>,
    /// The hash (BLAKE3, hexadecimal) of the rules that it was folded under. Absent unless asOf or knownAt was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    definitions: Option<String>,
}

impl AskedMomentBody {
    pub(in crate::server::api) fn of(moment: Moment, basis: &Basis) -> Self {
        if moment.is_now() {
            return Self::default();
        }
        let [as_of, known_at] = instants(moment);
        let BasisBody { cursor, definitions } = BasisBody::from(basis);
        Self {
            as_of,
            known_at,
            cursor: Some(cursor),
            definitions: Some(definitions),
        }
    }
}

/// The instants of a moment as answers have them.
pub(super) fn instants(moment: Moment) -> [Option<Instant>; 2] {
    [moment.as_of, moment.known_at].map(|at| at.map(Instant))
}

/// Asks about a saga's timeline: in the log, or, when it was purged and that is wanted, in the archive.
pub(in crate::server::api) async fn ask<T: Send + 'static>(
    context: &Context,
    (id, archive): (&SagaId, bool),
    peer: Option<Peer>,
    question: impl FnOnce(&mut Timeline<'_>) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, ApiError> {
    if archive && context.saga(id).is_err() && is_gone(context, id).await? {
        return archived_timeline(context, id, question).await;
    }
    context.timeline(id, peer, question).await
}

/// Whether a saga was purged, and not restored.
pub(super) async fn is_gone(context: &Context, id: &SagaId) -> Result<bool, ApiError> {
    let purged = context.purged(id.clone()).await?;
    Ok(purged.is_some_and(|view| view.purged.is_gone()))
}
