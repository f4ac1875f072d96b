//! Reading the topic again, beside consuming it.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody};
use super::super::params::shown;
use super::super::text::{ACCEPTED, Edge, parse_edge};
use crate::operations::background::WorkState;
use crate::operations::topic_replay::TopicReplayStatus;
use crate::pipeline::ingest::topic_replay::{ReplayFrom, ReplayRange};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// From where to read again; without anything, from what the broker still has.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = TopicReplayRequest)]
pub(super) struct OrderBody {
    /// From this offset of each partition. Not together with fromTime.
    from_offset: Option<u64>,
    /// From the first record that arrived then or later: an instant, or a date.
    from_time: Option<String>,
    /// Only this partition.
    partition: Option<u32>,
}

impl OrderBody {
    fn read(&self) -> Result<ReplayRange, ApiError> {
        let fault = |parameter: &str, found: &str, accepted: &str| {
            ApiError::faults(vec![Detail {
                parameter: parameter.to_owned(),
                found: shown(found),
                accepted: accepted.to_owned(),
            }])
        };
        // What Kafka has for a partition.
        if let Some(partition) = self.partition.filter(|number| i32::try_from(*number).is_err()) {
            return Err(fault(
                "partition",
                &partition.to_string(),
                "a partition of the topic, at most 2147483647",
            ));
        }
        let from = match (self.from_offset, &self.from_time) {
            (None, None) => ReplayFrom::Beginning,
            // What Kafka has for an offset.
            (Some(offset), None) if i64::try_from(offset).is_err() => {
                return Err(fault(
                    "fromOffset",
                    &offset.to_string(),
                    "an offset, at most 9223372036854775807",
                ));
            }
            (Some(offset), None) => ReplayFrom::Offset(offset),
            (None, Some(text)) => {
                let at = parse_edge(text, Edge::First);
                ReplayFrom::Time(at.ok_or_else(|| fault("fromTime", text, ACCEPTED))?)
            }
            (Some(_), Some(text)) => {
                return Err(fault("fromTime", text, "one of fromOffset and fromTime"));
            }
        };
        Ok(ReplayRange {
            from,
            partition: self.partition,
        })
    }
}

/// How far a replay is, or what the last one found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TopicReplay)]
pub(super) struct StatusBody {
    running: bool,
    /// Offsets to go through, from the first that the broker has to what is consumed.
    total: u64,
    /// Records read so far.
    read: u64,
    /// Records that the store accounts for already.
    known: u64,
    /// Records that were missing and are filled in.
    filled: u64,
    /// Records before the offset that the store starts at, which are left alone.
    before_start: u64,
    /// Why the last one ended early.
    #[schema(required)]
    error: Option<String>,
}

impl From<TopicReplayStatus> for StatusBody {
    fn from(TopicReplayStatus { state, done }: TopicReplayStatus) -> Self {
        Self {
            running: state == WorkState::Running,
            total: done.total,
            read: done.read,
            known: done.known,
            filled: done.filled,
            before_start: done.before_start,
            error: match state {
                WorkState::Failed(why) => Some(why),
                _ => None,
            },
        }
    }
}

/// Starts a replay of the topic
#[utoipa::path(
    post,
    path = "/internal/v1/replay",
    operation_id = "startTopicReplay",
    tag = "internal",
    description = "Reads the topic again, up to what is consumed. What the log has is recognised by its position; what it \
                   lacks, because the broker did not deliver it at first, is filled in.",
    params(("X-Operator" = Option<String>, Header, description = "Who is at work, for the audit log.")),
    request_body = OrderBody,
    responses(
        (status = 202, body = StatusBody, description = "It runs; the same path tells how far it is."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body."),
        (status = 409, body = ErrorBody, description = "One runs already, or a rebuild does."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
    )
)]
pub(super) async fn start(
    State(context): State<Context>,
    caller: Caller,
    audit_entry: AuditEntry,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<(StatusCode, Json<StatusBody>), ApiError> {
    audit_entry.act("replay-topic", "topic", "");
    let range = body.read()?;
    let (replays, act) = (
        context.parts().topic_replays.clone(),
        caller.act("replay-topic", "topic", ""),
    );
    let status = context.blocking(move || replays.start(range, act)).await??;
    Ok((StatusCode::ACCEPTED, Json(status.into())))
}

/// How far a replay of the topic is, or what the last one found
#[utoipa::path(
    get,
    path = "/internal/v1/replay",
    operation_id = "getTopicReplay",
    tag = "internal",
    responses((status = 200, body = StatusBody, description = "The running or the last one."))
)]
pub(super) async fn status(State(context): State<Context>) -> Json<StatusBody> {
    Json(context.parts().topic_replays.status().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        let body: OrderBody = serde_json::from_str(body).unwrap();
        body.read().unwrap_err().to_string()
    }

    #[test]
    fn what_kafka_cannot_have_is_refused_by_name() {
        let told = refusal(r#"{"partition": 2147483648}"#);
        assert!(
            told.contains("partition") && told.contains("at most 2147483647"),
            "{told}"
        );
        let told = refusal(r#"{"fromOffset": 9223372036854775808}"#);
        assert!(told.contains("fromOffset"), "{told}");
        let greatest: OrderBody = serde_json::from_str(r#"{"partition": 2147483647}"#).unwrap();
        assert_eq!(greatest.read().unwrap().partition, Some(2_147_483_647));
    }
}
