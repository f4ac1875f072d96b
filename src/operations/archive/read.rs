//! Reads one saga from an object: its end, where the index of the file is, and the saga's row groups, of
//! which one at a time is in memory.
//!
//! What a decision, the file or its index say about sizes is believed only within what the object store
//! says, and memory is taken for what was fetched, not for what is named.

use super::ArchiveError;
use super::schema::{event_of, saga_of};
use crate::domain::{Event, RowGroups, SagaId};
use crate::operations::objects::{Objects, ObjectsError};
use bytes::buf::Reader;
use bytes::{Buf as _, Bytes};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use std::ops::{ControlFlow, Range};

/// So much of a file's end is read first; its index is in there unless it has very many row groups.
const END: u64 = 64 << 10;
/// Files up to this size are read whole: one request instead of two.
const SMALL: u64 = 256 << 10;
/// An index is longer only in a file that a tracker did not write.
const LONGEST_INDEX: u64 = 64 << 20;
/// A file ends with the length of its index and four letters.
const TRAILER: usize = 8;

/// Reads a saga, row group by row group: [`SagaReader::load_next`], then [`SagaReader::each`].
pub struct SagaReader<'o> {
    source: Source<'o>,
    saga: &'o SagaId,
    /// The row groups that are still to be read.
    groups: Range<u32>,
    /// The one that is loaded.
    loaded: u32,
    /// So many deliveries may still come.
    left: u32,
}

impl<'o> SagaReader<'o> {
    /// Opens an object of that size, to read a saga of so many deliveries from those row groups.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn open(
        objects: &'o Objects,
        (object, size): (&'o str, u64),
        groups: RowGroups,
        (saga, deliveries): (&'o SagaId, u32),
    ) -> Result<Self, ArchiveError> {
        let mut source = Source::new(objects, object, size);
        if size <= SMALL {
            source.fetch(0..size).await?;
        } else {
            source.fetch(size - END..size).await?;
            let index = source.index_length()?;
            if index > END {
                source.fetch(size.saturating_sub(index)..size - END).await?;
            }
        }
        let there = source.reader()?.metadata().num_row_groups();
        let end = groups.first.checked_add(groups.count);
        let end = end.filter(|end| *end as usize <= there);
        let end = end.ok_or_else(|| damaged(object, format!("it has no row groups {groups:?}")))?;
        Ok(Self {
            source,
            saga,
            groups: groups.first..end,
            loaded: groups.first,
            left: deliveries,
        })
    }

    /// Loads the next row group; whether there is one.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn load_next(&mut self) -> Result<bool, ArchiveError> {
        let Some(number) = self.groups.next() else {
            return Ok(false);
        };
        self.loaded = number;
        let size = self.source.pieces.size;
        if size > SMALL {
            let reader = self.source.reader()?;
            let range = range_of(group(&reader, number, self.source.object)?, size);
            let range =
                range.ok_or_else(|| damaged(self.source.object, "its index leads out of the file"))?;
            drop(reader);
            self.source.pieces.keep_the_index();
            self.source.fetch(range).await?;
        }
        Ok(true)
    }

    /// Visits the saga's deliveries in the row group that is loaded.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn each(&mut self, visit: &mut dyn FnMut(Event) -> ControlFlow<()>) -> Result<(), ArchiveError> {
        let object = self.source.object;
        let reader = self.source.reader()?;
        let rows = reader.get_row_group(self.loaded as usize)?;
        for row in rows.get_row_iter(None)? {
            let row = row.map_err(|error| damaged(object, error.to_string()))?;
            if saga_of(&row) != Some(self.saga.as_str()) {
                continue;
            }
            let more = || {
                damaged(
                    object,
                    format!("there are more deliveries of saga {:?}", self.saga),
                )
            };
            self.left = self.left.checked_sub(1).ok_or_else(more)?;
            let event = event_of(&row).ok_or_else(|| damaged(object, "a row is no delivery"))?;
            if visit(event).is_break() {
                break;
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.source
            .pieces
            .parts
            .iter()
            .map(|(_, bytes)| bytes.len())
            .sum()
    }

    /// How many reads of the object it took.
    pub fn reads(&self) -> u32 {
        self.source.reads
    }
}

/// A file of which only some parts were fetched.
struct Source<'o> {
    objects: &'o Objects,
    object: &'o str,
    pieces: Pieces,
    reads: u32,
}

impl<'o> Source<'o> {
    fn new(objects: &'o Objects, object: &'o str, size: u64) -> Self {
        let parts = Vec::new();
        Self {
            objects,
            object,
            pieces: Pieces { size, parts },
            reads: 0,
        }
    }

    async fn fetch(&mut self, range: Range<u64>) -> Result<(), ArchiveError> {
        let start = range.start;
        self.reads += 1;
        let (part, size) = match self.objects.get_part(self.object, range).await {
            Ok(got) => got,
            Err(error) => return Err(self.reason_of(error).await),
        };
        if size != self.pieces.size {
            return Err(self.of_another_size(size));
        }
        self.pieces.add(start, &part);
        Ok(())
    }

    /// A size that the object does not have makes every read of it fail in another way.
    async fn reason_of(&self, error: ObjectsError) -> ArchiveError {
        match self.objects.head(self.object).await {
            Ok(Some(found)) if found.size != self.pieces.size => self.of_another_size(found.size),
            _ => error.into(),
        }
    }

    fn of_another_size(&self, found: u64) -> ArchiveError {
        let written = self.pieces.size;
        damaged(
            self.object,
            format!("it has {found} bytes; {written} were written"),
        )
    }

    /// Bytes from the start of the file's index to its end.
    fn index_length(&self) -> Result<u64, ArchiveError> {
        let none = || damaged(self.object, "it is no file of ours");
        let at = self.pieces.size.checked_sub(TRAILER as u64).ok_or_else(none)?;
        let trailer = self.pieces.get_bytes(at, TRAILER).map_err(|_| none())?;
        let length = trailer.first_chunk().copied().map(u32::from_le_bytes);
        let whole = u64::from(length.ok_or_else(none)?) + TRAILER as u64;
        if whole > self.pieces.size.min(LONGEST_INDEX) {
            return Err(damaged(
                self.object,
                "its index is longer than the file, or than any of ours",
            ));
        }
        Ok(whole)
    }

    fn reader(&self) -> Result<SerializedFileReader<Pieces>, ArchiveError> {
        SerializedFileReader::new(self.pieces.clone())
            .map_err(|error| damaged(self.object, error.to_string()))
    }
}

/// Parts of a file, sorted by where they begin; those that touch are one.
#[derive(Clone)]
struct Pieces {
    size: u64,
    parts: Vec<(u64, Bytes)>,
}

impl Pieces {
    /// Forgets all but what reaches to the end.
    fn keep_the_index(&mut self) {
        let size = self.size;
        self.parts.retain(|(at, bytes)| *at + bytes.len() as u64 == size);
    }

    fn add(&mut self, start: u64, bytes: &[u8]) {
        let next = self
            .parts
            .iter()
            .position(|(at, _)| *at == start.saturating_add(bytes.len() as u64));
        let joined = match next {
            // The index is fetched from its end to its beginning.
            Some(index) => [bytes, &self.parts.remove(index).1].concat(),
            None => bytes.to_vec(),
        };
        self.parts.push((start, joined.into()));
    }

    /// What was fetched from there on.
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let inside = |(at, bytes): &(u64, Bytes)| {
            let skip = usize::try_from(start.checked_sub(*at)?).ok()?;
            (skip < bytes.len()).then(|| bytes.slice(skip..))
        };
        let found = self.parts.iter().find_map(inside);
        found.ok_or_else(|| ParquetError::EOF(format!("nothing was fetched at {start}")))
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Pieces {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let rest = self.from(start)?;
        if length > rest.len() {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} were not fetched"
            )));
        }
        Ok(rest.slice(..length))
    }
}

fn group<'r>(
    reader: &'r SerializedFileReader<Pieces>,
    number: u32,
    object: &str,
) -> Result<&'r RowGroupMetaData, ArchiveError> {
    reader
        .metadata()
        .row_groups()
        .get(number as usize)
        .ok_or_else(|| damaged(object, format!("it has no row group {number}")))
}

/// Where a row group lies; `None` when that is nowhere in the file.
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
