//! Reads one saga from an object.
//!
//! An object of up to [`WHOLE`] bytes is fetched whole, and nothing of it is given to the parser of the
//! format before its hash is the one that was recorded when it was written and read back. Of a larger one
//! only the end is fetched, where the index of the file is, and the saga's row groups, of which one at a
//! time is in memory. Such an object is parsed as the object store hands it out: who can change what is
//! in the bucket chooses what the parser sees. What is trusted then is the parser, to fail and do nothing else,
//! and the evidence of the deliveries, which whoever reads compares with the record of the removal.
//!
//! What a decision, the file or its index say about sizes is believed only within what the object store
//! says, and memory is taken for what was fetched, not for what is named.

use super::ArchiveError;
use super::schema::{event_of, saga_of, stands};
use super::stored::{Stored, damaged, each_piece, part};
use crate::domain::{Event, RowGroups, SagaId};
use crate::operations::objects::Objects;
use bytes::buf::Reader;
use bytes::{Buf as _, Bytes};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use std::ops::{ControlFlow, Range};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Objects up to this size are fetched whole. Those that retention makes are of some mebibytes: a decision
/// names no more sagas than fit into a message.
pub(super) const WHOLE: u64 = 64 << 20;
/// Room for what is held whole by all who read at once, in units of [`UNIT`]; who finds too little of it waits.
static ROOM: Semaphore = Semaphore::const_new((WHOLE / UNIT) as usize);
const UNIT: u64 = 1 << 10;
/// So much of a file's end is read first; its index is in there unless it has very many row groups.
const END: u64 = 64 << 10;
/// An index is longer only in a file that a tracker did not write.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// A file ends with the length of its index and four letters.
const TRAILER: usize = 8;

/// Reads a saga, row group by row group: [`SagaReader::load_next`], then [`SagaReader::each`].
pub struct SagaReader<'o> {
    source: Source<'o>,
    saga: &'o SagaId,
    /// Its row groups.
    all: Range<u32>,
    /// Its deliveries.
    deliveries: u32,
    /// The row groups that are still to be read.
    groups: Range<u32>,
    /// The one that is loaded.
    loaded: u32,
    /// So many deliveries may still come.
    left: u32,
}

impl<'o> SagaReader<'o> {
    /// Opens an object that was written so, to read a saga of so many deliveries from those row groups.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn open(
        objects: &'o Objects,
        object: (&'o str, &Stored),
        groups: RowGroups,
        wanted: (&'o SagaId, u32),
    ) -> Result<Self, ArchiveError> {
        Self::open_up_to(WHOLE, objects, object, groups, wanted).await
    }

    /// The same, where objects of up to so many bytes are fetched whole.
    pub(super) async fn open_up_to(
        whole: u64,
        objects: &'o Objects,
        (object, stored): (&'o str, &Stored),
        groups: RowGroups,
        (saga, deliveries): (&'o SagaId, u32),
    ) -> Result<Self, ArchiveError> {
        let mut source = Source::new(objects, object, stored.size);
        if stored.size <= whole {
            source.fetch_whole(stored).await?;
        } else {
            source.fetch_index().await?;
        }
        let there = source.reader()?.metadata().num_row_groups();
        let end = groups.first.checked_add(groups.count);
        let end = end.filter(|end| *end as usize <= there);
        let end = end.ok_or_else(|| damaged(object, format!("it has no row groups {groups:?}")))?;
        let all = groups.first..end;
        Ok(Self {
            source,
            saga,
            deliveries,
            groups: all.clone(),
            loaded: all.start,
            left: deliveries,
            all,
        })
    }

    /// Goes back to before the first row group.
    pub fn begin_again(&mut self) {
        self.groups = self.all.clone();
        self.left = self.deliveries;
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
        if self.source.room.is_none() {
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

    /// Visits the saga's deliveries in the row group that is loaded, each with whether it is the one that
    /// stands for its event.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn each(
        &mut self,
        visit: &mut dyn FnMut(Event, bool) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
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
            let delivery = event_of(&row).zip(stands(&row));
            let (event, stands) = delivery.ok_or_else(|| damaged(object, "a row is not a delivery"))?;
            if visit(event, stands).is_break() {
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

/// A file that was fetched, or some parts of it.
struct Source<'o> {
    objects: &'o Objects,
    object: &'o str,
    pieces: Pieces,
    reads: u32,
    /// What it takes up when all of it is held.
    room: Option<SemaphorePermit<'static>>,
}

impl<'o> Source<'o> {
    fn new(objects: &'o Objects, object: &'o str, size: u64) -> Self {
        let parts = Vec::new();
        Self {
            objects,
            object,
            pieces: Pieces { size, parts },
            reads: 0,
            room: None,
        }
    }

    /// Fetches all of it, and makes sure that it is what was written.
    async fn fetch_whole(&mut self, stored: &Stored) -> Result<(), ArchiveError> {
        let units = u32::try_from(stored.size.div_ceil(UNIT)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        self.room = ROOM.acquire_many(units).await.ok();
        let mut all = Vec::new();
        self.reads += each_piece(self.objects, self.object, stored, |piece| {
            if all.is_empty() {
                // By now the object store has said that there is so much of it.
                all.reserve_exact(usize::try_from(stored.size).unwrap_or(0));
            }
            all.extend_from_slice(&piece);
        })
        .await?;
        self.pieces.parts.push((0, all.into()));
        Ok(())
    }

    /// Fetches the end, as far as the index of the file reaches.
    async fn fetch_index(&mut self) -> Result<(), ArchiveError> {
        let size = self.pieces.size;
        let end = size.saturating_sub(END);
        self.fetch(end..size).await?;
        let index = size.saturating_sub(self.index_length()?);
        if index < end {
            self.fetch(index..end).await?;
        }
        Ok(())
    }

    async fn fetch(&mut self, range: Range<u64>) -> Result<(), ArchiveError> {
        let start = range.start;
        self.reads += 1;
        let part = part(self.objects, self.object, range, self.pieces.size).await?;
        self.pieces.add(start, &part);
        Ok(())
    }

    /// Bytes from the start of the file's index to its end.
    fn index_length(&self) -> Result<u64, ArchiveError> {
        let none = || damaged(self.object, "it is not a file that a tracker wrote");
        let at = self.pieces.size.checked_sub(TRAILER as u64).ok_or_else(none)?;
        let trailer = self.pieces.get_bytes(at, TRAILER).map_err(|_| none())?;
        let length = trailer.first_chunk().copied().map(u32::from_le_bytes);
        let whole = u64::from(length.ok_or_else(none)?) + TRAILER as u64;
        if whole > self.pieces.size.min(MAX_INDEX_BYTES) {
            return Err(damaged(
                self.object,
                "its index is longer than the file, or than any that a tracker writes",
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
