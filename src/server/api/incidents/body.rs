//! An incident in an answer.

use super::super::text::Instant;
use crate::operations::incidents::{Incident, IncidentView};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An alert from when it fired until it was over.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Incident)]
pub(super) struct IncidentBody {
    /// Names it in every other call.
    id: String,
    /// The rule that fired (the label alertname).
    #[schema(example = "SagaFailureSpike")]
    name: String,
    /// The label of that name; null without.
    #[schema(required, example = "warning")]
    severity: Option<String>,
    /// Since when it fires.
    from: Instant,
    /// Until when it fired; null while it does. One that nobody tells of for incidents.silent_hours was over then.
    #[schema(required)]
    until: Option<Instant>,
    /// When it was told of first.
    received_at: Instant,
    /// When it was told of last.
    updated_at: Instant,
    /// How often it was told of.
    times: u64,
    /// To which receiver of its sender it was sent; null where it did not say.
    #[schema(required)]
    receiver: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// Where what it is made of is shown: http or https; null without.
    #[schema(required)]
    generator_url: Option<String>,
    /// The annotation runbook_url: http or https; null without.
    #[schema(required)]
    runbook_url: Option<String>,
    /// How many sagas `search` finds; null where it is empty, or that would take long.
    #[schema(required)]
    sagas: Option<u64>,
    /// Parameters of the search for the sagas that its labels name and that started in its time; empty when its labels
    /// name none by type or order.
    search: BTreeMap<&'static str, String>,
}

impl IncidentBody {
    pub(super) fn of(told: &IncidentView, sagas: Option<u64>) -> Self {
        let incident: &Incident = &told.incident;
        Self {
            id: incident.id(),
            name: incident.name().to_owned(),
            severity: incident.severity().map(str::to_owned),
            from: Instant(incident.began),
            until: told.until.map(Instant),
            received_at: Instant(incident.first_told),
            updated_at: Instant(incident.last_told),
            times: incident.times,
            receiver: incident.receiver.clone(),
            labels: incident.labels.clone(),
            annotations: incident.annotations.clone(),
            generator_url: incident.generator_url.clone(),
            runbook_url: incident.runbook_url(),
            sagas,
            search: search_of(told),
        }
    }
}

/// The parameters of the search for an incident's sagas.
fn search_of(told: &IncidentView) -> BTreeMap<&'static str, String> {
    let named = told.incident.sagas();
    if named.saga_type.is_none() && named.order_id.is_none() {
        return BTreeMap::new();
    }
    [
        ("sagaType", named.saga_type.map(str::to_owned)),
        ("orderId", named.order_id.map(str::to_owned)),
        ("status", named.status.map(|status| status.as_str().to_owned())),
        ("fromDate", Some(told.incident.began.to_string())),
        ("toDate", told.until.map(|until| until.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}
