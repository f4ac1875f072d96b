//! Puts a file into object storage while it is being made, and makes sure that it is there as it was
//! made. What is in memory is one piece.

use super::ArchiveError;
use super::stored::{Stored, verify};
use crate::operations::objects::{ObjectWriter, Objects, PIECE_BYTES};
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
