//! How a dead letter is named: `0-17` for the tracker topic's partition 0, offset 17; `dlt-0-17` for
//! one that another service wrote onto the dead-letter topic.

use crate::domain::Position;
use crate::store::dead_letters::EXTERNAL;
use std::fmt;
use std::str::FromStr;

/// Names one dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeadLetterId(pub Position);

/// What is accepted as an id, as the end of a sentence.
pub const ACCEPTED_ID: &str = "partition-offset such as 0-17, or dlt-partition-offset";

/// A text that names no letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accepted: {ACCEPTED_ID}")]
pub struct NoDeadLetterId;

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { partition, offset } = self.0;
        if partition & EXTERNAL != 0 {
            f.write_str("dlt-")?;
        }
        write!(f, "{}-{offset}", partition & !EXTERNAL)
    }
}

impl FromStr for DeadLetterId {
    type Err = NoDeadLetterId;

    fn from_str(text: &str) -> Result<Self, NoDeadLetterId> {
        let (rest, external) = match text.strip_prefix("dlt-") {
            Some(rest) => (rest, EXTERNAL),
            None => (text, 0),
        };
        let (partition, offset) = rest.split_once('-').ok_or(NoDeadLetterId)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(partition) || !digits(offset) {
            return Err(NoDeadLetterId);
        }
        let partition: u32 = partition.parse().map_err(|_| NoDeadLetterId)?;
        let offset: u64 = offset.parse().map_err(|_| NoDeadLetterId)?;
        if partition & EXTERNAL != 0 || offset == u64::MAX {
            return Err(NoDeadLetterId);
        }
        Ok(Self(Position::new(partition | external, offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back(partition in any::<u32>(), offset in 0..u64::MAX) {
            let id = DeadLetterId(Position::new(partition, offset));
            prop_assert_eq!(id.to_string().parse::<DeadLetterId>(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "+1-2",
            "dlt-",
            "dlt-1",
            "2147483648-1",
            "x-1",
            "1@2",
        ] {
            assert_eq!(text.parse::<DeadLetterId>(), Err(NoDeadLetterId), "{text}");
        }
    }
}
