//! Watches the threads and tasks that a tracker lives by. One that ends unasked is told in health, with
//! its reason. After a panic its state is lost while its work waits in the store, and a restart goes on
//! from there: so the process stops. What ended because it cannot go on (a topic that was replaced, say)
//! would end again: that part stays down, the others serve.
//!
//! What the parts do is not known here.

use crate::operations::background::panic_words;
use crate::server::api::{EndedPart, EndedParts};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether all run.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long health says what happened before the process stops.
const STOP_DELAY: Duration = Duration::from_secs(5);

/// The first part for which a restart helps, in words.
pub(super) fn panicked(ended: &EndedParts) -> Option<String> {
    let found = ended.all().into_iter().find(|part| part.panicked);
    found.map(|part| format!("{}: {}", part.name, part.reason))
}

enum Running {
    Thread(JoinHandle<()>),
    Task(Task<()>),
}

/// The parts of a tracker, in the order in which they are waited for at the end.
pub(super) struct Supervisor {
    parts: Vec<(&'static str, Running)>,
    ended: Arc<EndedParts>,
    shutdown: CancellationToken,
    tell_for: Duration,
}

impl Supervisor {
    /// Of a tracker that ends with `shutdown`.
    pub(super) fn new(ended: Arc<EndedParts>, shutdown: CancellationToken) -> Self {
        Self {
            parts: Vec::new(),
            ended,
            shutdown,
            tell_for: STOP_DELAY,
        }
    }

    /// Watches a thread.
    pub(super) fn thread(&mut self, name: &'static str, thread: JoinHandle<()>) {
        self.parts.push((name, Running::Thread(thread)));
    }

    /// Watches a task.
    pub(super) fn task(&mut self, name: &'static str, task: Task<()>) {
        self.parts.push((name, Running::Task(task)));
    }

    /// Watches until shutdown, or asks for it when a part has panicked and that was told for long enough.
    pub(super) async fn watch(mut self) -> Self {
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return self,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            self.look().await;
            if let Some(why) = panicked(&self.ended) {
                tokio::select! {
                    () = self.shutdown.cancelled() => {}
                    () = tokio::time::sleep(self.tell_for) => tracing::error!(why, "the process stops: a restart goes on from the store"),
                }
                self.shutdown.cancel();
                return self;
            }
        }
    }

    async fn look(&mut self) {
        let (over, running) = self.parts.drain(..).partition(|(_, part)| part.is_finished());
        self.parts = running;
        // What ends while the tracker stops was asked to.
        if self.shutdown.is_cancelled() {
            self.parts.extend(over);
            return;
        }
        for (name, part) in over {
            self.tell(name, part.reason().await);
        }
    }

    fn tell(&self, name: &str, panic: Option<String>) {
        let part = EndedPart {
            name: name.to_owned(),
            panicked: panic.is_some(),
            reason: panic.unwrap_or_else(|| "it cannot go on; the log says why".to_owned()),
        };
        tracing::error!(
            part = part.name,
            reason = part.reason,
            "a part of the tracker ended unexpectedly"
        );
        self.ended.add(part);
    }

    /// Waits until all have ended. Blocks on threads.
    pub(super) async fn join(mut self) {
        for (name, part) in std::mem::take(&mut self.parts) {
            if let Some(reason) = part.reason().await {
                self.tell(name, Some(reason));
            }
        }
    }
}

impl Running {
    fn is_finished(&self) -> bool {
        match self {
            Self::Thread(thread) => thread.is_finished(),
            Self::Task(task) => task.is_finished(),
        }
    }

    /// Waits for the end; the words of a panic, if it was one.
    async fn reason(self) -> Option<String> {
        match self {
            Self::Thread(thread) => {
                let ended = tokio::task::spawn_blocking(move || thread.join()).await;
                match ended {
                    Ok(Ok(())) => None,
                    Ok(Err(panic)) => Some(panic_words(&*panic)),
                    Err(error) => Some(error.to_string()),
                }
            }
            Self::Task(task) => match task.await {
                Ok(()) => None,
                Err(error) => Some(
                    error
                        .try_into_panic()
                        .map_or_else(|error| error.to_string(), |panic| panic_words(&*panic)),
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_told_and_stops_the_process() {
        let (ended, shutdown) = (Arc::new(EndedParts::default()), CancellationToken::new());
        let mut supervisor = Supervisor::new(ended.clone(), shutdown.clone());
        supervisor.tell_for = Duration::from_millis(1);
        let stop = shutdown.clone();
        supervisor.thread(
            "works",
            quiet("works", move || {
                while !stop.is_cancelled() {
                    crate::wait::park(Duration::from_millis(5));
                }
            }),
        );
        let broken = quiet("broken", || panic!("offset {} of nothing", 7));
        while !broken.is_finished() {
            std::thread::yield_now();
        }
        supervisor.thread("broken", broken);
        let supervisor = supervisor.watch().await;
        assert!(shutdown.is_cancelled());
        supervisor.join().await;
        let told = ended.all();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].name.as_str(), told[0].panicked), ("broken", true));
        assert_eq!(told[0].reason, "it panicked: offset 7 of nothing");
    }

    #[tokio::test]
    async fn a_part_that_cannot_go_on_is_told_and_the_others_serve() {
        let (ended, shutdown) = (Arc::new(EndedParts::default()), CancellationToken::new());
        let mut supervisor = Supervisor::new(ended.clone(), shutdown.clone());
        supervisor.tell_for = Duration::ZERO;
        supervisor.task("gave-up", tokio::spawn(async {}));
        tokio::task::yield_now().await;
        let watching = tokio::spawn(supervisor.watch());
        while ended.all().is_empty() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        // Two looks later the process would be stopping.
        tokio::time::sleep(POLL_INTERVAL * 2).await;
        assert!(!shutdown.is_cancelled(), "a restart would end the same way");
        assert_eq!(panicked(&ended), None);
        shutdown.cancel();
        watching.await.unwrap().join().await;
        assert_eq!(ended.all().len(), 1);
    }

    #[tokio::test]
    async fn what_ends_with_the_tracker_was_asked_to() {
        let (ended, shutdown) = (Arc::new(EndedParts::default()), CancellationToken::new());
        let mut supervisor = Supervisor::new(ended.clone(), shutdown.clone());
        supervisor.task("ends", tokio::spawn(shutdown.clone().cancelled_owned()));
        let watching = tokio::spawn(supervisor.watch());
        shutdown.cancel();
        watching.await.unwrap().join().await;
        assert_eq!(ended.all(), []);
    }
}
