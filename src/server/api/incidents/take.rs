//! Alerts in.

use super::super::audit_entry::AuditEntry;
use super::super::body::JsonBody;
use super::super::context::Context;
use super::super::error::{ApiError, Detail, ErrorBody};
use super::sender::AlertSender;
use crate::operations::incidents::{AlertFault, Alerts};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What Alertmanager's webhook (version 4) sends, or Grafana's. Other fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only what is documented; the fields are read one by one")]
#[schema(as = Alerts)]
pub(super) struct AlertsBody {
    /// 4 (Alertmanager) or 1 (Grafana).
    #[schema(pattern = "^(4|1)$", example = "4")]
    version: String,
    /// To which receiver they are sent.
    #[schema(max_length = 2000)]
    receiver: Option<String>,
    #[schema(max_items = 1000)]
    alerts: Vec<AlertBody>,
}

/// One alert.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only what is documented; the fields are read one by one")]
#[schema(as = Alert, rename_all = "camelCase")]
struct AlertBody {
    #[schema(pattern = "^(firing|resolved)$", example = "firing")]
    status: String,
    /// Up to 64, with names of up to 255 and texts of up to 2000 characters.
    labels: Option<BTreeMap<String, String>>,
    /// Up to 64; of each text the first 4000 characters are kept. Of an alert 16 KiB are kept: annotations make room for
    /// labels, what is short stays whole, and "…" says where something was cut or left out.
    annotations: Option<BTreeMap<String, String>>,
    /// Since when it fires, from 2000 up to 5 minutes from now.
    #[schema(format = DateTime)]
    starts_at: String,
    /// Until when it fired; counts once it is resolved. What lies ahead counts as now.
    ends_at: Option<String>,
    /// Names the alert by its labels: with its start, an alert is one incident.
    #[schema(min_length = 1, max_length = 255)]
    fingerprint: String,
    #[schema(rename = "generatorURL")]
    generator_url: Option<String>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertsTaken)]
pub(super) struct TakenBody {
    /// Alerts that were told of for the first time.
    new: usize,
    /// Alerts that were known.
    known: usize,
    /// Alerts that are over by what was told now.
    ended: usize,
}

impl From<AlertFault> for Detail {
    fn from(fault: AlertFault) -> Self {
        Self {
            parameter: fault.field,
            found: fault.found,
            accepted: fault.accepted,
        }
    }
}

/// Takes alerts in
#[utoipa::path(
    post,
    path = "/api/v1/alerts",
    operation_id = "takeAlerts",
    tag = "incidents",
    description = "Alertmanager's webhook (version 4), or Grafana's. An alert is known by its fingerprint and its start: told \
                   again it stays one incident, and resolved it is over, unless it still fires more than 5 minutes later. \
                   All alerts of a call are taken or none. They are this replica's own. With incidents.token_file set, Authorization: Bearer with that token.",
    request_body = AlertsBody,
    responses(
        (status = 200, body = TakenBody, description = "They are stored."),
        (status = 400, body = ErrorBody, description = "Something is wrong with the body; details says what."),
        (status = 401, body = ErrorBody, description = "The token is missing, or is not the one in the file."),
        (status = 415, body = ErrorBody, description = "The body is not JSON."),
        (status = 503, body = ErrorBody, description = "The file of the token cannot be read."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    _: AlertSender,
    audit_entry: AuditEntry,
    JsonBody(sent): JsonBody<Map<String, Value>>,
) -> Result<Json<TakenBody>, ApiError> {
    // Nobody's act, and nothing of a saga changes; what is refused is recorded.
    audit_entry.reads();
    let now = context.clock().now();
    let alerts = Alerts::read(&sent, now)
        .map_err(|faults| ApiError::faults(faults.into_iter().map(Detail::from).collect()))?;
    let asked = context.clone();
    let taken = context
        .blocking(move || asked.parts().incidents.take(&alerts, now))
        .await??;
    Ok(Json(TakenBody {
        new: taken.new,
        known: taken.known,
        ended: taken.ended,
    }))
}
