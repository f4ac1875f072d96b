//! The hash that ties an entry to the one before it.
//!
//! ```text
//! hash := blake3("saga-tracker audit 1")( previous 32 · number u64 · at i64 · outcome u8 ·
//!         who · origin · action · target · why · detail )      text := length u64 · UTF-8 bytes
//! ```

use crate::store::records::AuditRecord;

pub(super) type Hash = [u8; 32];

/// What the first entry follows.
pub(super) const BEGINNING: Hash = [0; 32];

const CONTEXT: &str = "saga-tracker audit 1";

/// The hash that the record should carry under that number.
pub(super) fn hash(number: u64, record: &AuditRecord<'_>) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher
        .update(&record.previous)
        .update(&number.to_be_bytes())
        .update(&record.at.to_be_bytes())
        .update(&[record.outcome]);
    for text in [
        record.who,
        record.origin,
        record.action,
        record.target,
        record.why,
        record.detail,
    ] {
        hasher
            .update(&(text.len() as u64).to_be_bytes())
            .update(text.as_bytes());
    }
    *hasher.finalize().as_bytes()
}
