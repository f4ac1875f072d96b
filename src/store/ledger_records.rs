//! Values of the tables that say how many offsets came to what.

use super::codec::Record;
use bincode::{BorrowDecode, Encode};

/// How many classes there are.
const CLASSES: usize = OffsetClass::ALL.len();

/// What an offset came to. Ingest says of each whether its record was logged, is a dead letter, or was not
/// delivered, and why; of what was logged, the fold says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OffsetClass {
    /// An event was put into the log, whatever became of it since.
    Logged = 0,
    /// A dead letter, whatever became of it since.
    DeadLetter = 1,
    /// Not delivered: what brokers write at the end of a transaction, or a record of one that was aborted.
    TransactionMarker = 2,
    /// Not delivered: compaction removed it.
    Compaction = 3,
    /// Not delivered: retention removed it before it was read.
    Expired = 4,
    /// Not delivered, and nobody says why.
    Unexplained = 5,
    /// Logged, and stands in its saga's timeline.
    Applied = 6,
    /// Logged, and another delivery of the same event stands.
    Duplicate = 7,
    /// Logged, and stands: an operator's change of a status.
    Operator = 8,
    /// Logged, and of a saga that was purged: removed with it, or arrived after that.
    Purged = 9,
}

impl OffsetClass {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::Logged,
        Self::DeadLetter,
        Self::TransactionMarker,
        Self::Compaction,
        Self::Expired,
        Self::Unexplained,
        Self::Applied,
        Self::Duplicate,
        Self::Operator,
        Self::Purged,
    ];

    /// What ingest says: each offset is in exactly one of these.
    pub const ACCOUNTED: [Self; 6] = [
        Self::Logged,
        Self::DeadLetter,
        Self::TransactionMarker,
        Self::Compaction,
        Self::Expired,
        Self::Unexplained,
    ];

    /// What was not delivered.
    pub const GAPS: [Self; 4] = [
        Self::TransactionMarker,
        Self::Compaction,
        Self::Expired,
        Self::Unexplained,
    ];

    /// What the fold says: each offset that is logged and folded is in exactly one of these.
    pub const FOLDED: [Self; 4] = [Self::Applied, Self::Duplicate, Self::Operator, Self::Purged];

    /// What a delivery is as long as it stands.
    pub const fn of_standing(by_operator: bool) -> Self {
        if by_operator {
            Self::Operator
        } else {
            Self::Applied
        }
    }

    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logged => "logged",
            Self::DeadLetter => "dead_letter",
            Self::TransactionMarker => "transaction_marker",
            Self::Compaction => "compaction",
            Self::Expired => "expired",
            Self::Unexplained => "unexplained",
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Operator => "operator",
            Self::Purged => "purged",
        }
    }
}

/// `accounted`, `ledger`: how many offsets of a partition came to what, on one day or on all days.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct OffsetCountsRecord {
    /// By number of class.
    counts: [i64; CLASSES],
}

impl Record<'_> for OffsetCountsRecord {
    const TABLE: &'static str = "ledger";
    const FORMAT: u8 = 1;
}

impl OffsetCountsRecord {
    /// So many are in a class.
    pub fn of(&self, class: OffsetClass) -> i64 {
        self.counts[class as usize]
    }

    /// So many are in some classes.
    pub fn sum(&self, classes: &[OffsetClass]) -> i64 {
        classes
            .iter()
            .fold(0, |sum: i64, class| sum.saturating_add(self.of(*class)))
    }

    /// Adds to a class.
    pub fn add(&mut self, class: OffsetClass, by: i64) {
        let count = &mut self.counts[class as usize];
        *count = count.saturating_add(by);
    }

    /// Adds another one.
    pub fn add_all(&mut self, other: &Self) {
        let pairs = self.counts.iter_mut().zip(other.counts);
        pairs.for_each(|(count, by)| *count = count.saturating_add(by));
    }

    /// Whether nothing is in any class.
    pub fn is_zero(&self) -> bool {
        self.counts == [0; CLASSES]
    }

    /// The same, as far as all agree who read the topic: why something was not delivered is told apart by what
    /// the broker said then.
    #[must_use]
    pub fn without_reasons(&self) -> Self {
        let mut same = *self;
        let missing = self.sum(&OffsetClass::GAPS);
        OffsetClass::GAPS
            .into_iter()
            .for_each(|class| same.counts[class as usize] = 0);
        same.add(OffsetClass::Unexplained, missing);
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_numbered_as_they_are_listed() {
        for (number, class) in OffsetClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
        }
    }

    #[test]
    fn replicas_need_not_agree_why_something_was_not_delivered() {
        let counts = |class| {
            let mut counts = OffsetCountsRecord::default();
            counts.add(OffsetClass::DeadLetter, 3);
            counts.add(class, 2);
            counts
        };
        let seen = OffsetClass::GAPS.map(|class| counts(class).without_reasons());
        assert!(seen.iter().all(|one| *one == seen[0]));
        assert_ne!(counts(OffsetClass::Logged).without_reasons(), seen[0]);
    }
}
