//! What verification found.

/// At most so many differences are told in words; all are counted.
const MAX_TOLD: usize = 100;

/// Differences between what is stored and what should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The first of them, in words.
    pub told: Vec<String>,
    /// All of them.
    pub count: u64,
}

impl Differences {
    pub(super) fn add(&mut self, difference: impl FnOnce() -> String) {
        if self.told.len() < MAX_TOLD {
            self.told.push(difference());
        }
        self.count += 1;
    }
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Sagas folded anew.
    pub sagas: u64,
    /// Events folded anew.
    pub events: u64,
    /// Whether the projections are made under other rules than those configured: the next start of the
    /// tracker rebuilds them.
    pub rebuild_due: bool,
    /// What differs.
    pub differences: Differences,
}
