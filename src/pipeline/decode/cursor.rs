//! Reads Avro's primitive encodings off the front of a byte slice, without copying.
//!
//! Every length is held against the bytes that are left before anything is done with it.

use super::DefectReason;
use std::fmt;

/// What is wrong with the bytes of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// More bytes are needed than are left.
    Ends { wanted: u64, left: usize },
    /// A variable-length integer of more than 64 bits.
    Varint,
    /// A number beyond the 32 bits of its type.
    Int(i64),
    /// A negative length.
    Length(i64),
    /// Text that is not UTF-8.
    Utf8,
    /// A union branch that does not exist.
    Branch { index: i64, branches: usize },
    /// An enum symbol that does not exist.
    Symbol { index: i64, symbols: usize },
    /// A boolean that is neither 0 nor 1.
    Boolean(u8),
    /// A branch of another type than the contract's.
    Type(&'static str),
    /// Null where a value is needed.
    Null,
    /// Values within values without end.
    Depth(usize),
}

impl Fault {
    pub(super) const fn reason(self) -> DefectReason {
        match self {
            Self::Ends { .. } => DefectReason::Truncated,
            Self::Utf8 => DefectReason::InvalidUtf8,
            Self::Null => DefectReason::MissingField,
            Self::Type(_) => DefectReason::UnreadableSchema,
            _ => DefectReason::BadAvro,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ends { wanted, left } => write!(f, "needs {wanted} more bytes where {left} are left"),
            Self::Varint => f.write_str("holds an integer of more than 64 bits"),
            Self::Int(found) => write!(f, "holds {found} as an int; accepted: 32 bits"),
            Self::Length(found) => write!(f, "has a length of {found}; accepted: 0 or more"),
            Self::Utf8 => f.write_str("is not valid UTF-8"),
            Self::Branch { index, branches } => {
                write!(f, "takes branch {index} of a union of {branches}")
            }
            Self::Symbol { index, symbols } => write!(f, "takes symbol {index} of an enum of {symbols}"),
            Self::Boolean(found) => write!(f, "holds {found} as a boolean; accepted: 0 or 1"),
            Self::Type(found) => write!(
                f,
                "takes the union's branch of type {found}, which the contract cannot read"
            ),
            Self::Null => f.write_str("is null; the contract needs a value"),
            Self::Depth(deepest) => write!(f, "nests values more than {deepest} deep"),
        }
    }
}

/// The bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or(Fault::Ends { wanted: 1, left: 0 })?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::Ends {
            wanted: length as u64,
            left: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(taken)
    }

    /// A zigzag varint of up to 64 bits.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        let mut bits = 0u64;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return Err(Fault::Varint);
            }
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
            shift += 7;
        }
    }

    /// A zigzag varint of up to 32 bits.
    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        let wide = self.long()?;
        i32::try_from(wide).map_err(|_| Fault::Int(wide))
    }

    /// Bytes behind their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let announced = self.long()?;
        let length = u64::try_from(announced).map_err(|_| Fault::Length(announced))?;
        let fits = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.rest.len());
        self.take(fits.ok_or(Fault::Ends {
            wanted: length,
            left: self.rest.len(),
        })?)
    }

    /// UTF-8 behind its length.
    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| Fault::Utf8)
    }

    /// The number of an enum symbol, of `symbols`.
    pub(super) fn symbol(&mut self, symbols: usize) -> Result<usize, Fault> {
        let index = i64::from(self.int()?);
        below(index, symbols).ok_or(Fault::Symbol { index, symbols })
    }

    /// The number of a union branch, of `branches`.
    pub(super) fn branch(&mut self, branches: usize) -> Result<usize, Fault> {
        let index = self.long()?;
        below(index, branches).ok_or(Fault::Branch { index, branches })
    }
}

fn below(index: i64, count: usize) -> Option<usize> {
    usize::try_from(index).ok().filter(|index| *index < count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(bytes: &[u8]) -> Result<i64, Fault> {
        Cursor::new(bytes).long()
    }

    #[test]
    fn integers_are_zigzag_varints() {
        assert_eq!(long(&[0]), Ok(0));
        assert_eq!(long(&[1]), Ok(-1));
        assert_eq!(long(&[0x80, 0x01]), Ok(64));
        let extreme = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(long(&extreme), Ok(i64::MIN));
        assert_eq!(
            long(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            Ok(i64::MAX)
        );
        assert_eq!(
            Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).int(),
            Err(Fault::Int(-4_294_967_296))
        );
    }

    #[test]
    fn an_integer_never_reads_beyond_64_bits_or_the_end() {
        assert_eq!(long(&[0xff; 9]), Err(Fault::Ends { wanted: 1, left: 0 }));
        assert_eq!(long(&[0xff; 11]), Err(Fault::Varint));
        assert_eq!(
            long(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]),
            Err(Fault::Varint)
        );
    }

    #[test]
    fn a_length_is_held_against_what_is_left() {
        assert_eq!(
            Cursor::new(&[6, 1, 2]).bytes(),
            Err(Fault::Ends { wanted: 3, left: 2 })
        );
        assert_eq!(Cursor::new(&[1]).bytes(), Err(Fault::Length(-1)));
        let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(
            Cursor::new(&huge).bytes(),
            Err(Fault::Ends {
                wanted: i64::MAX as u64,
                left: 0
            })
        );
        assert_eq!(Cursor::new(&[4, 0xc3, 0x28]).text(), Err(Fault::Utf8));
    }
}
