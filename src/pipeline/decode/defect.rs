//! Why a record cannot be applied: the reasons that become labels, and the words for people.

use crate::domain::text::first;
use std::fmt;

/// The fixed list of reasons. Labels of metrics and headers of dead letters; never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DefectReason {
    /// The record has a key but no value.
    Tombstone,
    /// The value is longer than any event.
    TooLarge,
    /// The value does not begin with the wire format's zero byte.
    BadMagic,
    /// The schema registry has no schema of that id.
    UnknownSchema,
    /// The writer's schema is not one that the contract can be read with.
    UnreadableSchema,
    /// The value ends before the event does.
    Truncated,
    /// Bytes are left behind the event.
    TrailingBytes,
    /// The bytes are not what their schema says.
    BadAvro,
    /// A text is not UTF-8.
    InvalidUtf8,
    /// A field that the contract needs is null.
    MissingField,
    /// The saga id is empty.
    EmptySagaId,
    /// Another field that may not be empty is.
    EmptyField,
    /// A text is longer than its field allows.
    FieldTooLong,
    /// The status is none of the five.
    UnknownStatus,
    /// A time is not one that a saga can have happened at.
    BadTimestamp,
}

impl DefectReason {
    /// All of them.
    pub const ALL: [DefectReason; 15] = [
        Self::Tombstone,
        Self::TooLarge,
        Self::BadMagic,
        Self::UnknownSchema,
        Self::UnreadableSchema,
        Self::Truncated,
        Self::TrailingBytes,
        Self::BadAvro,
        Self::InvalidUtf8,
        Self::MissingField,
        Self::EmptySagaId,
        Self::EmptyField,
        Self::FieldTooLong,
        Self::UnknownStatus,
        Self::BadTimestamp,
    ];

    /// The label, e.g. `unknown_schema`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::TooLarge => "too_large",
            Self::BadMagic => "bad_magic",
            Self::UnknownSchema => crate::store::records::UNKNOWN_SCHEMA,
            Self::UnreadableSchema => "unreadable_schema",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::BadAvro => "bad_avro",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::MissingField => "missing_field",
            Self::EmptySagaId => "empty_saga_id",
            Self::EmptyField => "empty_field",
            Self::FieldTooLong => "field_too_long",
            Self::UnknownStatus => "unknown_status",
            Self::BadTimestamp => "bad_timestamp",
        }
    }
}

impl fmt::Display for DefectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one record is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Defect {
    /// The reason, one of a fixed list.
    pub reason: DefectReason,
    /// What was found, in which field, and what is accepted.
    pub detail: String,
    /// The byte of the Avro body at which reading failed, from 0; `None` when no single one is to blame.
    pub offset: Option<u64>,
}

impl Defect {
    /// A defect, said in words; in no more than 1,000 characters of them, for others may have
    /// said a part of them.
    pub fn new(reason: DefectReason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        cut(&mut detail);
        Self {
            reason,
            detail,
            offset: None,
        }
    }

    /// The same, found at that byte of the Avro body.
    pub fn at(self, offset: usize) -> Self {
        Self {
            offset: u64::try_from(offset).ok(),
            ..self
        }
    }
}

/// So many characters of what is wrong with a record are kept.
const MAX_DETAIL_CHARS: usize = 1_000;

/// Cuts words that others may have said to 1,000 characters.
pub fn cut(text: &mut String) {
    let kept = first(text, MAX_DETAIL_CHARS).len();
    if kept < text.len() {
        text.truncate(kept);
        text.push('…');
    }
}

/// Text of a record as a message may show it: quoted, escaped and cut.
pub(super) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let start = first(text, MAX_CHARS);
    if start.len() < text.len() {
        return format!("{start:?}… ({} bytes)", text.len());
    }
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_are_cut_however_many_somebody_says() {
        let long = Defect::new(DefectReason::UnknownSchema, "ü".repeat(5_000)).detail;
        assert_eq!(long.chars().count(), MAX_DETAIL_CHARS + 1);
        let whole = "ü".repeat(MAX_DETAIL_CHARS);
        assert_eq!(
            Defect::new(DefectReason::UnknownSchema, whole.as_str()).detail,
            whole
        );
    }

    #[test]
    fn every_reason_has_a_label_of_its_own_that_suits_a_metric() {
        let labels: BTreeSet<&str> = DefectReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(labels.len(), DefectReason::ALL.len());
        for label in labels {
            assert!(
                label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()),
                "{label}"
            );
        }
    }

    #[test]
    fn text_from_outside_is_escaped_and_cut() {
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        let long = shown(&"é".repeat(1_000));
        assert!(long.ends_with("… (2000 bytes)") && long.len() < 200, "{long}");
    }
}
