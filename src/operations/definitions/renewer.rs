//! Has the projections made anew whenever they are the fold under other rules than those in force: after a start
//! with another file, after a decision, and after a crash in the middle of either.
//!
//! It looks at what is recorded with the projections, again and again, so it does not matter why it is due, how
//! often definitions changed meanwhile, or whether a rebuild is running under rules that hold no longer: when that
//! one has ended, the next begins. One that the disk has no room for waits, and what serves serves on: anybody who may
//! decide on definitions causes rebuilds, and none of them may fill the disk that consumption needs.

use crate::domain::SharedDefinitions;
use crate::operations::audit::{Act, Audit, Outcome};
use crate::operations::background::StartError;
use crate::operations::rebuild::{NoDiskSpace, RebuildPhase, Rebuilds, StartRebuildError};
use crate::store::StoreError;
use crate::{failpoint, wait};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often it looks.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How long it waits after a rebuild under the same rules came to nothing, unless one is asked for.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Looks after the projections.
pub struct Renewer {
    /// The definitions in force.
    pub definitions: SharedDefinitions,
    /// Who makes projections anew.
    pub rebuilds: Rebuilds,
    /// Where it is recorded that it began.
    pub audit: Audit,
    /// In whose name it does.
    pub act: Act,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// The rules that a rebuild was started under last, and when.
pub(super) type Tried = Option<(Arc<str>, Instant)>;

impl Renewer {
    /// Starts it on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        let name = "definitions".to_owned();
        std::thread::Builder::new().name(name).spawn(move || {
            let mut tried = None;
            while !self.shutdown.is_cancelled() {
                failpoint::pass("thread.definitions");
                if let Err(error) = self.look(&mut tried) {
                    tracing::error!(%error, "cannot tell whether the projections need a rebuild");
                }
                wait::park(POLL_INTERVAL);
            }
        })
    }

    /// Starts a rebuild if one is due and nothing stands against it. Whether it did.
    pub(super) fn look(&self, tried: &mut Tried) -> Result<bool, StoreError> {
        let in_force = self.definitions.in_force();
        if !self.rebuilds.is_due(&in_force.definitions)? || self.is_under_way() {
            self.rebuilds.set_waiting(None);
            return Ok(false);
        }
        let recently =
            |(rules, at): &(Arc<str>, Instant)| *rules == in_force.rules && wait::since(*at) < AGAIN_AFTER;
        if tried.as_ref().is_some_and(recently) {
            return Ok(false);
        }
        match self.rebuilds.start(self.act.clone()) {
            Ok(_) => {}
            // It is looked at again when that has ended.
            Err(StartRebuildError::Start(StartError::Busy { .. })) => return Ok(false),
            Err(StartRebuildError::NoDiskSpace(no_space)) => {
                self.report_no_space(no_space);
                return Ok(false);
            }
            Err(StartRebuildError::Store(error)) => return Err(error),
            Err(StartRebuildError::Start(error @ StartError::Thread { .. })) => {
                tracing::error!(%error, "the rebuild was not started");
                *tried = Some((in_force.rules, wait::now()));
                return Ok(false);
            }
        }
        self.rebuilds.set_waiting(None);
        *tried = Some((in_force.rules, wait::now()));
        tracing::info!("definitions or projections changed: rebuilding while the present ones serve");
        self.audit.note(&self.act, Outcome::Begun, "");
        Ok(true)
    }

    /// What is lacking is told when it begins to lack, and in health for as long as it does.
    fn report_no_space(&self, no_space: NoDiskSpace) {
        let (free, needed) = (no_space.free, no_space.needed);
        if self.rebuilds.set_waiting(Some(no_space)).is_none() {
            tracing::error!(
                free,
                needed,
                "the disk has no room for a rebuild; the present projections keep serving, and the rebuild starts by \
                 itself when there is room"
            );
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(
            self.rebuilds.status().phase,
            RebuildPhase::Folding | RebuildPhase::Counting
        )
    }
}
