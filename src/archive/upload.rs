//! Puts a file into object storage while it is being made, and makes sure that it is there as it was
//! made. What is in memory is one piece.

use super::ArchiveError;
use super::read::{damaged, part};
use crate::objects::{ObjectWriter, Objects, ObjectsError, PIECE_BYTES};
use std::io::{self, Write};
use tokio::runtime::Handle;

/// An object that is being written, by a thread that may wait for the object store.
pub struct Upload<'o> {
    objects: &'o Objects,
    runtime: Handle,
    name: String,
    writer: ObjectWriter,
    piece: Vec<u8>,
    size: u64,
    hash: blake3::Hasher,
}

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its size in bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub hash: [u8; 32],
}

impl<'o> Upload<'o> {
    /// Begins an object. It is not there before [`Upload::finish`].
    pub fn new(objects: &'o Objects, runtime: Handle, name: &str) -> Self {
        Self {
            objects,
            runtime,
            name: name.to_owned(),
            writer: objects.writer(name),
            piece: Vec::new(),
            size: 0,
            hash: blake3::Hasher::new(),
        }
    }

    /// Makes the object appear, and reads it back.
    ///
    /// # Errors
    /// [`ArchiveError`]; then it must not be relied on.
    pub fn finish(mut self) -> Result<Stored, ArchiveError> {
        let last = std::mem::take(&mut self.piece);
        self.runtime.block_on(async {
            self.writer.piece(last).await?;
            self.writer.finish().await
        })?;
        let stored = Stored {
            size: self.size,
            hash: *self.hash.finalize().as_bytes(),
        };
        self.runtime.block_on(verify(self.objects, &self.name, &stored))?;
        Ok(stored)
    }
}

impl Write for Upload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.piece.extend_from_slice(bytes);
        while self.piece.len() > PIECE_BYTES {
            let rest = self.piece.split_off(PIECE_BYTES);
            let piece = std::mem::replace(&mut self.piece, rest);
            let sent = self.runtime.block_on(self.writer.piece(piece));
            sent.map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads an object back.
pub(super) async fn verify(objects: &Objects, name: &str, stored: &Stored) -> Result<(), ArchiveError> {
    match each_piece(objects, name, stored, drop).await {
        Err(ArchiveError::Objects(ObjectsError::Missing { .. })) => {
            Err(ArchiveError::Missing(name.to_owned()))
        }
        read => read.map(|_| ()),
    }
}

/// Reads an object piece by piece, and makes sure that they are what was written: until this has returned
/// without an error nobody must rely on what `take` was given. How many pieces it were.
pub(super) async fn each_piece(
    objects: &Objects,
    name: &str,
    stored: &Stored,
    mut take: impl FnMut(Vec<u8>),
) -> Result<u32, ArchiveError> {
    let (mut hash, mut at, mut reads) = (blake3::Hasher::new(), 0, 0);
    while at < stored.size {
        let end = stored.size.min(at + PIECE_BYTES as u64);
        let piece = part(objects, name, at..end, stored.size).await?;
        hash.update(&piece);
        take(piece);
        (at, reads) = (end, reads + 1);
    }
    let (found, written) = (hash.finalize(), blake3::Hash::from(stored.hash));
    if found == written {
        return Ok(reads);
    }
    let (found, written) = (found.to_hex(), written.to_hex());
    Err(damaged(
        name,
        format!("its bytes are others than were written: their BLAKE3 is {found}, not {written}"),
    ))
}
