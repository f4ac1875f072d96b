//! A replay of the topic that runs beside serving.

use super::supervise::words;
use crate::operations::audit::{Act, Audit, Outcome};
use crate::pipeline::ingest::topic_replay::{Replay, ReplayDone, ReplayRange};
use crate::server::api::admin::{AdminError, ReplayStatus};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The replay that runs or ran last.
#[derive(Default)]
pub(super) struct LastReplay {
    running: bool,
    done: ReplayDone,
    ended: Option<Result<(), String>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Starts replays, one at a time. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Replays {
    last: Arc<Mutex<LastReplay>>,
}

impl Replays {
    /// Starts a replay on a thread of its own, which records how it ended.
    pub(super) fn start(
        &self,
        make: impl FnOnce(CancellationToken) -> Replay,
        range: ReplayRange,
        audit: Audit,
        act: Act,
    ) -> Result<ReplayStatus, AdminError> {
        let mut last = self.lock();
        if last.running {
            return Err(AdminError::Busy(
                "a replay is running already; GET the same path follows it".to_owned(),
            ));
        }
        let stop = CancellationToken::new();
        let replay = make(stop.clone());
        let replays = self.clone();
        let thread = std::thread::Builder::new()
            .name("replay".to_owned())
            .spawn(move || {
                let run = || replay.run(&range, &mut |done| replays.lock().done = done);
                let result = catch_unwind(AssertUnwindSafe(run)).map_or_else(
                    |panic| Err(words(&*panic)),
                    |ran| ran.map_err(|error| error.to_string()),
                );
                // The projector ends when nobody can reach it any more.
                drop(replay);
                match &result {
                    Ok(done) => {
                        let detail = format!(
                            "{} records read, {} known, {} filled in",
                            done.read, done.known, done.filled
                        );
                        tracing::info!(detail, "replayed the topic");
                        audit.note(&act, Outcome::Done, &detail);
                    }
                    Err(error) => {
                        tracing::error!(error, "the replay ended early");
                        audit.note(&act, Outcome::Failed, error);
                    }
                }
                let mut last = replays.lock();
                last.running = false;
                if let Ok(done) = result {
                    last.done = done;
                }
                last.ended = Some(result.map(|_| ()));
            });
        let thread =
            thread.map_err(|e| AdminError::Failed(format!("cannot start the replay's thread: {e}")))?;
        *last = LastReplay {
            running: true,
            stop,
            thread: Some(thread),
            ..LastReplay::default()
        };
        Ok(describe(&last))
    }

    /// What the replay does, or how the last one ended.
    pub(super) fn status(&self) -> ReplayStatus {
        describe(&self.lock())
    }

    /// Stops a replay under way, which holds on to the projector.
    pub(super) fn stop(&self) {
        let thread = {
            let mut last = self.lock();
            last.stop.cancel();
            last.thread.take()
        };
        if let Some(thread) = thread {
            // A panic there was told when it happened, and what was filled in stands.
            let _ended = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, LastReplay> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(last: &LastReplay) -> ReplayStatus {
    ReplayStatus {
        running: last.running,
        total: last.done.total,
        read: last.done.read,
        known: last.done.known,
        filled: last.done.filled,
        before_start: last.done.before_start,
        error: last.ended.clone().and_then(Result::err),
    }
}
