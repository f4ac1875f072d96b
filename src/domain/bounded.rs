//! Lists of which the first entries are kept and all are counted, so that no state grows without end.

/// The first `LIMIT` entries of a list, in order, and how many there were in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedLog<T, const LIMIT: usize> {
    /// The first of them, in order.
    pub kept: Vec<T>,
    /// All of them, counted.
    pub total: u32,
}

impl<T, const LIMIT: usize> Default for BoundedLog<T, LIMIT> {
    fn default() -> Self {
        let (kept, total) = (Vec::new(), 0);
        Self { kept, total }
    }
}

impl<T: Clone, const LIMIT: usize> BoundedLog<T, LIMIT> {
    /// Adds the next one.
    pub fn push(&mut self, entry: T) {
        if self.kept.len() < LIMIT {
            self.kept.push(entry);
        }
        self.total = self.total.saturating_add(1);
    }

    /// Whether every entry is kept.
    pub fn is_complete(&self) -> bool {
        self.kept.len() == self.total as usize
    }

    /// None of them, but all counted.
    pub(super) fn counted(&self) -> Self {
        let (kept, total) = (Vec::new(), self.total);
        Self { kept, total }
    }

    /// The log as it was after so many.
    pub(super) fn first(&self, total: u32) -> Self {
        let kept = self.kept.iter().take(total as usize).cloned().collect();
        Self { kept, total }
    }

    /// Whether [`exchange`](Self::exchange) can tell which entries are kept then.
    pub(super) fn can_exchange(&self, old: &Self, new: &Self) -> bool {
        new.total >= old.total || self.total as usize <= LIMIT
    }

    /// Takes out `old`, which this begins with and of which the number is enough, and puts in `new` there.
    pub(super) fn exchange(&mut self, old: &Self, new: &Self) {
        let behind = self.kept.drain(..).skip(old.total as usize);
        let kept = new.kept.iter().cloned().chain(behind);
        self.kept = kept.take(LIMIT).collect();
        self.exchange_count(old, new);
    }

    /// The same of a log of which only the number is known.
    pub(super) fn exchange_count(&mut self, old: &Self, new: &Self) {
        self.total = self.total.wrapping_sub(old.total).wrapping_add(new.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_all_are_counted() {
        let mut log: BoundedLog<u8, 2> = BoundedLog::default();
        for entry in 1..=2 {
            log.push(entry);
            assert!(log.is_complete());
        }
        log.push(3);
        assert_eq!((log.kept.as_slice(), log.total), (&[1, 2][..], 3));
        assert!(!log.is_complete());
    }
}
