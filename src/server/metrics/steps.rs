//! Which steps, or saga types, have a label of their own. Both are open text; labels must be bounded.

use crate::domain::SagaStatus;
use std::collections::BTreeSet;

/// The label that all further steps share.
pub(super) const OTHER: &str = "other";

/// The steps that have a label. Once given, a label stays while the process lives.
#[derive(Debug)]
pub(super) struct StepLabels {
    limit: usize,
    known: BTreeSet<String>,
}

impl StepLabels {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            known: BTreeSet::new(),
        }
    }

    /// Gives labels to these steps as long as there are any, the most frequent steps first, so that
    /// after a restart the same steps have them.
    pub(super) fn admit<'s>(&mut self, steps: impl IntoIterator<Item = (&'s str, u64)>) {
        let room = self.room();
        let mut new: Vec<_> = steps
            .into_iter()
            .filter(|(step, _)| !self.known.contains(*step))
            .collect();
        new.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        self.known
            .extend(new.into_iter().take(room).map(|(step, _)| step.to_owned()));
    }

    /// Whether a step has a label of its own.
    pub(super) fn has(&self, step: &str) -> bool {
        self.known.contains(step)
    }

    /// How many more may get a label.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.known.len())
    }

    /// How many pairs of step and status there can be besides, of steps that may get a label.
    pub(super) fn pairs(&self) -> usize {
        self.room().saturating_mul(SagaStatus::ALL.len())
    }

    /// The label of a step.
    pub(super) fn label<'s>(&self, step: &'s str) -> &'s str {
        if self.known.contains(step) { step } else { OTHER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_steps_have_labels_and_keep_them() {
        let mut labels = StepLabels::new(2);
        labels.admit([("rare", 1), ("often", 9), ("some", 5)]);
        assert_eq!(
            ["rare", "often", "some"].map(|step| labels.label(step)),
            [OTHER, "often", "some"]
        );
        labels.admit([("rare", 1000), ("often", 9), ("some", 5)]);
        assert_eq!(
            ["rare", "often", "some"].map(|step| labels.label(step)),
            [OTHER, "often", "some"]
        );
    }

    #[test]
    fn room_that_is_left_goes_to_later_steps() {
        let mut labels = StepLabels::new(2);
        labels.admit([("first", 1)]);
        labels.admit([("first", 1), ("second", 1), ("third", 1)]);
        assert_eq!(
            ["first", "second", "third"].map(|step| labels.label(step)),
            ["first", "second", OTHER]
        );
    }
}
