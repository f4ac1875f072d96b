//! The forms in which a writer may lay down a text or a time of the contract.

use super::cursor::{Cursor, Fault};
use super::names::{Names, fullname, namespace_of};
use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};
use std::fmt;

/// What a text is written as.
#[derive(Debug)]
pub(super) enum TextForm {
    /// A string, or bytes that hold one.
    Plain,
    /// An enum: its symbols.
    Symbols(Box<[Box<str>]>),
    /// Nothing.
    Null,
    /// One of these.
    Union(Box<[TextForm]>),
    /// A type that no text can be read from.
    Other(&'static str),
}

impl TextForm {
    pub(super) fn of(schema: &Schema, names: &Names<'_>, namespace: Option<&str>) -> Self {
        match schema {
            Schema::String | Schema::Bytes | Schema::Uuid(UuidSchema::String) => Self::Plain,
            Schema::Null => Self::Null,
            Schema::Enum(written) => Self::Symbols(
                written
                    .symbols
                    .iter()
                    .map(|symbol| symbol.as_str().into())
                    .collect(),
            ),
            Schema::Union(union) => {
                let branches = union.variants().iter();
                Self::Union(
                    branches
                        .map(|branch| Self::of(branch, names, namespace))
                        .collect(),
                )
            }
            Schema::Ref { name } => {
                let full = fullname(name, namespace);
                match names.get(&full) {
                    Some(Schema::Ref { .. } | Schema::Union(_)) | None => Self::Other("reference"),
                    Some(definition) => Self::of(definition, names, namespace_of(&full)),
                }
            }
            other => Self::Other(type_name(other)),
        }
    }

    /// Whether a text (or, where allowed, its absence) can be read from it.
    pub(super) fn reads(&self, null: bool) -> bool {
        match self {
            Self::Plain | Self::Symbols(_) => true,
            Self::Null => null,
            Self::Union(branches) => branches.iter().any(|branch| branch.reads(null)),
            Self::Other(_) => false,
        }
    }

    #[inline]
    pub(super) fn read<'a>(&'a self, cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Fault> {
        match self {
            Self::Plain => cursor.text().map(Some),
            Self::Symbols(symbols) => Ok(Some(&symbols[cursor.symbol(symbols.len())?])),
            Self::Null => Ok(None),
            Self::Union(branches) => {
                let branch = cursor.branch(branches.len())?;
                match &branches[branch] {
                    Self::Plain => cursor.text().map(Some),
                    Self::Null => Ok(None),
                    // Unions do not nest: this ends here.
                    other => other.read(cursor),
                }
            }
            Self::Other(found) => Err(Fault::Type(found)),
        }
    }
}

impl fmt::Display for TextForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("string"),
            Self::Symbols(_) => f.write_str("enum"),
            Self::Null => f.write_str("null"),
            Self::Union(branches) => union(f, branches),
            Self::Other(found) => f.write_str(found),
        }
    }
}

/// What a time is written as.
#[derive(Debug)]
pub(super) enum TimeForm {
    /// 64 bits of milliseconds.
    Long,
    /// 32 bits of milliseconds.
    Int,
    /// Nothing.
    Null,
    /// One of these.
    Union(Box<[TimeForm]>),
    /// A type that no time can be read from.
    Other(&'static str),
}

impl TimeForm {
    /// `beside`: the logical type that stands beside the field's type.
    pub(super) fn of(schema: &Schema, beside: Option<&str>) -> Self {
        match schema {
            Schema::Long | Schema::Int => match beside.and_then(other_unit) {
                Some(unit) => Self::Other(unit),
                None if matches!(schema, Schema::Int) => Self::Int,
                None => Self::Long,
            },
            Schema::TimestampMillis => Self::Long,
            Schema::Null => Self::Null,
            Schema::Union(union) => {
                let branches = union.variants().iter();
                Self::Union(branches.map(|branch| Self::of(branch, beside)).collect())
            }
            other => Self::Other(type_name(other)),
        }
    }

    /// Whether a time can be read from it.
    pub(super) fn reads(&self) -> bool {
        match self {
            Self::Long | Self::Int => true,
            Self::Union(branches) => branches.iter().any(Self::reads),
            Self::Null | Self::Other(_) => false,
        }
    }

    #[inline]
    pub(super) fn read(&self, cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
        match self {
            Self::Long => cursor.long(),
            Self::Int => cursor.int().map(i64::from),
            Self::Null => Err(Fault::Null),
            Self::Union(branches) => {
                let branch = cursor.branch(branches.len())?;
                branches[branch].read(cursor)
            }
            Self::Other(found) => Err(Fault::Type(found)),
        }
    }
}

impl fmt::Display for TimeForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => f.write_str("long"),
            Self::Int => f.write_str("int"),
            Self::Null => f.write_str("null"),
            Self::Union(branches) => union(f, branches),
            Self::Other(found) => f.write_str(found),
        }
    }
}

fn union(f: &mut fmt::Formatter<'_>, branches: &[impl fmt::Display]) -> fmt::Result {
    f.write_str("union [")?;
    for (index, branch) in branches.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{branch}")?;
    }
    f.write_str("]")
}

/// A logical type that means another unit than milliseconds since 1970 in UTC.
fn other_unit(logical_type: &str) -> Option<&'static str> {
    const OTHERS: [&str; 8] = [
        "date",
        "time-millis",
        "time-micros",
        "timestamp-micros",
        "timestamp-nanos",
        "local-timestamp-millis",
        "local-timestamp-micros",
        "local-timestamp-nanos",
    ];
    OTHERS.into_iter().find(|other| *other == logical_type)
}

/// The type's name in messages.
pub(super) fn type_name(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Int => "int",
        Schema::Long => "long",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Bytes => "bytes",
        Schema::String => "string",
        Schema::Array(_) => "array",
        Schema::Map(_) => "map",
        Schema::Union(_) => "union",
        Schema::Record(_) => "record",
        Schema::Enum(_) => "enum",
        Schema::Fixed(_) => "fixed",
        Schema::Decimal(decimal) => match decimal.inner {
            InnerDecimalSchema::Bytes => "decimal (bytes)",
            InnerDecimalSchema::Fixed(_) => "decimal (fixed)",
        },
        Schema::BigDecimal => "big-decimal",
        Schema::Uuid(UuidSchema::String) => "uuid (string)",
        Schema::Uuid(UuidSchema::Bytes) => "uuid (bytes)",
        Schema::Uuid(UuidSchema::Fixed(_)) => "uuid (fixed)",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        Schema::Duration(_) => "duration",
        Schema::Ref { .. } => "reference",
    }
}
