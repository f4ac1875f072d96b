//! Rows as Parquet: the columns of CSV with the types of the JSON. A row group is in memory until it is written; what
//! broke off has no end, without which nobody can read it.

use super::super::chunked::Parts;
use super::super::error::{ApiError, ErrorKind};
use super::super::text::parse_day;
use super::columns::{self, Column, Kind};
use super::rows::Table;
use crate::parquet_table::{Cell, ParquetError, ParquetTable};
use jiff::Timestamp;
use std::borrow::Cow;
use std::io::Write;
use std::ops::ControlFlow;

/// A row group ends after so many rows, or bytes of text.
const GROUP_ROWS: usize = 8_192;
const GROUP_BYTES: usize = 4 << 20;
/// ZSTD level: it is written while somebody waits.
const LEVEL: i32 = 1;

/// The file.
pub(super) struct ParquetRows<W: Write + Send = Parts> {
    table: ParquetTable<W>,
    columns: Vec<Column>,
}

impl<W: Write + Send> ParquetRows<W> {
    /// Begins a file of these columns.
    pub(super) fn begin(out: W, columns: Vec<Column>) -> Result<Self, ApiError> {
        let table = ParquetTable::begin(out, &schema(&columns), LEVEL)
            .map_err(|error| ApiError::new(ErrorKind::InternalError, error.to_string()))?;
        Ok(Self { table, columns })
    }

    fn add(&mut self, row: &[u8]) -> Result<(), ParquetError> {
        let no_object = || ParquetError::General("a row is no object".to_owned());
        let values = columns::values(&self.columns, row).ok_or_else(no_object)?;
        let mut cells = Vec::with_capacity(values.len());
        for (column, json) in self.columns.iter().zip(values) {
            cells.push(Value::read(column.kind, json).ok_or_else(|| {
                ParquetError::General(format!("{}: {json} is no {:?}", column.name, column.kind))
            })?);
        }
        self.table.add(cells.iter().map(Value::cell));
        if self.table.rows() >= GROUP_ROWS || self.table.bytes() >= GROUP_BYTES {
            self.table.end_group()?;
        }
        Ok(())
    }
}

impl Table for ParquetRows {
    fn row(&mut self, row: &[u8]) -> ControlFlow<()> {
        match self.add(row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                told(&error);
                ControlFlow::Break(())
            }
        }
    }

    fn end(self: Box<Self>) {
        match self.table.finish() {
            Ok(parts) => parts.finish(),
            Err(error) => told(&error),
        }
    }
}

/// A client that goes away is one reason.
fn told(error: &ParquetError) {
    tracing::info!(%error, "a Parquet file is not written to its end");
}

fn schema(columns: &[Column]) -> String {
    let columns = columns.iter().map(|Column { name, kind }| match kind {
        Kind::Text => format!("optional binary {name} (STRING);\n"),
        Kind::Number => format!("optional int64 {name};\n"),
        Kind::Time => format!("optional int64 {name} (TIMESTAMP(MILLIS,true));\n"),
        Kind::Day => format!("optional int32 {name} (DATE);\n"),
    });
    format!("message row {{\n{}}}\n", columns.collect::<String>())
}

/// A value as its column has it.
enum Value<'r> {
    Text(Option<Cow<'r, str>>),
    Long(Option<i64>),
    Int(Option<i32>),
}

impl<'r> Value<'r> {
    /// Of the JSON of a value; `None` when it is not of the kind.
    fn read(kind: Kind, json: &'r str) -> Option<Self> {
        let is_there = json != "null";
        let string = || serde_json::from_str::<String>(json).ok();
        Some(match kind {
            Kind::Text => Self::Text(is_there.then(|| string().map_or(Cow::Borrowed(json), Cow::Owned))),
            Kind::Number if is_there => Self::Long(Some(json.parse().ok()?)),
            Kind::Time if is_there => Self::Long(Some(millis(&string()?)?)),
            Kind::Day if is_there => Self::Int(Some(days(&string()?)?)),
            Kind::Number | Kind::Time => Self::Long(None),
            Kind::Day => Self::Int(None),
        })
    }

    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Text(text) => Cell::MaybeText(text.as_deref()),
            Self::Long(number) => Cell::MaybeLong(*number),
            Self::Int(number) => Cell::MaybeInt(*number),
        }
    }
}

/// An instant as answers show it, which beyond the years that the library knows is a number.
fn millis(text: &str) -> Option<i64> {
    match text.strip_suffix(" ms") {
        Some(number) => number.parse().ok(),
        None => text.parse().ok().map(Timestamp::as_millisecond),
    }
}

/// A day, likewise.
fn days(text: &str) -> Option<i32> {
    let day = match text.strip_prefix("day ") {
        Some(number) => number.parse().ok(),
        None => parse_day(text),
    };
    i32::try_from(day?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use columns::{day, number, text, time};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use serde_json::json;

    fn columns() -> Vec<Column> {
        vec![text("a"), number("n"), time("at"), day("day")]
    }

    /// Row groups, and the values of each row.
    fn read(file: Vec<u8>) -> (usize, Vec<Vec<Field>>) {
        let file = SerializedFileReader::new(Bytes::from(file)).unwrap();
        let rows = file.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            row.get_column_iter().map(|(_, field)| field.clone()).collect()
        });
        (file.num_row_groups(), rows.collect())
    }

    #[test]
    fn values_have_the_types_of_their_columns_and_what_is_missing_is_null() {
        use Field::{Date, Long, Null, Str, TimestampMillis};
        let mut file = ParquetRows::begin(Vec::new(), columns()).unwrap();
        for row in [
            json!({"n": -5, "a": "주문 \"x\"", "at": "2026-01-31T09:30:00.250Z", "day": "1970-01-03", "other": 1}),
            json!({"a": ["t1", {"b": 1.5}], "n": i64::MAX, "at": "-9000000000000000000 ms", "day": "day -3000000"}),
            json!({"a": null}),
        ] {
            file.add(row.to_string().as_bytes()).unwrap();
        }
        let (groups, rows) = read(file.table.finish().unwrap());
        assert_eq!(groups, 1);
        let text = |text: &str| Str(text.to_owned());
        assert_eq!(
            rows,
            [
                vec![
                    text("주문 \"x\""),
                    Long(-5),
                    TimestampMillis(1_769_851_800_250),
                    Date(2)
                ],
                vec![
                    text("[\"t1\",{\"b\":1.5}]"),
                    Long(i64::MAX),
                    TimestampMillis(-9_000_000_000_000_000_000),
                    Date(-3_000_000)
                ],
                vec![Null; 4],
            ]
        );
    }

    #[test]
    fn what_is_no_value_of_its_column_ends_the_file() {
        for wrong in [
            json!({"n": "5"}),
            json!({"n": 1.5}),
            json!({"at": "yesterday"}),
            json!({"day": 3}),
        ] {
            let mut file = ParquetRows::begin(Vec::new(), columns()).unwrap();
            assert!(file.add(wrong.to_string().as_bytes()).is_err(), "{wrong}");
        }
        let mut file = ParquetRows::begin(Vec::new(), columns()).unwrap();
        assert!(file.add(b"[1]").is_err());
    }

    #[test]
    fn no_more_than_a_row_group_is_in_memory() {
        let mut file = ParquetRows::begin(Vec::new(), columns()).unwrap();
        let (mut max_rows, mut max_bytes) = (0, 0);
        let long = "x".repeat(100_000);
        for n in 0..20_000 {
            let row = if n < 100 {
                json!({"a": long})
            } else {
                json!({"n": n})
            };
            file.add(row.to_string().as_bytes()).unwrap();
            max_rows = max_rows.max(file.table.rows());
            max_bytes = max_bytes.max(file.table.bytes());
        }
        assert_eq!((max_rows, max_bytes / long.len()), (GROUP_ROWS - 1, 41));
        let (groups, rows) = read(file.table.finish().unwrap());
        assert_eq!((groups, rows.len()), (5, 20_000));
    }

    #[test]
    fn a_table_without_rows_is_a_file_without_rows() {
        let file = ParquetRows::begin(Vec::new(), columns()).unwrap();
        assert_eq!(read(file.table.finish().unwrap()), (0, Vec::new()));
    }
}
