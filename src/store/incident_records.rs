//! The layout of alerts that came in.

use super::codec::Record;
use bincode::{BorrowDecode, Encode};

/// `incidents`: an alert that came in. When it began and its fingerprint are its key. Times are milliseconds.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone)]
pub struct IncidentRecord<'a> {
    /// When it ended; `None` while it goes on.
    pub ended: Option<i64>,
    /// When it was told of first, by our clock.
    pub first_told: i64,
    /// When it was told of last, by our clock.
    pub last_told: i64,
    /// How often it was told of.
    pub times: u64,
    /// To which receiver of its sender it was sent.
    pub receiver: Option<&'a str>,
    /// Where what it is made of is shown.
    pub generator_url: Option<&'a str>,
    /// Its labels.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Its annotations.
    pub annotations: Vec<(&'a str, &'a str)>,
}

impl<'a> Record<'a> for IncidentRecord<'a> {
    const TABLE: &'static str = "incidents";
    const FORMAT: u8 = 1;
}
