//! How far consumption and projection are.

use super::super::context::Context;
use crate::domain::Cut;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// How far consumption and projection are.
#[derive(Serialize, ToSchema)]
#[schema(as = Progress)]
pub(super) struct ProgressBody {
    partitions: Vec<PartitionBody>,
    ops: OpsBody,
}

/// How far operators' decisions are read.
#[derive(Serialize, ToSchema)]
#[schema(as = OpsProgress)]
struct OpsBody {
    /// The next offset of the ops topic to read; all before it has taken effect.
    next: u64,
    /// The end of the ops topic; null before it is known.
    #[schema(required)]
    end: Option<u64>,
    /// Why decisions are not read now; null while they are.
    #[schema(required)]
    waiting: Option<String>,
}

/// How far one partition is.
#[derive(Serialize, ToSchema)]
#[schema(as = PartitionProgress)]
struct PartitionBody {
    partition: u32,
    /// The next offset to consume; all before it is stored.
    next: u64,
    /// The next offset to fold; all before it shows in answers.
    projected: u64,
    /// The end of the partition at the broker; null before it told.
    #[schema(required)]
    end: Option<u64>,
}

/// How far consumption and projection are
#[utoipa::path(
    get,
    path = "/internal/v1/progress",
    operation_id = "getProgress",
    tag = "internal",
    responses((status = 200, body = ProgressBody, description = "Each known partition."))
)]
pub(super) async fn handle(State(context): State<Context>) -> Json<ProgressBody> {
    let parts = context.parts();
    let ingest = parts.ingest.snapshot();
    let projected = parts.projected.status().cursor;
    let numbers = |cut: &Cut| {
        cut.iter()
            .map(|(partition, _)| partition)
            .collect::<BTreeSet<_>>()
    };
    let ends = numbers(&ingest.end);
    let known = &(&numbers(&ingest.next) | &ends) | &numbers(&projected);
    let partitions = known.into_iter().map(|partition| PartitionBody {
        partition,
        next: ingest.next.next(partition),
        projected: projected.next(partition),
        end: ends.contains(&partition).then(|| ingest.end.next(partition)),
    });
    let ops = parts.decisions.status.snapshot();
    Json(ProgressBody {
        partitions: partitions.collect(),
        ops: OpsBody {
            next: ops.next,
            end: ops.end,
            waiting: ops.fatal.or(ops.waiting),
        },
    })
}
