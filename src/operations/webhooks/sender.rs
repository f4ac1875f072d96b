//! Tells one webhook: finds what it was not told, tells it, and moves its cursors.

use super::cursors::{Cursors, Progress};
use super::event::NoticeEvent;
use super::notice::Notice;
use super::parts::Webhooks;
use super::sources::{self, Found};
use super::status::NoticeResult;
use super::transport::{SendError, Transport, Webhook};
use crate::domain::Millis;
use crate::failpoint;
use crate::pipeline::query::QueryError;
use crate::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// After the first failure; twice as long after each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// How often it is looked whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// A notice that a receiver has answered so often without taking it is set aside: it would hold up all behind it.
pub(super) const MAX_FAILURES: u32 = 10;

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The webhook did not take a notice.
    #[error("{0}")]
    Untold(String),
    /// The tracker stops.
    #[error("stopped")]
    Stopped,
}

/// Tells one webhook.
pub(super) struct Sender<T> {
    pub(super) parts: Webhooks,
    pub(super) webhook: Webhook,
    transport: T,
    pub(super) cursors: Cursors,
    events: BTreeSet<NoticeEvent>,
    /// What is done with since the event's cursor moved: not told again because of what failed behind it.
    settled: BTreeMap<NoticeEvent, BTreeSet<String>>,
    /// Of each event the notice that stands first, and how often it failed.
    failures: BTreeMap<NoticeEvent, (String, u32)>,
    /// What it takes to know who was late at an instant: all that the topic held when so many questions for its end
    /// had been asked.
    look: Option<(u64, Millis)>,
}

impl<T: Transport> Sender<T> {
    pub(super) fn new(parts: Webhooks, webhook: Webhook, transport: T) -> Self {
        Self {
            cursors: parts.cursors(&webhook),
            events: parts.settings.events().unwrap_or_default(),
            parts,
            transport,
            webhook,
            settled: BTreeMap::new(),
            failures: BTreeMap::new(),
            look: None,
        }
    }

    /// Tells until shutdown. A receiver that is away is tried again, less and less often.
    pub(super) fn run(mut self) {
        let mut failures = 0;
        loop {
            failpoint::pass("thread.webhooks");
            let wait = match self.round() {
                Ok(()) => {
                    failures = 0;
                    self.parts.status.mark_working(&self.webhook.shown);
                    self.parts.settings.interval()
                }
                Err(RoundError::Stopped) => return,
                Err(error) => {
                    let now = self.parts.clock.now();
                    if self
                        .parts
                        .status
                        .mark_failing(&self.webhook.shown, now, &error.to_string())
                    {
                        tracing::warn!(webhook = self.webhook.shown, %error, "the webhook is not told now; it is tried again");
                    }
                    failures += 1;
                    backoff(failures)
                }
            };
            if self.stops_within(wait) {
                return;
            }
        }
    }

    fn stops_within(&self, wait: Duration) -> bool {
        let started = crate::wait::now();
        while !self.parts.shutdown.is_cancelled() {
            let passed = crate::wait::since(started);
            if passed >= wait {
                return false;
            }
            crate::wait::park(POLL_INTERVAL.min(wait - passed));
        }
        true
    }

    /// Tells everything that was not told yet. What fails of one event keeps nothing of the others back.
    pub(super) fn round(&mut self) -> Result<(), RoundError> {
        let shown = self.shown_until();
        let mut result = Ok(());
        for event in NoticeEvent::ALL {
            let told = match (event.rule(), shown) {
                _ if !self.events.contains(&event) => self.cursors.forget(event).map_err(RoundError::from),
                (None, _) => self.tell_behind_cursor(event),
                (Some(rule), Some(at)) => self.tell_late(event, rule, at),
                (Some(_), None) => Ok(()),
            };
            if matches!(told, Err(RoundError::Stopped)) {
                return told;
            }
            result = result.and(told);
        }
        result
    }

    /// The last time that this was asked by which answers show all that the topic held then; `None` while they do
    /// not. Before that a saga may look late whose end is only not read yet.
    pub(super) fn shown_until(&mut self) -> Option<Millis> {
        let ingest = self.parts.ingest.snapshot();
        let now = (ingest.asked, self.parts.clock.now());
        let (asked, at) = *self.look.get_or_insert(now);
        if !ingest.has_reached_end_since(asked) {
            return None;
        }
        self.look = Some(now);
        Some(at)
    }

    fn tell_behind_cursor(&mut self, event: NoticeEvent) -> Result<(), RoundError> {
        let Some(Progress { begun, mut places }) = self.cursors.progress(event)? else {
            return Ok(self.parts.begin_with(&self.cursors, event)?);
        };
        loop {
            let (query, topics) = (&self.parts.query, &self.parts.topics);
            let Found { notices, next, more } = match event {
                NoticeEvent::NewDeadLetter => sources::letters(query, topics, &places)?,
                _ => sources::failed(query, &places)?,
            };
            for notice in notices.iter().filter(|notice| notice.known >= begun) {
                self.tell_once(notice)?;
            }
            if next != places {
                failpoint::pass("webhooks.before_cursor");
                self.cursors.move_to(event, &next)?;
                self.settled.remove(&event);
            }
            self.stop_if_asked()?;
            places = next;
            if !more {
                return Ok(());
            }
        }
    }

    fn tell_once(&mut self, notice: &Notice) -> Result<(), RoundError> {
        let settled = self.settled.entry(notice.event).or_default();
        if settled.contains(&notice.id) {
            return Ok(());
        }
        self.tell(notice)?;
        let settled = self.settled.entry(notice.event).or_default();
        settled.insert(notice.id.clone());
        Ok(())
    }

    /// Tells a notice, unless it is too old. An error when it is to be told again.
    pub(super) fn tell(&mut self, notice: &Notice) -> Result<(), RoundError> {
        self.stop_if_asked()?;
        let age = self.parts.clock.now().0.saturating_sub(notice.known.0);
        if age > self.parts.settings.retry_millis() {
            self.parts.status.count(notice.event, NoticeResult::Expired);
            return Ok(());
        }
        let why = match self.transport.send(notice) {
            Ok(()) => {
                self.parts.status.count(notice.event, NoticeResult::Delivered);
                return Ok(());
            }
            Err(SendError::Away(why)) => {
                self.parts.status.count(notice.event, NoticeResult::Failed);
                return Err(RoundError::Untold(why));
            }
            Err(SendError::Failed(why)) if self.failed(notice) < MAX_FAILURES => {
                self.parts.status.count(notice.event, NoticeResult::Failed);
                return Err(RoundError::Untold(why));
            }
            Err(SendError::Failed(why) | SendError::Refused(why)) => why,
        };
        self.parts.status.count(notice.event, NoticeResult::Refused);
        tracing::warn!(
            webhook = self.webhook.shown,
            id = notice.id,
            why,
            "the webhook refuses a notice, which is not told again"
        );
        Ok(())
    }

    /// How often the receiver did not take the notice that stands first.
    fn failed(&mut self, notice: &Notice) -> u32 {
        let first = (notice.id.clone(), 0);
        let failures = self.failures.entry(notice.event).or_insert_with(|| first.clone());
        if failures.0 != notice.id {
            *failures = first;
        }
        failures.1 += 1;
        failures.1
    }

    fn stop_if_asked(&self) -> Result<(), RoundError> {
        if self.parts.shutdown.is_cancelled() {
            return Err(RoundError::Stopped);
        }
        Ok(())
    }
}

/// How long to wait after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    let times = 1_u32 << (failures - 1).min(16);
    FIRST_BACKOFF.saturating_mul(times).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod backoffs {
    use super::*;

    #[test]
    fn a_receiver_that_is_away_is_tried_less_and_less_often() {
        let seconds = [1, 2, 9, 10, 100].map(|failures| backoff(failures).as_secs());
        assert_eq!(seconds, [1, 2, 256, 300, 300]);
    }
}
