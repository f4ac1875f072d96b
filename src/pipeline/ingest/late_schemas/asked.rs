//! For which dead letters of unknown schemas the registry was asked since they were stored. Who must know
//! whether such a dead letter can be read here now looks at this; what follows is decided there.

use crate::domain::{Cut, Position};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All dead letters inside a cut. Of nothing when a tracker starts.
#[derive(Debug, Default)]
pub struct AskedFor {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    within: Cut,
    forgotten: u64,
}

impl AskedFor {
    /// Whether the registry was asked for this dead letter's schema since the dead letter is there.
    pub fn contains(&self, letter: Position) -> bool {
        self.lock().within.contains(letter)
    }

    /// Up to where it was asked for all.
    pub fn within(&self) -> Cut {
        self.lock().within.clone()
    }

    /// Dead letters were put between others: nobody knows which of them were asked for.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.within = Cut::default();
        state.forgotten += 1;
    }

    /// How often that happened.
    pub(super) fn forgotten(&self) -> u64 {
        self.lock().forgotten
    }

    /// All inside of this were asked for, by a pass that began when so much had been forgotten.
    pub(super) fn reach(&self, within: Cut, forgotten: u64) {
        let mut state = self.lock();
        if state.forgotten == forgotten {
            state.within = within;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain values: a panic elsewhere cannot leave them half-changed in a harmful way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As if all of these had been asked for.
    #[cfg(test)]
    pub(crate) fn pretend(&self, within: Cut) {
        self.lock().within = within;
    }
}
