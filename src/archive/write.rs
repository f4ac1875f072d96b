//! Makes a file of some sagas.

use super::ArchiveError;
use super::schema::{Cell, Line, cells, schema};
use crate::domain::{Event, SagaId, SagaState, deduplicate};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use std::sync::Arc;

/// Rows after which a row group ends: few, so that one saga is a small read. A saga is never cut.
const GROUP_ROWS: usize = 2_048;
/// ZSTD level: a file is written once and kept for years.
const LEVEL: i32 = 6;

/// A saga to archive.
#[derive(Clone, Debug)]
pub struct ArchivedSaga {
    /// The saga.
    pub saga: SagaId,
    /// Its final state.
    pub state: SagaState,
    /// All of its deliveries.
    pub events: Vec<Event>,
}

/// A finished file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub hash: [u8; 32],
    /// For each saga, in the order given after sorting by id: the row group that holds it.
    pub row_groups: Vec<u32>,
}

/// Makes a file of the sagas, which it sorts by id.
///
/// # Errors
/// [`ArchiveError::Format`].
pub fn write(sagas: &mut [ArchivedSaga]) -> Result<File, ArchiveError> {
    sagas.sort_by(|a, b| a.saga.cmp(&b.saga));
    let level = ZstdLevel::try_new(LEVEL)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("saga-tracker ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema()?, Arc::new(properties))?;
    let mut row_groups = Vec::with_capacity(sagas.len());
    let mut group: Vec<Line<'_>> = Vec::new();
    let mut number = 0;
    for saga in sagas.iter() {
        if group.len() >= GROUP_ROWS {
            write_group(&mut file, &group)?;
            group.clear();
            number += 1;
        }
        group.extend(lines(saga));
        row_groups.push(number);
    }
    write_group(&mut file, &group)?;
    let bytes = file.into_inner()?;
    let hash = *blake3::hash(&bytes).as_bytes();
    Ok(File {
        bytes,
        hash,
        row_groups,
    })
}

/// The rows of a saga: its timeline, then the duplicates.
fn lines(saga: &ArchivedSaga) -> Vec<Line<'_>> {
    let parts = deduplicate(&saga.events);
    let timeline = (1..)
        .zip(parts.timeline)
        .map(|(number, event)| (event, Some(number)));
    let duplicates = parts.duplicates.into_iter().map(|(event, _)| (event, None));
    timeline
        .chain(duplicates)
        .map(|(event, number)| Line {
            event,
            state: &saga.state,
            number,
        })
        .collect()
}

fn write_group(file: &mut SerializedFileWriter<Vec<u8>>, lines: &[Line<'_>]) -> Result<(), ArchiveError> {
    let rows: Vec<_> = lines.iter().map(cells).collect();
    let mut group = file.next_row_group()?;
    let mut column = 0;
    while let Some(mut writer) = group.next_column()? {
        write_column(&mut writer, rows.iter().map(|row| &row[column]))?;
        writer.close()?;
        column += 1;
    }
    group.close()?;
    Ok(())
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
