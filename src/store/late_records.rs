//! The value of `late`.

use super::codec::Record;
use bincode::{BorrowDecode, Encode};

/// `late`: a delivery whose two times are far apart.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq)]
pub struct LateRecord<'a> {
    /// Its saga.
    pub saga_id: &'a str,
    /// The earlier of its times.
    pub earlier: i64,
    /// Whether that is its arrival.
    pub is_ahead: bool,
}

impl<'a> Record<'a> for LateRecord<'a> {
    const TABLE: &'static str = "late";
    const FORMAT: u8 = 1;
}
