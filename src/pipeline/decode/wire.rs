//! The Confluent wire format: a zero byte, the schema id, then Avro binary.

use super::{Defect, DefectReason};

/// The longest value that is looked at; a longer one is a dead letter.
pub const MAX_RECORD_BYTES: usize = 2 << 20;

/// What the value of a Kafka record consists of: schema id and Avro body.
///
/// # Errors
/// A [`Defect`] when there is no value, when it is too long, or when it is not in the wire format.
pub fn payload(value: Option<&[u8]>) -> Result<(u32, &[u8]), Defect> {
    let Some(value) = value else {
        return Err(Defect::new(
            DefectReason::Tombstone,
            "the record has no value (a tombstone); accepted: an event in the Confluent wire format",
        ));
    };
    split(value)
}

/// Splits a value into schema id and Avro body.
///
/// # Errors
/// A [`Defect`] when it is too long or not in the wire format.
pub fn split(value: &[u8]) -> Result<(u32, &[u8]), Defect> {
    if value.len() > MAX_RECORD_BYTES {
        let detail = format!(
            "the value has {} bytes; accepted: up to {MAX_RECORD_BYTES}",
            value.len()
        );
        return Err(Defect::new(DefectReason::TooLarge, detail));
    }
    match value {
        [0, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        [] | [0, ..] => {
            let detail = format!(
                "the value has {} bytes; accepted: a zero byte, four bytes of schema id, then Avro",
                value.len()
            );
            Err(Defect::new(DefectReason::Truncated, detail))
        }
        [found, ..] => {
            let detail =
                format!("byte 0 of the value is {found:#04x}; accepted: 0x00, the Confluent wire format");
            Err(Defect::new(DefectReason::BadMagic, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(value: Option<&[u8]>) -> DefectReason {
        payload(value).unwrap_err().reason
    }

    #[test]
    fn the_id_is_big_endian_and_the_rest_is_the_body() {
        assert_eq!(split(&[0, 0, 0, 1, 2, 9, 8]).unwrap(), (258, &[9u8, 8][..]));
        assert_eq!(split(&[0, 0, 0, 0, 7]).unwrap(), (7, &[][..]));
    }

    #[test]
    fn what_is_not_the_wire_format_is_refused_by_reason() {
        assert_eq!(refused(None), DefectReason::Tombstone);
        assert_eq!(refused(Some(b"")), DefectReason::Truncated);
        assert_eq!(refused(Some(&[0, 0, 0, 1])), DefectReason::Truncated);
        assert_eq!(refused(Some(b"{\"eventId\"")), DefectReason::BadMagic);
        let longest = vec![0u8; MAX_RECORD_BYTES];
        assert!(split(&longest).is_ok());
        assert_eq!(
            refused(Some(&vec![0u8; MAX_RECORD_BYTES + 1])),
            DefectReason::TooLarge
        );
    }
}
