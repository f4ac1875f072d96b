//! Whether a topic still holds what comes after a snapshot.

use super::Numbers;
use std::collections::BTreeMap;
use std::fmt;

/// Something between the snapshot and the topic as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Retention removed what comes right after the snapshot.
    Expired {
        /// The partition.
        partition: u32,
        /// The first offset that is missing.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// The partition ends before what the snapshot has: it is not the topic that it was filled from.
    Shorter {
        /// The partition.
        partition: u32,
        /// Where the snapshot resumes.
        next: u64,
        /// Where the partition ends.
        end: u64,
    },
    /// The topic has no such partition.
    NoPartition {
        /// The partition.
        partition: u32,
    },
}

impl Finding {
    /// Whether a tracker restored from the snapshot would refuse the topic.
    pub fn is_other_topic(&self) -> bool {
        !matches!(self, Self::Expired { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { partition, from, to } => write!(
                f,
                "partition {partition}: offsets {from} to {} ({} records) are no longer in the topic; they will be missing, and recorded as a gap",
                to - 1,
                to - from
            ),
            Self::Shorter { partition, next, end } => write!(
                f,
                "partition {partition} ends at offset {end}, the snapshot has everything before {next}: it is not the topic that the snapshot was filled from, or lost data"
            ),
            Self::NoPartition { partition } => {
                write!(f, "the topic has no partition {partition}, the snapshot does")
            }
        }
    }
}

/// Compares where a snapshot resumes with what the topic holds: by partition the first offset and
/// the end. Nothing is found when all is well.
pub fn compare(numbers: &Numbers, topic: &BTreeMap<u32, (u64, u64)>) -> Vec<Finding> {
    let findings = numbers.partitions.iter().filter_map(|snapshot| {
        let (partition, next) = (snapshot.partition, snapshot.next);
        match topic.get(&partition) {
            None => Some(Finding::NoPartition { partition }),
            Some((_, end)) if *end < next => Some(Finding::Shorter {
                partition,
                next,
                end: *end,
            }),
            Some((low, _)) if *low > next => Some(Finding::Expired {
                partition,
                from: next,
                to: *low,
            }),
            Some(_) => None,
        }
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::super::PartitionNumbers;
    use super::*;

    fn found(next: u64, topic: &[(u32, (u64, u64))]) -> Vec<Finding> {
        let numbers = Numbers {
            partitions: vec![PartitionNumbers {
                partition: 0,
                start: 0,
                next,
                projected: next,
                last: None,
            }],
            ..Numbers::default()
        };
        compare(&numbers, &topic.iter().copied().collect())
    }

    #[test]
    fn what_the_topic_no_longer_holds_is_told_exactly() {
        assert_eq!(found(10, &[(0, (0, 50)), (1, (9, 9))]), []);
        assert_eq!(found(10, &[(0, (10, 10))]), []);
        let expired = found(10, &[(0, (12, 50))]);
        assert!(
            expired[0].to_string().contains("offsets 10 to 11 (2 records)"),
            "{}",
            expired[0]
        );
        assert!(!expired[0].is_other_topic());
        assert!(found(10, &[(0, (0, 9))])[0].is_other_topic());
        assert!(found(10, &[])[0].is_other_topic());
    }
}
