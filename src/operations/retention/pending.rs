//! Archive objects of which it is not certain that a decision names them: noted before they are uploaded, so that
//! a crash between upload and decision leaves none that nobody knows of.

use super::{RetentionError, archived};
use crate::operations::archive::ArchiveError;
use crate::operations::decisions::OpsStatus;
use crate::operations::objects::Objects;
use crate::store::{Batch, Durability, Store, reads, totals};
use tokio::runtime::Handle;

/// The list of them, in the store.
pub(super) struct Pending<'s>(pub(super) &'s dyn Store);

impl Pending<'_> {
    /// Notes one that is about to be uploaded.
    pub(super) fn add(&self, name: &str) -> Result<(), RetentionError> {
        self.change(|names| {
            names.retain(|other| other != name);
            names.push(name.to_owned());
        })
    }

    /// Forgets one that a decision names, or that is not there.
    pub(super) fn forget(&self, name: &str) -> Result<(), RetentionError> {
        self.change(|names| names.retain(|other| other != name))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<String>)) -> Result<(), RetentionError> {
        let mut names = self.names()?;
        change(&mut names);
        let mut batch = Batch::new();
        reads::put_meta(&mut batch, totals::ARCHIVE_PENDING, &names.join("\n"));
        Ok(self.0.write(&batch, Durability::Power)?)
    }

    fn names(&self) -> Result<Vec<String>, RetentionError> {
        let text = reads::meta(self.0, totals::ARCHIVE_PENDING)?.unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Removes the objects of decisions that were never made. Only at the start, when no decision of
    /// ours is on its way any more, and only when every decision is read: the last one may name it.
    pub(super) fn remove_orphans(
        &self,
        decisions: &OpsStatus,
        objects: Option<&Objects>,
        runtime: &Handle,
    ) -> Result<(), RetentionError> {
        let names = self.names()?;
        if names.is_empty() {
            return Ok(());
        }
        if !decisions.snapshot().is_at_the_end() {
            return Err(RetentionError::DecisionsUnread);
        }
        for name in names {
            if archived::of_object(self.0, &name)?.is_none()
                && let Some(objects) = objects
            {
                runtime
                    .block_on(objects.delete(&name))
                    .map_err(ArchiveError::from)?;
                tracing::info!(name, "an archive object that no decision names is removed");
            }
            self.forget(&name)?;
        }
        Ok(())
    }
}
