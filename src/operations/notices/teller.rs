//! Tells one webhook: finds what it was not told, tells it, and moves its cursors.

use super::Notices;
use super::cursors::Cursors;
use super::event::NoticeEvent;
use super::notice::Notice;
use super::outlet::{Outlet, SendError, Target};
use super::sources::{self, Found};
use super::status::NoticeResult;
use crate::failpoint;
use crate::pipeline::query::QueryError;
use crate::store::StoreError;
use std::collections::BTreeSet;
use std::time::Duration;

/// After the first failure; twice as long after each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// How often it is looked whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

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
pub(super) struct Teller<'n, O> {
    notices: &'n Notices,
    target: Target,
    outlet: O,
    cursors: Cursors,
    events: BTreeSet<NoticeEvent>,
    /// What was told since a cursor moved: not told again because of what failed behind it.
    told: BTreeSet<String>,
}

impl<'n, O: Outlet> Teller<'n, O> {
    pub(super) fn new(notices: &'n Notices, target: Target, outlet: O) -> Self {
        Self {
            notices,
            outlet,
            cursors: Cursors {
                store: notices.query.store().clone(),
                target: target.key.clone(),
            },
            target,
            events: notices.settings.events().unwrap_or_default(),
            told: BTreeSet::new(),
        }
    }

    /// Tells until shutdown. A receiver that is away is tried again, less and less often.
    pub(super) fn run(mut self) {
        let mut failures = 0;
        loop {
            failpoint::pass("thread.notices");
            let wait = match self.round() {
                Ok(()) => {
                    failures = 0;
                    self.notices.status.works(&self.target.shown);
                    self.notices.settings.interval()
                }
                Err(RoundError::Stopped) => return,
                Err(error) => {
                    let now = self.notices.clock.now();
                    if self
                        .notices
                        .status
                        .fails(&self.target.shown, now, &error.to_string())
                    {
                        tracing::warn!(webhook = self.target.shown, %error, "the webhook is not told now; it is tried again");
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
        while !self.notices.shutdown.is_cancelled() {
            let passed = crate::wait::since(started);
            if passed >= wait {
                return false;
            }
            crate::wait::park(POLL_INTERVAL.min(wait - passed));
        }
        true
    }

    /// Tells everything that was not told yet.
    pub(super) fn round(&mut self) -> Result<(), RoundError> {
        for event in NoticeEvent::ALL {
            if !self.events.contains(&event) {
                self.cursors.forget(event)?;
            } else if event.rule().is_some() {
                self.tell_late(event)?;
            } else {
                self.tell_behind_cursor(event)?;
            }
        }
        Ok(())
    }

    fn tell_behind_cursor(&mut self, event: NoticeEvent) -> Result<(), RoundError> {
        let (query, topics) = (&self.notices.query, &self.notices.topics);
        let Some(mut cut) = self.cursors.cut(event)? else {
            // A webhook that is new is told what happens from now on.
            self.cursors
                .move_to(event, &sources::end(query, topics, event)?)?;
            return Ok(());
        };
        loop {
            let Found { notices, next, more } = match event {
                NoticeEvent::NewDeadLetter => sources::letters(query, topics, &cut)?,
                _ => sources::failed(query, &cut)?,
            };
            for notice in &notices {
                self.tell(notice)?;
            }
            self.stop_if_asked()?;
            if next != cut {
                failpoint::pass("notices.before_cursor");
                self.cursors.move_to(event, &next)?;
                self.told.clear();
            }
            cut = next;
            if !more {
                return Ok(());
            }
        }
    }

    /// What is late and was not told; what is late no more is forgotten, so that it is told when it is late again.
    fn tell_late(&mut self, event: NoticeEvent) -> Result<(), RoundError> {
        let Some(rule) = event.rule() else { return Ok(()) };
        let late = sources::late(&self.notices.query, rule, self.notices.clock.now())?;
        let told = self.cursors.told(event)?;
        let ids: BTreeSet<&str> = late.iter().map(|(saga, _)| saga.saga_id.as_str()).collect();
        let over = told.keys().filter(|saga| !ids.contains(saga.as_str()));
        self.cursors.forget_told(event, over)?;
        for found in &late {
            let (saga, since) = (found.0.saga_id.as_str(), found.1.since);
            if told.get(saga) != Some(&since) {
                self.tell(&Notice::late(event, self.notices.query.topic(), found))?;
                self.stop_if_asked()?;
                failpoint::pass("notices.before_told");
                self.cursors.put_told(event, saga, since)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, notice: &Notice) -> Result<(), RoundError> {
        self.stop_if_asked()?;
        if self.told.contains(&notice.id) {
            return Ok(());
        }
        let status = &self.notices.status;
        let age = self.notices.clock.now().0.saturating_sub(notice.known.0);
        if age > self.notices.settings.give_up_millis() {
            status.count(notice.event, NoticeResult::Expired);
            return Ok(());
        }
        match self.outlet.send(notice) {
            Ok(()) => {
                status.count(notice.event, NoticeResult::Delivered);
                self.told.insert(notice.id.clone());
                Ok(())
            }
            Err(SendError::Refused(why)) => {
                status.count(notice.event, NoticeResult::Refused);
                tracing::warn!(
                    webhook = self.target.shown,
                    id = notice.id,
                    why,
                    "the webhook refuses a notice, which is not told again"
                );
                self.told.insert(notice.id.clone());
                Ok(())
            }
            Err(SendError::Failed(why)) => {
                status.count(notice.event, NoticeResult::Failed);
                Err(RoundError::Untold(why))
            }
        }
    }

    fn stop_if_asked(&self) -> Result<(), RoundError> {
        if self.notices.shutdown.is_cancelled() {
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
