//! Values about when deliveries arrived: after they happened or before, and before one that stands in their place.

use super::codec::Record;
use crate::domain::Millis;
use bincode::{BorrowDecode, Encode};

/// `late`: a delivery whose two times are far apart. Which of them is its arrival the key says.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct LateRecord<'a> {
    /// Its saga.
    pub saga_id: &'a str,
    /// The earlier of its times.
    pub earlier: i64,
}

impl<'a> Record<'a> for LateRecord<'a> {
    const TABLE: &'static str = "late";
    const FORMAT: u8 = 2;
}

/// `timelines`: how long an event was known by another delivery than the one that stands for it, because that one
/// arrived later. Its key is the digest of the event's key.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct StoodInRecord {
    from: i64,
    until: i64,
}

impl Record<'_> for StoodInRecord {
    const TABLE: &'static str = "timelines";
    const FORMAT: u8 = 1;
}

impl StoodInRecord {
    /// From the first arrival of any delivery of the event until the arrival of the one that stands.
    pub fn of(from: Millis, until: Millis) -> Self {
        Self {
            from: from.0,
            until: until.0,
        }
    }

    /// When the first delivery of the event arrived.
    pub fn from(&self) -> Millis {
        Millis(self.from)
    }

    /// When the delivery arrived that stands.
    pub fn until(&self) -> Millis {
        Millis(self.until)
    }
}

/// `contradicted`: an event that was known by another delivery, and with another body perhaps, than the one that
/// stands. Its key says until when.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct ContradictedRecord {
    /// Since when.
    pub from: i64,
}

impl Record<'_> for ContradictedRecord {
    const TABLE: &'static str = "contradicted";
    const FORMAT: u8 = 1;
}
