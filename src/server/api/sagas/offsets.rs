//! The offsets of a saga: where each of its deliveries stands in the topic, page by page.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::saga_fields::SagaIdPath;
use super::super::text::Instant;
use super::part::{DEFAULT_SIZE, page, place_text};
use crate::domain::{SagaId, TimelineKey};
use crate::pipeline::query::SagaOffset;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

/// Which offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct OffsetsQuery {
    /// Offsets on a page.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1000, default = 100)]
    size: u64,
    /// `next` of an earlier answer: answers with the offsets behind it.
    #[param(value_type = Option<String>, min_length = 1)]
    after: Option<TimelineKey>,
}

impl OffsetsQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let (size, after) = page(&mut params);
        params.finish()?;
        let size = size.unwrap_or(DEFAULT_SIZE);
        Ok(Self { size, after })
    }
}

/// The offsets of a saga.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SagaOffsets)]
pub(super) struct SagaOffsetsBody {
    saga_id: String,
    /// Each delivery of the saga that is folded, in the order of the timeline.
    offsets: Vec<SagaOffsetBody>,
    /// Leads to the offsets behind these, as `after`. Absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// One delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SagaOffset)]
struct SagaOffsetBody {
    /// Partition of the tracker topic.
    partition: u32,
    /// Offset in it.
    offset: u64,
    /// What it came to: applied, duplicate, or operator.
    #[schema(pattern = "^(applied|duplicate|operator)$")]
    class: &'static str,
    /// When it arrived, by Kafka's timestamp.
    arrived_at: Instant,
    /// Event time.
    recorded_at: Instant,
}

impl From<&SagaOffset> for SagaOffsetBody {
    fn from(found: &SagaOffset) -> Self {
        Self {
            partition: found.place.position.partition,
            offset: found.place.position.offset,
            class: found.class.as_str(),
            arrived_at: Instant(found.arrived_at),
            recorded_at: Instant(found.place.recorded_at),
        }
    }
}

impl SagaOffsetsBody {
    /// Of one more than fit on the page, where there are so many.
    fn of(id: &SagaId, mut found: Vec<SagaOffset>, size: usize) -> Self {
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().map(|last| place_text(last.place));
        Self {
            saga_id: id.as_str().to_owned(),
            offsets: found.iter().map(Into::into).collect(),
            next: last.filter(|_| more),
        }
    }
}

/// The offsets of a saga
#[utoipa::path(
    get,
    path = "/api/v1/sagas/{sagaId}/offsets",
    operation_id = "getSagaOffsets",
    tag = "sagas",
    description = "Where each delivery of the saga stands in the tracker topic, and what it came to in the ledger.",
    params(
        ("sagaId" = String, Path, min_length = 1, description = "Any text, percent-encoded."),
        OffsetsQuery,
    ),
    responses(
        (status = 200, body = SagaOffsetsBody, description = "A page of its deliveries, in the order of the timeline."),
        (status = 400, body = ErrorBody, description = "A parameter is not as it must be."),
        (status = 404, body = ErrorBody, description = "No event of the saga has been seen, or it was purged; the message says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    SagaIdPath(id): SagaIdPath,
    RawQuery(query): RawQuery,
) -> Result<Json<SagaOffsetsBody>, ApiError> {
    let OffsetsQuery { size, after } = OffsetsQuery::parse(query.as_deref())?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let found = context.saga_offsets(&id, after, size + 1).await?;
    Ok(Json(SagaOffsetsBody::of(&id, found, size)))
}
