//! Names of snapshots: the moment they were begun, and four bytes against two in one moment.

use crate::domain::Millis;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a snapshot, such as `20261120T224512345Z-1a2b3c4d`. Sorts by time.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

impl SnapshotId {
    /// The name of a snapshot begun at `at`.
    pub fn new(at: Millis, random: u32) -> Self {
        let instant = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = instant
            .to_zoned(TimeZone::UTC)
            .strftime("%Y%m%dT%H%M%S")
            .to_string();
        Self(format!("{time}{:03}Z-{random:08x}", at.0.rem_euclid(1000)))
    }

    /// When it was begun.
    pub fn at(&self) -> Millis {
        parse(&self.0).unwrap_or_default()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn parse(text: &str) -> Option<Millis> {
    let (time, random) = text.split_once("Z-")?;
    let plain = time.len() == 18 && random.len() == 8 && random.bytes().all(|b| b.is_ascii_hexdigit());
    if !plain || !time.is_ascii() {
        return None;
    }
    let (seconds, millis) = time.split_at(15);
    let seconds = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", seconds).ok()?;
    let instant = seconds.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Millis(instant.as_millisecond() + millis.parse::<i64>().ok()?))
}

impl FromStr for SnapshotId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match parse(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(format!(
                "{text:?} is not a snapshot id; accepted: e.g. 20261120T224512345Z-1a2b3c4d"
            )),
        }
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_tells_its_time_and_sorts_by_it(a in 0..4_102_444_800_000_i64, b in 0..4_102_444_800_000_i64, random: u32) {
            let (first, second) = (SnapshotId::new(Millis(a), random), SnapshotId::new(Millis(b), 7));
            prop_assert_eq!(first.at(), Millis(a));
            prop_assert_eq!(&first.as_str().parse::<SnapshotId>().unwrap(), &first);
            if a != b {
                prop_assert_eq!(first < second, a < b);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _parsed = text.parse::<SnapshotId>();
        }
    }

    #[test]
    fn an_id_is_readable_and_nothing_else_is_one() {
        let id = SnapshotId::new(Millis(1_769_904_000_012), 0x1a2b);
        assert_eq!(id.as_str(), "20260201T000000012Z-00001a2b");
        for wrong in [
            "",
            "latest",
            "../../etc/passwd",
            "20260201T000000Z-00001a2b",
            "20261301T000000012Z-00001a2b",
        ] {
            assert!(wrong.parse::<SnapshotId>().is_err(), "{wrong}");
        }
    }
}
