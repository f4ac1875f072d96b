//! Redrives that wait for their turn. What a redrive tells of itself is that it has not ended; only the list of what runs
//! beside serving tells which one it is that runs.

use super::super::failure::Failure;
use super::super::values::{list, params, text};
use super::super::visit::Visit;
use serde_json::{Value, json};

const JOBS: &str = "/internal/v1/jobs";

/// What runs beside serving.
///
/// # Errors
/// When the API does not tell.
pub(super) async fn jobs(visit: &Visit) -> Result<Value, Failure> {
    visit.get(JOBS, &[], &params(&[])).await
}

/// Redrives with whether each waits for its turn. The jobs are asked for only where one has not ended.
///
/// # Errors
/// When the API does not tell.
pub(super) async fn marked(visit: &Visit, redrives: &[Value]) -> Result<Vec<Value>, Failure> {
    let is_asked = redrives.iter().any(|redrive| redrive["running"] == true);
    let jobs = if is_asked { jobs(visit).await? } else { Value::Null };
    let marked = redrives.iter().map(|redrive| {
        let mut redrive = redrive.clone();
        redrive["waits"] = (redrive["running"] == true && waits(&jobs, &redrive["number"])).into();
        redrive
    });
    Ok(marked.collect())
}

/// Whether a redrive waits for its turn.
pub(super) fn waits(jobs: &Value, number: &Value) -> bool {
    job_of(jobs, number).is_some_and(|job| !job["waiting"].is_null())
}

/// Why a redrive ended early; null when it did not.
pub(super) fn error(jobs: &Value, number: &Value) -> Value {
    job_of(jobs, number).map_or(Value::Null, |job| job["error"].clone())
}

/// The numbers of the redrives whose turn it is.
pub(super) fn running(jobs: &Value) -> Vec<&Value> {
    let running = list(&jobs["jobs"])
        .iter()
        .filter(|job| is_redrive(job) && job["running"] == true);
    running.map(|job| &job["number"]).collect()
}

/// The jobs, each with the redrives that it waits for: null unless it is one that waits for its turn.
pub(super) fn with_turns(found: &Value) -> Vec<Value> {
    let running = json!(running(found));
    let jobs = list(&found["jobs"]).iter().map(|job| {
        let mut job = job.clone();
        let waits = is_redrive(&job) && !job["waiting"].is_null();
        job["behind"] = if waits { running.clone() } else { Value::Null };
        job
    });
    jobs.collect()
}

fn is_redrive(job: &Value) -> bool {
    ["redrive", "rehearsal"].contains(&text(&job["kind"]))
}

fn job_of<'j>(jobs: &'j Value, number: &Value) -> Option<&'j Value> {
    let mut jobs = list(&jobs["jobs"]).iter();
    jobs.find(|job| is_redrive(job) && &job["number"] == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_waits_behind_those_that_run() {
        let jobs = json!({"jobs": [
            {"kind": "redrive", "number": 7, "running": true, "waiting": null, "error": null},
            {"kind": "rebuild", "number": null, "running": false, "waiting": "room on the disk", "error": null},
            {"kind": "rehearsal", "number": 8, "running": false, "waiting": "its turn, behind redrive 7", "error": null},
            {"kind": "redrive", "number": 6, "running": false, "waiting": null, "error": "Kafka"},
        ]});
        assert_eq!(running(&jobs), [&json!(7)]);
        assert!(waits(&jobs, &json!(8)) && !waits(&jobs, &json!(7)) && !waits(&jobs, &json!(5)));
        assert_eq!(
            (error(&jobs, &json!(6)), error(&jobs, &json!(7))),
            (json!("Kafka"), Value::Null)
        );
        let behind: Vec<Value> = with_turns(&jobs)
            .iter()
            .map(|job| job["behind"].clone())
            .collect();
        assert_eq!(behind, [Value::Null, Value::Null, json!([7]), Value::Null]);
    }
}
