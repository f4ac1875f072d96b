//! The layout of what is kept of late sagas for webhooks.

use super::codec::Record;
use bincode::{BorrowDecode, Encode};

/// `notices`, sagas told of: what a webhook was told of a saga that is late.
#[derive(Encode, BorrowDecode, Debug, PartialEq, Eq, Clone, Copy)]
pub struct LateNoticeRecord {
    /// When it was first seen to be late, by our clock, in milliseconds.
    pub first_seen: i64,
    /// Tells one time that the saga is late from the next: how often it had ended by then.
    pub ordinal: u32,
    /// Whether nothing is left to do: it was delivered, refused or given up.
    pub settled: bool,
}

impl Record<'_> for LateNoticeRecord {
    const TABLE: &'static str = "notices";
    const FORMAT: u8 = 2;
}
