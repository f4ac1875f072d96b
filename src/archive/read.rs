//! Reads one saga from an object: its end, where the index of the file is, and the saga's row group.

use super::ArchiveError;
use super::schema::{event_of, saga_of};
use crate::domain::{Event, SagaId};
use crate::objects::Objects;
use bytes::Bytes;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::ops::Range;

/// So much of a file's end is read first; its index is in there unless it has very many row groups.
const END: u64 = 64 << 10;
/// Files up to this size are read whole: one request instead of two.
const SMALL: u64 = 256 << 10;
/// A file ends with the length of its index and four letters.
const TRAILER: usize = 8;

/// A saga as it was archived.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its deliveries.
    pub events: Vec<Event>,
    /// How many reads of the object it took.
    pub reads: u32,
}

/// Reads a saga from the row group of an object of that size.
///
/// # Errors
/// [`ArchiveError`].
pub async fn read_saga(
    objects: &Objects,
    object: &str,
    size: u64,
    row_group: u32,
    saga: &SagaId,
) -> Result<Found, ArchiveError> {
    let mut source = Source {
        objects,
        object,
        bytes: vec![0; usize::try_from(size).map_err(|_| damaged(object, "it is too large"))?],
        reads: 0,
    };
    if size <= SMALL {
        source.fill(0..size).await?;
    } else {
        source.fill(size - END.min(size)..size).await?;
        let index = source.index_length()?;
        if index > END {
            source.fill(size.saturating_sub(index)..size - END).await?;
        }
        let reader = source.reader()?;
        let group = group(&reader, row_group, object)?;
        let range =
            range_of(group, size).ok_or_else(|| damaged(object, "its index leads out of the file"))?;
        source.fill(range).await?;
    }
    let reader = source.reader()?;
    group(&reader, row_group, object)?;
    let rows = reader.get_row_group(row_group as usize)?;
    let mut events = Vec::new();
    for row in rows.get_row_iter(None)? {
        let row = row.map_err(|error| damaged(object, error.to_string()))?;
        if saga_of(&row) == Some(saga.as_str()) {
            events.push(event_of(&row).ok_or_else(|| damaged(object, "a row is no delivery"))?);
        }
    }
    Ok(Found {
        events,
        reads: source.reads,
    })
}

/// A file of which only some parts were fetched; the rest is zeros that nobody looks at.
struct Source<'o> {
    objects: &'o Objects,
    object: &'o str,
    bytes: Vec<u8>,
    reads: u32,
}

impl Source<'_> {
    async fn fill(&mut self, range: Range<u64>) -> Result<(), ArchiveError> {
        let into = usize::try_from(range.start).unwrap_or(usize::MAX);
        let part = self.objects.get_range(self.object, range).await?;
        self.reads += 1;
        match self.bytes.get_mut(into..into.saturating_add(part.len())) {
            Some(place) => place.copy_from_slice(&part),
            None => return Err(damaged(self.object, "it is shorter than it was")),
        }
        Ok(())
    }

    /// Bytes from the start of the file's index to its end.
    fn index_length(&self) -> Result<u64, ArchiveError> {
        let trailer = self.bytes.len().checked_sub(TRAILER);
        let length = trailer
            .and_then(|at| self.bytes.get(at..at + 4))
            .and_then(|length| length.try_into().ok())
            .map(u32::from_le_bytes);
        let length = length.ok_or_else(|| damaged(self.object, "it is no file of ours"))?;
        let whole = u64::from(length) + TRAILER as u64;
        if whole > self.bytes.len() as u64 {
            return Err(damaged(self.object, "its index is longer than the file"));
        }
        Ok(whole)
    }

    fn reader(&self) -> Result<SerializedFileReader<Bytes>, ArchiveError> {
        SerializedFileReader::new(Bytes::from(self.bytes.clone()))
            .map_err(|error| damaged(self.object, error.to_string()))
    }
}

fn group<'r>(
    reader: &'r SerializedFileReader<Bytes>,
    number: u32,
    object: &str,
) -> Result<&'r RowGroupMetaData, ArchiveError> {
    reader
        .metadata()
        .row_groups()
        .get(number as usize)
        .ok_or_else(|| damaged(object, format!("it has no row group {number}")))
}

/// Where a row group lies; none when that is nowhere in the file.
fn range_of(group: &RowGroupMetaData, size: u64) -> Option<Range<u64>> {
    let mut range: Option<Range<u64>> = None;
    for column in group.columns() {
        let start = column
            .dictionary_page_offset()
            .unwrap_or_else(|| column.data_page_offset());
        let start = u64::try_from(start).ok()?;
        let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
        range = Some(match range {
            Some(range) => range.start.min(start)..range.end.max(end),
            None => start..end,
        });
    }
    range.filter(|range| range.end <= size)
}

fn damaged(object: &str, detail: impl Into<String>) -> ArchiveError {
    ArchiveError::Damaged {
        object: object.to_owned(),
        detail: detail.into(),
    }
}
