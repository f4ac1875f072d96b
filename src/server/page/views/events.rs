//! Events of a saga without what producers put beside them: as columns, which stay small whatever metadata there is.

use super::super::failure::Failure;
use super::super::values::{int, list, params, text};
use super::super::visit::Visit;
use serde_json::Value;

pub(super) const TIMELINE: &str = "/api/v1/sagas/{sagaId}/timeline";
/// Events of a saga that are read here.
const MOST: &str = "20000";
/// By their numbers in columns.
const STATUSES: [&str; 5] = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"];

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: Option<i64>,
    pub(super) step: String,
    pub(super) status: String,
    /// Milliseconds since the first one.
    pub(super) at: i64,
    pub(super) service: Option<String>,
}

/// The first events of a saga, and the instant of the first one, milliseconds.
///
/// # Errors
/// When the API does not tell them one by one.
pub(super) async fn first(visit: &Visit, id: &str, count: usize) -> Result<(i64, Vec<Event>), Failure> {
    let asked = params(&[("max", MOST)]);
    let timeline = visit.get(TIMELINE, &[id], &asked).await?;
    if !timeline["density"].is_null() {
        return Err(Failure::too_much(format!(
            "saga {id} has {} events; shown beside another are sagas of up to {MOST}",
            int(&timeline["total"])
        )));
    }
    visit.show_call(TIMELINE, &[id], &asked, None);
    let first = int(&timeline["base"]) + int(&timeline["columns"]["recordedAt"][0]);
    Ok((first, of_columns(&timeline, count)))
}

fn of_columns(timeline: &Value, count: usize) -> Vec<Event> {
    let columns = &timeline["columns"];
    let (mut id, mut at) = (0, 0);
    let name = |kind: &str, place: &Value| {
        let place = usize::try_from(int(place)).ok()?;
        let name = timeline["names"][kind].get(place)?;
        Some(text(name).to_owned())
    };
    let mut events = Vec::new();
    for row in 0..list(&columns["id"]).len().min(count) {
        id += int(&columns["id"][row]);
        // The first one stands at nought.
        at += if row == 0 {
            0
        } else {
            int(&columns["recordedAt"][row])
        };
        let status = usize::try_from(int(&columns["status"][row])).unwrap_or(usize::MAX);
        events.push(Event {
            id: Some(id),
            step: name("steps", &columns["step"][row]).unwrap_or_default(),
            status: STATUSES.get(status).copied().unwrap_or_default().to_owned(),
            at,
            service: name("services", &columns["service"][row]),
        });
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_events() {
        let timeline = json!({
            "names": {"steps": ["A", "B"], "services": ["s"]},
            "columns": {"id": [1, 2], "recordedAt": [5, 18], "step": [0, 1], "service": [0, -1], "status": [0, 3]},
        });
        let event = |id, step: &str, status: &str, at, service: Option<&str>| Event {
            id: Some(id),
            step: step.to_owned(),
            status: status.to_owned(),
            at,
            service: service.map(str::to_owned),
        };
        assert_eq!(
            of_columns(&timeline, 9),
            [
                event(1, "A", "STARTED", 0, Some("s")),
                event(3, "B", "FAILED", 18, None)
            ]
        );
        assert_eq!(of_columns(&timeline, 1).len(), 1);
    }
}
