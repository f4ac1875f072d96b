//! What runs beside serving, what waits, and how the last of each kind ended.

use super::super::context::Context;
use super::super::error::ApiError;
use super::super::text::Instant;
use crate::operations::background::WorkState;
use crate::operations::dead_letters::redrive::{RedriveStatus, Redrives};
use crate::operations::rebuild::{RebuildPhase, RebuildStatus};
use crate::operations::retention::RetentionSnapshot;
use crate::operations::snapshot::Known;
use crate::operations::topic_replay::TopicReplayStatus;
use crate::store::StoreError;
use crate::store::stoppable::Stop;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Of the redrives that were asked for last, so many are told of, and all that have not ended.
const REDRIVES: usize = 20;

/// What runs beside serving.
#[derive(Serialize, ToSchema)]
#[schema(as = Jobs)]
pub(super) struct JobsBody {
    /// Those that run first, then those that wait; redrives newest first.
    jobs: Vec<JobBody>,
}

/// Something that runs, waits or ended.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job)]
struct JobBody {
    /// rebuild, replay (of the topic), redrive, rehearsal (a redrive that only tells), snapshot, export, or retention.
    #[schema(example = "redrive")]
    kind: &'static str,
    /// Its number, of redrives and rehearsals; null of others.
    #[schema(required)]
    number: Option<u64>,
    /// When it was asked for, where that is known.
    #[schema(required)]
    started_at: Option<Instant>,
    /// When it ended, where that is known.
    #[schema(required)]
    ended_at: Option<Instant>,
    running: bool,
    /// What it is at; null when it does not say.
    #[schema(required)]
    phase: Option<&'static str>,
    /// How much of it is done; null where nobody knows.
    #[schema(required)]
    done: Option<u64>,
    /// Of how much; null where nobody knows.
    #[schema(required)]
    total: Option<u64>,
    /// Who asked for it, where that is known.
    #[schema(required)]
    by: Option<String>,
    /// Why, as they said.
    #[schema(required)]
    why: Option<String>,
    /// What it waits for; null when it waits for nothing.
    #[schema(required)]
    waiting: Option<String>,
    /// Why it ended early; null when it did not.
    #[schema(required)]
    error: Option<String>,
}

fn rebuild(status: RebuildStatus) -> Option<JobBody> {
    let waiting = status.waiting.map(|no_room| no_room.to_string());
    let (running, phase, error) = match status.phase {
        RebuildPhase::Idle if waiting.is_none() => return None,
        RebuildPhase::Idle | RebuildPhase::Done => (false, None, None),
        RebuildPhase::Folding => (true, Some("folding"), None),
        RebuildPhase::Counting => (true, Some("counting"), None),
        RebuildPhase::Failed(why) => (false, None, Some(why)),
    };
    Some(JobBody {
        kind: "rebuild",
        running,
        phase,
        done: Some(status.done),
        total: Some(status.total),
        waiting,
        error,
        ..JobBody::default()
    })
}

fn replay(TopicReplayStatus { state, done }: TopicReplayStatus) -> Option<JobBody> {
    let (running, error) = match state {
        WorkState::Idle => return None,
        WorkState::Running => (true, None),
        WorkState::Done => (false, None),
        WorkState::Failed(why) => (false, Some(why)),
    };
    Some(JobBody {
        kind: "replay",
        running,
        done: Some(done.read),
        total: Some(done.total),
        error,
        ..JobBody::default()
    })
}

/// A redrive, where those run.
fn redrive(status: RedriveStatus, turn: &BTreeSet<u64>) -> JobBody {
    let has_ended = status.ended_at.is_some();
    let running = !has_ended && turn.contains(&status.number);
    let before: Vec<String> = turn.iter().map(u64::to_string).collect();
    let waiting = if before.is_empty() {
        "its turn".to_owned()
    } else {
        format!("its turn, behind redrive {}", before.join(" and "))
    };
    JobBody {
        waiting: (!has_ended && !running).then_some(waiting),
        kind: if status.dry_run { "rehearsal" } else { "redrive" },
        number: Some(status.number),
        started_at: Some(Instant(status.asked_at)),
        ended_at: status.ended_at.map(Instant),
        running,
        phase: status.cancelled.is_some().then_some("cancelled"),
        done: Some(status.chosen.saturating_sub(status.waiting + status.left)),
        total: Some(status.chosen),
        by: Some(status.by),
        why: status.why,
        error: status.failed,
    }
}

/// The redrives that have not ended, and the last ones, newest first.
fn redrives_told(redrives: &Redrives, stop: Stop) -> Result<Vec<JobBody>, StoreError> {
    let latest = redrives.latest(REDRIVES, stop.clone())?.into_iter();
    let both = latest.chain(redrives.unended(stop)?);
    let told: BTreeMap<u64, RedriveStatus> = both.map(|status| (status.number, status)).collect();
    let turn = redrives.running();
    Ok(told
        .into_values()
        .rev()
        .map(|status| redrive(status, &turn))
        .collect())
}

fn snapshots(known: Known) -> Vec<JobBody> {
    let mut jobs = Vec::new();
    if let Some(running) = known.running {
        let (done, total) = running.progress.bytes();
        jobs.push(JobBody {
            kind: "snapshot",
            running: true,
            phase: Some(running.progress.phase().as_str()),
            done: Some(done),
            total: Some(total),
            by: Some(running.trigger.as_str().to_owned()),
            ..JobBody::default()
        });
    }
    if let Some(failure) = known.failure {
        jobs.push(JobBody {
            kind: "snapshot",
            ended_at: Some(Instant(failure.at)),
            by: Some(failure.trigger.as_str().to_owned()),
            error: Some(failure.why),
            ..JobBody::default()
        });
    }
    if let Some(last) = known.last {
        jobs.push(JobBody {
            kind: "snapshot",
            ended_at: Some(Instant(last.at)),
            done: Some(last.bytes),
            total: Some(last.bytes),
            by: last.trigger.map(|trigger| trigger.as_str().to_owned()),
            ..JobBody::default()
        });
    }
    jobs
}

fn retention(status: RetentionSnapshot) -> Option<JobBody> {
    let waiting = status.held_up.or(status.waiting);
    let error = status.failed.or(status.problem);
    if waiting.is_none() && error.is_none() && status.last_sweep.is_none() {
        return None;
    }
    Some(JobBody {
        kind: "retention",
        ended_at: status.last_sweep.map(Instant),
        done: Some(status.purged),
        waiting,
        error,
        ..JobBody::default()
    })
}

fn exports(running: usize) -> impl Iterator<Item = JobBody> {
    std::iter::repeat_with(|| JobBody {
        kind: "export",
        running: true,
        ..JobBody::default()
    })
    .take(running)
}

/// What runs beside serving
#[utoipa::path(
    get,
    path = "/internal/v1/jobs",
    operation_id = "getJobs",
    tag = "internal",
    description = "Rebuild, replay of the topic, redrives and their rehearsals (the last 20, and all that have not \
                   ended: the one whose turn it is runs, the others wait), snapshots, exports and retention: what runs, what waits and for what, and how the last of each kind ended. Of bytes where \
                   snapshots are told of, of sagas where retention is; of exports only that they run.",
    responses((status = 200, body = JobsBody, description = "What runs, waits or ended."))
)]
pub(super) async fn handle(State(context): State<Context>) -> Result<Json<JobsBody>, ApiError> {
    let parts = context.parts();
    let mut jobs: Vec<JobBody> = rebuild(parts.rebuilds.status()).into_iter().collect();
    jobs.extend(replay(parts.topic_replays.status()));
    jobs.extend(snapshots(parts.snapshots.status().known()));
    let status = parts
        .retention
        .as_ref()
        .map(|retention| retention.status().snapshot());
    jobs.extend(status.and_then(retention));
    jobs.extend(exports(context.running_exports()));
    let redrives = parts.redrives.clone();
    let told = context
        .in_turn(move |stop| redrives_told(&redrives, stop))
        .await??;
    jobs.extend(told);
    jobs.sort_by_key(|job| (!job.running, job.waiting.is_none()));
    Ok(Json(JobsBody { jobs }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Millis;
    use serde_json::{Value, json};

    fn status(dry_run: bool, ended_at: Option<Millis>) -> RedriveStatus {
        RedriveStatus {
            number: 7,
            asked_at: Millis(0),
            by: "kim".to_owned(),
            origin: "here".to_owned(),
            why: Some("again".to_owned()),
            dry_run,
            chosen_by: Value::Null,
            change: Default::default(),
            per_second: None,
            chosen: 10,
            waiting: 4,
            sent: 6,
            skipped: 0,
            refused: 0,
            forecast: 0,
            left: 0,
            cancelled: None,
            ended_at,
            failed: None,
        }
    }

    #[test]
    fn a_job_says_how_far_it_is() {
        let told = serde_json::to_value(redrive(status(true, None), &BTreeSet::from([7]))).unwrap();
        assert_eq!(
            (
                &told["kind"],
                &told["running"],
                &told["done"],
                &told["total"],
                &told["by"]
            ),
            (
                &json!("rehearsal"),
                &json!(true),
                &json!(6),
                &json!(10),
                &json!("kim")
            )
        );
        let told = serde_json::to_value(redrive(status(false, Some(Millis(1))), &BTreeSet::new())).unwrap();
        assert_eq!(
            (&told["kind"], &told["running"]),
            (&json!("redrive"), &json!(false))
        );
    }
    #[test]
    fn only_the_redrive_whose_turn_it_is_runs() {
        let told = |turn: &[u64]| {
            let job = redrive(status(false, None), &turn.iter().copied().collect());
            (job.running, job.waiting)
        };
        assert_eq!(told(&[7]), (true, None));
        assert_eq!(told(&[]), (false, Some("its turn".to_owned())));
        let behind = "its turn, behind redrive 3 and 5".to_owned();
        assert_eq!(told(&[3, 5]), (false, Some(behind)));
        let ended = redrive(status(false, Some(Millis(1))), &BTreeSet::new());
        assert_eq!((ended.running, ended.waiting), (false, None));
    }
}
