//! Rows into a Parquet file, row group by row group: what archived sagas and exports have in common. In memory is the
//! row group that is not written yet, and what the file's end says of those that are. Which columns there are, and
//! where a row group ends, is for those to say who write.

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
pub(crate) use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use std::io::Write;
use std::sync::Arc;

/// What is in a row under a column. All cells of a column are of one kind, that of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'c> {
    Text(&'c str),
    MaybeText(Option<&'c str>),
    Long(i64),
    MaybeLong(Option<i64>),
    Int(i32),
    MaybeInt(Option<i32>),
}

/// A file that is being written.
pub(crate) struct ParquetTable<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// The row group that is not written yet.
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> ParquetTable<W> {
    /// Begins a file of this schema, compressed with ZSTD at this level.
    pub(crate) fn begin(out: W, schema: &str, level: i32) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
            // What is kept of each row group until the end is little, however many there are.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_created_by(concat!("saga-tracker ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let schema = parse_message_type(schema)?;
        let columns = schema.get_fields().iter().map(|_| Column::default());
        Ok(Self {
            columns: columns.collect(),
            file: SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?,
            rows: 0,
            bytes: 0,
        })
    }

    /// Adds a row: its cells in the order of the columns.
    pub(crate) fn add<'c>(&mut self, cells: impl IntoIterator<Item = Cell<'c>>) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.add(cell);
        }
        self.rows += 1;
    }

    /// Rows of the row group that is not written yet.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the row group.
    pub(crate) fn end_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            // The file has as many columns as its schema.
            if let Some(mut writer) = group.next_column()? {
                std::mem::take(column).write(&mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Writes what is left and the end of the file, without which nobody can read it.
    pub(crate) fn finish(mut self) -> Result<W, ParquetError> {
        if self.rows > 0 {
            self.end_group()?;
        }
        self.file.into_inner()
    }
}

/// The cells of a column; those that are empty are only said to be.
#[derive(Default)]
struct Column {
    texts: Vec<ByteArray>,
    longs: Vec<i64>,
    ints: Vec<i32>,
    /// By row whether there is a value; empty where there always is.
    present: Vec<i16>,
}

impl Column {
    /// Adds a cell. How many bytes of text it has.
    fn add(&mut self, cell: Cell<'_>) -> usize {
        match cell {
            Cell::Text(text) => self.add_text(text),
            Cell::MaybeText(text) => {
                self.present.push(text.is_some().into());
                text.map_or(0, |text| self.add_text(text))
            }
            Cell::Long(number) => {
                self.longs.push(number);
                0
            }
            Cell::MaybeLong(number) => {
                self.present.push(number.is_some().into());
                self.longs.extend(number);
                0
            }
            Cell::Int(number) => {
                self.ints.push(number);
                0
            }
            Cell::MaybeInt(number) => {
                self.present.push(number.is_some().into());
                self.ints.extend(number);
                0
            }
        }
    }

    fn add_text(&mut self, text: &str) -> usize {
        self.texts.push(ByteArray::from(text));
        text.len()
    }

    fn write(self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = (!self.present.is_empty()).then_some(&self.present[..]);
        match writer.untyped() {
            ColumnWriter::Int32ColumnWriter(column) => column.write_batch(&self.ints, levels, None)?,
            ColumnWriter::Int64ColumnWriter(column) => column.write_batch(&self.longs, levels, None)?,
            ColumnWriter::ByteArrayColumnWriter(column) => column.write_batch(&self.texts, levels, None)?,
            _ => {
                let told = "a column of a type that no cell has".to_owned();
                return Err(ParquetError::General(told));
            }
        };
        Ok(())
    }
}
