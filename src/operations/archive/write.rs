//! Makes a file of some sagas, delivery by delivery. What is in memory is one row group.

use super::ArchiveError;
use super::schema::{Cell, Line, cells, schema};
use crate::domain::{Event, RowGroups, SagaState};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use std::io::Write;
use std::sync::Arc;

/// Rows after which the next saga begins a row group: few, so that one saga is a small read.
const GROUP_ROWS: usize = 2_048;
/// Rows after which a row group ends even within a saga.
const MAX_GROUP_ROWS: usize = 2 * GROUP_ROWS;
/// Bytes of metadata after which it does.
const MAX_GROUP_BYTES: usize = 4 << 20;
/// ZSTD level: a file is written once and kept for years.
const LEVEL: i32 = 6;

/// A file that is being written: one saga after the other, by id, each with its deliveries in the order
/// of its timeline.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// The rows of the row group that is not written yet.
    rows: Vec<Row>,
    bytes: usize,
    /// The number of that row group.
    group: u32,
    saga: Option<Saga>,
}

/// The saga that deliveries are added of.
struct Saga {
    state: Arc<SagaState>,
    /// Its first row group.
    first: u32,
    /// Events of its timeline so far.
    steps: i32,
}

struct Row {
    state: Arc<SagaState>,
    event: Event,
    number: Option<i32>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn new(out: W) -> Result<Self, ArchiveError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
            .set_created_by(concat!("saga-tracker ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        Ok(Self {
            file: SerializedFileWriter::new(out, schema()?, Arc::new(properties))?,
            rows: Vec::new(),
            bytes: 0,
            group: 0,
            saga: None,
        })
    }

    /// Begins a saga, whose final state this is.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn begin(&mut self, state: &SagaState) -> Result<(), ArchiveError> {
        if self.rows.len() >= GROUP_ROWS {
            self.end_group()?;
        }
        self.saga = Some(Saga {
            state: Arc::new(state.clone()),
            first: self.group,
            steps: 0,
        });
        Ok(())
    }

    /// Adds the saga's next delivery, and whether it is the one that stands for its event.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn add(&mut self, event: Event, stands: bool) -> Result<(), ArchiveError> {
        if self.rows.len() >= MAX_GROUP_ROWS || self.bytes >= MAX_GROUP_BYTES {
            self.end_group()?;
        }
        let none = || ArchiveError::Format("a delivery of no saga".to_owned());
        let saga = self.saga.as_mut().ok_or_else(none)?;
        saga.steps += i32::from(stands);
        self.bytes += event.metadata.as_ref().map_or(0, |text| text.len());
        self.rows.push(Row {
            state: saga.state.clone(),
            number: stands.then_some(saga.steps),
            event,
        });
        Ok(())
    }

    /// Ends the saga. Where it lies.
    pub fn end(&mut self) -> RowGroups {
        let first = self.saga.take().map_or(self.group, |saga| saga.first);
        RowGroups {
            first,
            count: self.group - first + 1,
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        if !self.rows.is_empty() {
            self.end_group()?;
        }
        Ok(self.file.into_inner()?)
    }

    #[cfg(test)]
    pub(super) fn held_rows(&self) -> usize {
        self.rows.len()
    }

    fn end_group(&mut self) -> Result<(), ArchiveError> {
        let rows: Vec<_> = self.rows.iter().map(|row| cells(&row.line())).collect();
        let mut group = self.file.next_row_group()?;
        let mut column = 0;
        while let Some(mut writer) = group.next_column()? {
            write_column(&mut writer, rows.iter().map(|row| &row[column]))?;
            writer.close()?;
            column += 1;
        }
        group.close()?;
        self.rows.clear();
        (self.bytes, self.group) = (0, self.group + 1);
        Ok(())
    }
}

impl Row {
    fn line(&self) -> Line<'_> {
        Line {
            event: &self.event,
            state: &self.state,
            number: self.number,
        }
    }
}

/// All cells of a column are of one kind: the schema and the list of cells stand side by side.
fn write_column<'c>(
    writer: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = &'c Cell<'c>>,
) -> Result<(), ArchiveError> {
    let (mut texts, mut longs, mut ints) = (Vec::new(), Vec::new(), Vec::new());
    let mut present = Vec::new();
    for cell in cells {
        match cell {
            Cell::Text(text) => texts.push(ByteArray::from(*text)),
            Cell::Long(number) => longs.push(*number),
            Cell::Int(number) => ints.push(*number),
            Cell::MaybeText(text) => {
                present.push(i16::from(text.is_some()));
                texts.extend(text.map(ByteArray::from));
            }
            Cell::MaybeInt(number) => {
                present.push(i16::from(number.is_some()));
                ints.extend(*number);
            }
        }
    }
    let levels = (!present.is_empty()).then_some(&present[..]);
    match writer.untyped() {
        ColumnWriter::Int32ColumnWriter(column) => column.write_batch(&ints, levels, None)?,
        ColumnWriter::Int64ColumnWriter(column) => column.write_batch(&longs, levels, None)?,
        ColumnWriter::ByteArrayColumnWriter(column) => column.write_batch(&texts, levels, None)?,
        _ => {
            return Err(ArchiveError::Format(
                "a column of a type that no cell has".to_owned(),
            ));
        }
    };
    Ok(())
}
