//! Instants as the contract has them: UTC milliseconds.

use jiff::Timestamp;
use saga_tracker_sdk::contract::limits;
use std::fmt;

/// Milliseconds of an hour.
pub const HOUR_MILLIS: i64 = 60 * 60 * 1000;
/// Milliseconds of a day.
pub const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;

/// Milliseconds since 1970-01-01T00:00:00Z. Shown as ISO 8601 with `Z`, with three decimals or none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Millis(pub i64);

impl Millis {
    /// 2000-01-01T00:00:00Z, the earliest event time that the tracker accepts.
    pub const EARLIEST_EVENT: Millis = Millis(limits::EARLIEST_MS);
    /// 2100-01-01T00:00:00Z, the first instant beyond those that the tracker accepts.
    pub const LATEST_EVENT: Millis = Millis(limits::LATEST_MS);

    /// The distance from `earlier` to this instant, in milliseconds; 0 when it lies ahead.
    pub fn since(self, earlier: Millis) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// The day of UTC that it lies in, counted from 1970-01-01.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(DAY_MILLIS)
    }

    /// Whole and fractional seconds since 1970.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl From<Timestamp> for Millis {
    fn from(instant: Timestamp) -> Self {
        Self(instant.as_millisecond())
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(instant) if self.0 % 1000 == 0 => write!(f, "{instant}"),
            Ok(instant) => write!(f, "{instant:.3}"),
            // Beyond jiff's years -9999 to 9999; the log never holds one, a raw record may.
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
