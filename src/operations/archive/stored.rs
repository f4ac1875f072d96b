//! An object that is there as it was written, or is not: reading it back. What is in it is not known here.

use super::ArchiveError;
use crate::operations::objects::{Objects, ObjectsError, PIECE_BYTES};
use std::ops::Range;

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its size in bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub hash: [u8; 32],
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
        format!("its bytes are not those that were written: their BLAKE3 is {found}, not {written}"),
    ))
}

/// A part of an object that was written with that size.
pub(super) async fn part(
    objects: &Objects,
    object: &str,
    range: Range<u64>,
    size: u64,
) -> Result<Vec<u8>, ArchiveError> {
    let of_another_size = |found| damaged(object, format!("it has {found} bytes; {size} were written"));
    match objects.get_part(object, range).await {
        Ok((part, found)) if found == size => Ok(part),
        Ok((_, found)) => Err(of_another_size(found)),
        // A size that the object does not have makes every read of it fail in another way.
        Err(error) => match objects.head(object).await {
            Ok(Some(found)) if found.size != size => Err(of_another_size(found.size)),
            _ => Err(error.into()),
        },
    }
}

pub(super) fn damaged(object: &str, detail: impl Into<String>) -> ArchiveError {
    ArchiveError::Damaged {
        object: object.to_owned(),
        detail: detail.into(),
    }
}
