//! Work on the whole log beside serving: a rebuild, or a replay of the topic. One at a time: a rebuild would
//! fold a log that is being filled in. What either does is not known here.

use crate::operations::audit::{Act, Audit};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The projections are made anew.
    Rebuild,
    /// The topic is read again.
    TopicReplay,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rebuild => "rebuild",
            Self::TopicReplay => "replay",
        })
    }
}

/// Where work stands, or how the last of its kind ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkState {
    /// None ran yet.
    Idle,
    /// It runs.
    Running,
    /// It came to its end.
    Done,
    /// It ended early, and why.
    Failed(String),
}

/// Why work was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something runs already.
    #[error("{}", busy(*asked, *running))]
    Busy {
        /// What was to be started.
        asked: Work,
        /// What runs.
        running: Work,
    },
    /// The system gives no thread.
    #[error("cannot start the {asked}'s thread: {why}")]
    Thread {
        /// What was to be started.
        asked: Work,
        /// What the system said.
        why: std::io::Error,
    },
}

fn busy(asked: Work, running: Work) -> String {
    match running {
        _ if asked == running => format!("a {asked} is running already; GET the same path follows it"),
        Work::Rebuild => format!("a rebuild is running; start the {asked} when it is over"),
        Work::TopicReplay => format!("a replay of the topic is running; start the {asked} when it is over"),
    }
}

/// Runs such work on a thread of its own. Cheap to clone.
#[derive(Clone)]
pub struct Background {
    audit: Audit,
    inner: Arc<Mutex<Inner>>,
}

/// How to stop work, and its thread.
type Started = (Box<dyn FnOnce() + Send>, JoinHandle<()>);

#[derive(Default)]
struct Inner {
    running: Option<Work>,
    ended: BTreeMap<Work, Result<(), String>>,
    /// What was started last.
    last: Option<Started>,
}

impl Background {
    /// Records in this audit log how work ended.
    pub fn new(audit: Audit) -> Self {
        let inner = Arc::default();
        Self { audit, inner }
    }

    /// Where work of that kind stands.
    pub fn state(&self, work: Work) -> WorkState {
        let inner = self.lock();
        match inner.ended.get(&work) {
            _ if inner.running == Some(work) => WorkState::Running,
            None => WorkState::Idle,
            Some(Ok(())) => WorkState::Done,
            Some(Err(why)) => WorkState::Failed(why.clone()),
        }
    }

    /// Starts it. `run` returns in words what it did, or why it ended early; `stop` has it end early.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn start(
        &self,
        work: Work,
        act: Act,
        stop: impl FnOnce() + Send + 'static,
        run: impl FnOnce() -> Result<String, String> + Send + 'static,
    ) -> Result<(), StartError> {
        let mut inner = self.lock();
        if let Some(running) = inner.running {
            return Err(StartError::Busy { asked: work, running });
        }
        let background = self.clone();
        let thread = std::thread::Builder::new()
            .name(work.to_string())
            .spawn(move || background.run(work, &act, run))
            .map_err(|why| StartError::Thread { asked: work, why })?;
        inner.running = Some(work);
        inner.last = Some((Box::new(stop), thread));
        Ok(())
    }

    fn run(&self, work: Work, act: &Act, run: impl FnOnce() -> Result<String, String>) {
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panic_words(&*panic)));
        match (&result, work) {
            (Ok(_), _) => {}
            (Err(error), Work::Rebuild) => {
                tracing::error!(error, "the rebuild failed; the old projections keep serving");
            }
            (Err(error), Work::TopicReplay) => tracing::error!(error, "the replay ended early"),
        }
        self.audit.note_result(act, &result, String::clone);
        let mut inner = self.lock();
        inner.ended.insert(work, result.map(|_| ()));
        inner.running = None;
    }

    /// Stops what is under way, which holds on to the projector.
    pub fn stop(&self) {
        let last = self.lock().last.take();
        if let Some((stop, thread)) = last {
            stop();
            // It never panics, and what it did stands.
            let _ended = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a panic said.
pub fn panic_words(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    said.map_or_else(
        || "it panicked without a message".to_owned(),
        |said| format!("it panicked: {said}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::testkit;
    use crossbeam_channel::bounded;

    fn background() -> Background {
        Background::new(Audit::new(testkit::store(), Arc::new(SystemClock)))
    }

    #[test]
    fn one_piece_of_work_at_a_time_and_it_ends_when_told_to() {
        let background = background();
        assert_eq!(background.state(Work::Rebuild), WorkState::Idle);
        let (stop, stopped) = bounded::<()>(1);
        let stop = move || drop(stop);
        let run = move || {
            stopped
                .recv()
                .map_or_else(|_| Err("stopped".to_owned()), |()| Ok(String::new()))
        };
        background
            .start(Work::Rebuild, Act::default(), stop, run)
            .unwrap();
        assert_eq!(background.state(Work::Rebuild), WorkState::Running);
        assert_eq!(background.state(Work::TopicReplay), WorkState::Idle);
        for (asked, words) in [
            (
                Work::Rebuild,
                "a rebuild is running already; GET the same path follows it",
            ),
            (
                Work::TopicReplay,
                "a rebuild is running; start the replay when it is over",
            ),
        ] {
            let refused = background.start(asked, Act::default(), || (), || Ok(String::new()));
            assert_eq!(refused.unwrap_err().to_string(), words);
        }
        background.stop();
        assert_eq!(
            background.state(Work::Rebuild),
            WorkState::Failed("stopped".to_owned())
        );
    }

    #[test]
    fn a_panic_is_told_and_the_next_piece_can_start() {
        let background = background();
        let broken = || panic!("offset {} of nothing", 7);
        background
            .start(Work::TopicReplay, Act::default(), || (), broken)
            .unwrap();
        background.stop();
        let told = WorkState::Failed("it panicked: offset 7 of nothing".to_owned());
        assert_eq!(background.state(Work::TopicReplay), told);
        background
            .start(Work::TopicReplay, Act::default(), || (), || Ok(String::new()))
            .unwrap();
        background.stop();
        assert_eq!(background.state(Work::TopicReplay), WorkState::Done);
    }
}
