//! The headers by which a redriven record names the dead letter that it came from.
//!
//! Consuming such a record marks the dead letter, in the same write that puts the event into the log. The
//! headers are text, so that anybody who looks at the topic can read them; what is not well-formed
//! names no dead letter, and the record is treated like any other.

use crate::domain::Position;
use crate::pipeline::kafka::source::RawHeaders;
use crate::store::dead_letters::EXTERNAL;

/// The topic of the dead letter.
pub const ORIGIN_TOPIC: &str = "saga-tracker-origin-topic";
/// The dead letter's partition there, decimal.
pub const ORIGIN_PARTITION: &str = "saga-tracker-origin-partition";
/// The dead letter's offset there, decimal.
pub const ORIGIN_OFFSET: &str = "saga-tracker-origin-offset";

/// Whether a header is one of these.
pub fn is_origin(name: &str) -> bool {
    [ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET].contains(&name)
}

/// The topics that dead letters can come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterTopics {
    /// The tracker topic.
    pub topic: String,
    /// The dead-letter topic, whose dead letters others wrote.
    pub dlt_topic: String,
}

impl DeadLetterTopics {
    /// The dead letter that a record's headers name, if they name one of ours.
    pub fn letter_named(&self, headers: RawHeaders<'_>) -> Option<Position> {
        let [topic, partition, offset] = headers.texts([ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET])?;
        let partition: u32 = partition.parse().ok().filter(|number| *number < EXTERNAL)?;
        let offset: u64 = offset.parse().ok().filter(|offset| *offset < u64::MAX)?;
        let partition = match topic {
            topic if topic == self.topic => partition,
            topic if topic == self.dlt_topic && !topic.is_empty() => partition | EXTERNAL,
            _ => return None,
        };
        Some(Position::new(partition, offset))
    }

    /// The headers that name a dead letter.
    pub fn headers_of(&self, letter: Position) -> [(&'static str, String); 3] {
        [
            (ORIGIN_TOPIC, self.topic_of(letter).to_owned()),
            (ORIGIN_PARTITION, (letter.partition & !EXTERNAL).to_string()),
            (ORIGIN_OFFSET, letter.offset.to_string()),
        ]
    }

    /// The topic that a dead letter lies in.
    pub fn topic_of(&self, letter: Position) -> &str {
        if letter.partition & EXTERNAL == 0 {
            &self.topic
        } else {
            &self.dlt_topic
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topics() -> DeadLetterTopics {
        DeadLetterTopics {
            topic: "t".to_owned(),
            dlt_topic: "t.dlt".to_owned(),
        }
    }

    fn named(headers: &[(&str, &str)]) -> Option<Position> {
        let list: Vec<(String, Option<Vec<u8>>)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec())))
            .collect();
        topics().letter_named(RawHeaders::List(&list))
    }

    proptest! {
        #[test]
        fn a_letter_is_named_by_its_own_headers(partition in any::<u32>(), offset in 0..u64::MAX) {
            let letter = Position::new(partition, offset);
            let headers = topics().headers_of(letter);
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            prop_assert_eq!(named(&headers), Some(letter));
        }
    }

    #[test]
    fn what_is_not_well_formed_names_no_letter() {
        let with = |topic, partition, offset| {
            named(&[
                ("traceparent", "x"),
                (ORIGIN_TOPIC, topic),
                (ORIGIN_PARTITION, partition),
                (ORIGIN_OFFSET, offset),
            ])
        };
        assert_eq!(with("t", "1", "2"), Some(Position::new(1, 2)));
        assert_eq!(with("other", "1", "2"), None);
        assert_eq!(with("t", "-1", "2"), None);
        assert_eq!(with("t", "2147483648", "2"), None);
        assert_eq!(with("t", "1", ""), None);
        assert_eq!(with("t", "1", "18446744073709551615"), None);
        assert_eq!(named(&[(ORIGIN_TOPIC, "t"), (ORIGIN_OFFSET, "2")]), None);
        assert_eq!(named(&[]), None);
    }
}
