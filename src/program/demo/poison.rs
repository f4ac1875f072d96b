//! Records that are no saga events: what a tracker has to set aside without stopping.
//!
//! Written by hand, because the sdk refuses to.

use jiff::Timestamp;
use saga_tracker_sdk::encoding::frame;

/// Key and value of a Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The saga.
    pub key: Vec<u8>,
    /// Frame and body; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What is wrong with the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PoisonKind {
    /// No value at all.
    Tombstone,
    /// A value of no bytes.
    Empty,
    /// JSON text, from a producer without an Avro serializer.
    BadMagic,
    /// The body ends in the middle of a field.
    Truncated,
    /// Status number 9 of five.
    UnknownStatus,
    /// The saga has no name.
    EmptySagaId,
    /// The step's bytes are not UTF-8.
    InvalidUtf8,
    /// The step has more than a hundred characters.
    OverlongStep,
    /// It happened in 1970: a clock that was never set.
    AbsurdTime,
}

impl PoisonKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Tombstone,
        Self::Empty,
        Self::BadMagic,
        Self::Truncated,
        Self::UnknownStatus,
        Self::EmptySagaId,
        Self::InvalidUtf8,
        Self::OverlongStep,
        Self::AbsurdTime,
    ];
}

/// A record that is no event, keyed by the saga that it seems to belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison {
    /// What is wrong with it.
    pub kind: PoisonKind,
    /// The record's key.
    pub saga_id: String,
}

impl Poison {
    pub(super) fn message(&self, start: Timestamp, schema_id: u32) -> Message {
        Message {
            key: self.saga_id.clone().into_bytes(),
            value: self.value(start, schema_id),
        }
    }

    fn value(&self, start: Timestamp, schema_id: u32) -> Option<Vec<u8>> {
        let mut body = Body::sound(&self.saga_id, start);
        match self.kind {
            PoisonKind::Tombstone => return None,
            PoisonKind::Empty => return Some(Vec::new()),
            PoisonKind::BadMagic => {
                return Some(format!("{{\"sagaId\":\"{}\"}}", self.saga_id).into_bytes());
            }
            PoisonKind::Truncated => {
                let mut value = frame(schema_id, &body.bytes());
                value.truncate(value.len() / 2);
                return Some(value);
            }
            PoisonKind::UnknownStatus => body.status = 9,
            PoisonKind::EmptySagaId => body.saga_id = "",
            PoisonKind::InvalidUtf8 => body.step = b"STOCK_\xff\xfe".to_vec(),
            PoisonKind::OverlongStep => body.step = vec![b'X'; 101],
            PoisonKind::AbsurdTime => body.recorded_at_ms = 0,
        }
        Some(frame(schema_id, &body.bytes()))
    }
}

/// The Avro body of an event, before it is spoiled.
struct Body<'a> {
    saga_id: &'a str,
    step: Vec<u8>,
    status: i64,
    recorded_at_ms: i64,
}

impl<'a> Body<'a> {
    fn sound(saga_id: &'a str, start: Timestamp) -> Self {
        Self {
            saga_id,
            step: b"STOCK_RESERVED".to_vec(),
            status: 1,
            recorded_at_ms: start.as_millisecond(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, format!("poison-{}", self.saga_id).as_bytes());
        put_long(&mut out, self.recorded_at_ms);
        put_bytes(&mut out, self.saga_id.as_bytes());
        put_long(&mut out, 0); // ORDER_CREATION
        put_bytes(&mut out, &self.step);
        put_long(&mut out, self.status);
        put_bytes(&mut out, self.saga_id.as_bytes());
        put_long(&mut out, 0); // no metadata
        put_long(&mut out, self.recorded_at_ms);
        out
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    out.extend_from_slice(bytes);
}

fn put_long(out: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while left > 0x7f {
        out.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    out.push(left.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;
    use apache_avro::reader::datum::GenericDatumReader;
    use apache_avro::types::Value;
    use saga_tracker_sdk::contract::SCHEMA;

    use super::*;

    fn start() -> Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn read(body: &[u8]) -> Result<Vec<(String, Value)>, apache_avro::Error> {
        let schema = Schema::parse_str(SCHEMA).unwrap();
        let mut rest = body;
        let value = GenericDatumReader::builder(&schema)
            .build()
            .unwrap()
            .read_value(&mut rest)?;
        assert_eq!(rest.len(), 0, "bytes behind the record");
        let Value::Record(fields) = value else {
            panic!("not a record")
        };
        Ok(fields)
    }

    fn value(kind: PoisonKind) -> Option<Vec<u8>> {
        Poison {
            kind,
            saga_id: "s-1".to_owned(),
        }
        .message(start(), 1)
        .value
    }

    #[test]
    fn only_the_spoiled_part_is_wrong() {
        let sound = read(&Body::sound("s-1", start()).bytes()).unwrap();
        assert!(
            sound.contains(&("status".to_owned(), Value::Enum(1, "IN_PROGRESS".to_owned()))),
            "{sound:?}"
        );
        for (kind, field, expected) in [
            (PoisonKind::EmptySagaId, "sagaId", Value::String(String::new())),
            (PoisonKind::OverlongStep, "step", Value::String("X".repeat(101))),
            (PoisonKind::AbsurdTime, "recordedAt", Value::Long(0)),
        ] {
            let fields = read(&value(kind).unwrap()[5..]).unwrap();
            assert!(
                fields.contains(&(field.to_owned(), expected)),
                "{kind:?}: {fields:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_cannot_be_read() {
        for kind in [
            PoisonKind::Truncated,
            PoisonKind::UnknownStatus,
            PoisonKind::InvalidUtf8,
        ] {
            let value = value(kind).unwrap();
            assert_eq!(value[..5], [0, 0, 0, 0, 1], "{kind:?}");
            assert!(read(&value[5..]).is_err(), "{kind:?} can be read");
        }
        assert_ne!(value(PoisonKind::BadMagic).unwrap()[0], 0);
        assert_eq!(value(PoisonKind::Empty), Some(Vec::new()));
        assert_eq!(value(PoisonKind::Tombstone), None);
    }
}
