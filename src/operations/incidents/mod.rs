//! Alerts that came in, from Alertmanager or Grafana: taken, kept within bounds, and found again as incidents.
//!
//! They are this replica's own: who wants them on every replica has them sent to each. What an alert is about is said
//! by its labels alone; nothing here looks at sagas. How alerts travel (HTTP, who may send them) is told apart by
//! `token`; what happens *because* of them is nobody's business here.

mod alert;
mod incident;
mod incident_store;
mod room;
mod settings;
mod token;

#[cfg(test)]
mod tests;

pub use alert::{Alert, AlertFault, Alerts, MAX_ALERTS};
pub use incident::{Incident, IncidentView, MatchedSagas};
pub use incident_store::{IncidentFilter, Incidents, Taken};
pub use settings::IncidentSettings;
pub use token::{Token, TokenError};
