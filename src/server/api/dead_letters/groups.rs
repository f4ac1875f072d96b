//! The dead letters that match, grouped by what they have in common.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::Params;
use super::super::text::Instant;
use super::CountsBody;
use super::filter::{self, FilterQuery};
use crate::operations::dead_letters::{DeadLetterGroup, DeadLetterId, GroupBy};
use crate::server::metrics::Asked;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

/// What to group by.
#[derive(Debug, PartialEq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
pub(super) struct GroupQuery {
    /// What dead letters of one group have in common.
    #[param(value_type = Option<String>, pattern = "^(reason|topic|step)$", default = "reason")]
    by: Option<GroupBy>,
}

/// The groups.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroups)]
pub(super) struct GroupsBody {
    /// The largest first; at most 1,000.
    groups: Vec<GroupBody>,
    /// Dead letters of none of these groups, because there are more groups.
    others: CountsBody,
}

/// Dead letters that have something in common.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroup)]
struct GroupBody {
    /// What they have in common; null where it could not be decoded.
    #[schema(required)]
    name: Option<String>,
    #[serde(flatten)]
    counts: CountsBody,
    /// When the first of them arrived.
    #[schema(required)]
    oldest: Option<Instant>,
    /// When the last of them arrived.
    #[schema(required)]
    newest: Option<Instant>,
    /// The last of them, to look at.
    #[schema(required)]
    example: Option<String>,
}

impl From<DeadLetterGroup> for GroupBody {
    fn from(group: DeadLetterGroup) -> Self {
        Self {
            name: group.name,
            counts: group.counts.into(),
            oldest: group.oldest.map(Instant),
            newest: group.newest.map(Instant),
            example: group.example.map(|at| DeadLetterId(at).to_string()),
        }
    }
}

/// The dead letters that match, grouped
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/groups",
    operation_id = "groupDeadLetters",
    tag = "dead letters",
    params(FilterQuery, GroupQuery),
    responses(
        (status = 200, body = GroupsBody, description = "The groups, the largest first."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<GroupsBody>, ApiError> {
    let mut params = Params::of(query.as_deref());
    let filter = filter::parse(&mut params);
    let by = params.take(&["by"], "reason, topic or step", |text| match text {
        "reason" => Some(GroupBy::Reason),
        "topic" => Some(GroupBy::Topic),
        "step" => Some(GroupBy::Step),
        _ => None,
    });
    params.finish()?;
    let by = by.unwrap_or(GroupBy::Reason);
    let (groups, others) = context
        .letters(Asked::DeadLetters, move |dead_letter_query| {
            dead_letter_query.groups(&filter, by)
        })
        .await??;
    let groups = groups.into_iter().map(GroupBody::from).collect();
    Ok(Json(GroupsBody {
        groups,
        others: others.into(),
    }))
}
