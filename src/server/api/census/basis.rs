//! Of which instant an answer is, and what it was computed from.

use super::super::params::Params;
use super::super::text::{ACCEPTED, Edge, Instant, edge_schema, parse_edge};
use crate::domain::Millis;
use crate::pipeline::query::Basis;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

/// Of which instant an answer is, and what it was computed from: whoever has folded the same under the same
/// definitions gets the same answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Moment)]
pub(in crate::server::api) struct MomentBody {
    /// The instant that was asked for; null where it is as it is now.
    #[schema(required)]
    as_of: Option<Instant>,
    /// By partition of the tracker topic the first offset that was not folded yet.
    #[schema(value_type = BTreeMap<String, u64>)]
    cursor: BTreeMap<u32, u64>,
    /// The BLAKE3 hash of the rules that it was folded under.
    definitions: String,
}

impl MomentBody {
    pub(in crate::server::api) fn of(as_of: Option<Millis>, basis: &Basis) -> Self {
        Self {
            as_of: as_of.map(Instant),
            cursor: basis.cursor.iter().collect(),
            definitions: basis.definitions.clone(),
        }
    }
}

/// `asOf`: the last instant that counts.
pub(in crate::server::api) fn as_of(params: &mut Params<'_>) -> Option<Millis> {
    params.take(&["asOf"], ACCEPTED, |text| parse_edge(text, Edge::Last))
}

/// The schema of `asOf`.
pub(in crate::server::api) fn as_of_schema() -> Schema {
    edge_schema(
        "As it was at this instant, by what is known now: an instant, or a date, of which the end counts. Left \
         out: as it is now.",
    )
}
