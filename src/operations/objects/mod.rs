//! Object storage: S3 and what speaks its language, Google Cloud Storage, Azure, a local folder.
//!
//! Turns settings into one handle, and whatever a store says into errors that name the option at
//! fault. What is kept there, and under which names, is decided by whoever uses it. Names and
//! contents are the caller's; this room never lists, reads or deletes anything by itself.

mod error;
mod open;
mod settings;
mod staged;
#[cfg(test)]
mod tests;
mod writer;

pub use error::ObjectsError;
pub use open::{check, open};
pub use settings::ObjectsSettings;
pub use writer::{ObjectWriter, PIECE_BYTES};

use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    GetOptions, GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, PutPayload,
};
use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Part of the place where objects are kept. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    place: Arc<str>,
    /// Where it is, if it is a folder of this machine.
    folder: Option<PathBuf>,
}

/// What became of a put that must not overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    Created,
    /// Something was there already, and is untouched.
    Existed,
}

impl Objects {
    /// A handle on a store; `place` is what people call it, without secrets.
    pub fn new(store: Arc<dyn ObjectStore>, place: impl Into<Arc<str>>) -> Self {
        Self {
            store,
            place: place.into(),
            folder: None,
        }
    }

    /// A handle on a folder of this machine.
    fn in_folder(store: Arc<dyn ObjectStore>, place: &str, folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            ..Self::new(store, place)
        }
    }

    /// Nothing outside a test keeps objects in memory.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self::new(Arc::new(object_store::memory::InMemory::new()), "memory:")
    }

    /// A folder inside; everything done through it stays in there.
    #[must_use]
    pub fn under(&self, folder: &str) -> Self {
        let store = PrefixStore::new(self.store.clone(), folder);
        Self {
            folder: self.folder.as_ref().map(|outer| outer.join(folder)),
            ..Self::new(Arc::new(store), format!("{}/{folder}", self.place))
        }
    }

    /// Removes what puts that were killed before so many milliseconds since 1970 left behind, where
    /// the store is a folder of this machine. How many there were. Waits for the disk.
    ///
    /// # Errors
    /// [`ObjectsError::Failed`].
    pub fn sweep(&self, before_millis: u64) -> Result<usize, ObjectsError> {
        let Some(folder) = self.folder.as_ref().filter(|folder| folder.is_dir()) else {
            return Ok(0);
        };
        staged::sweep(folder, before_millis).map_err(|error| ObjectsError::Failed {
            place: self.place.to_string(),
            detail: error.to_string(),
        })
    }

    /// The place in words: an address without secrets.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The store itself, for what this handle does not offer. Errors of it become ours by
    /// [`Objects::error`].
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// What the store's error means.
    pub fn error(&self, error: &object_store::Error) -> ObjectsError {
        ObjectsError::of(&self.place, error)
    }

    /// Asks the store anything, so that a wrong setting shows before work begins.
    ///
    /// # Errors
    /// [`ObjectsError`], naming the option at fault.
    pub async fn check(&self) -> Result<(), ObjectsError> {
        // A list: what is answered to HEAD has no body that could tell a bucket from an object.
        self.list("check").await.map(|_| ())
    }

    /// Writes an object, whatever was there.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectsError> {
        let done = self.store.put(&Path::from(name), PutPayload::from(bytes)).await;
        done.map(|_| ()).map_err(|error| self.error(&error))
    }

    /// Writes an object unless one of that name is there. Where the store knows no such condition,
    /// it is looked for first, which leaves a moment between the two.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn put_if_absent(&self, name: &str, bytes: Vec<u8>) -> Result<Put, ObjectsError> {
        let options = PutOptions::from(PutMode::Create);
        let payload = PutPayload::from(bytes);
        let path = Path::from(name);
        match self.store.put_opts(&path, payload.clone(), options).await {
            Ok(_) => return Ok(Put::Created),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                return Ok(Put::Existed);
            }
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {}
            Err(error) => match self.error(&error) {
                // Some stores answer a condition that they do not know with 501.
                ObjectsError::Failed { detail, .. } if detail.contains("501") => {}
                error => return Err(error),
            },
        }
        if self.head(name).await?.is_some() {
            return Ok(Put::Existed);
        }
        let done = self.store.put(&path, payload).await;
        done.map(|_| Put::Created).map_err(|error| self.error(&error))
    }

    /// Writes an object piece by piece.
    pub fn writer(&self, name: &str) -> ObjectWriter {
        ObjectWriter::new(self.clone(), name)
    }

    /// All of an object; `None` when it is not there. For small ones.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        let got = match self
            .store
            .get_opts(&Path::from(name), GetOptions::default())
            .await
        {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        self.unless_missing(got.map(|bytes| bytes.to_vec()))
    }

    /// The same of an object that has at most so many bytes.
    ///
    /// # Errors
    /// [`ObjectsError`], also when it is larger; then nothing of it is read.
    pub async fn get_at_most(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ObjectsError> {
        match self.head(name).await? {
            None => Ok(None),
            Some(meta) if meta.size > limit => Err(ObjectsError::Failed {
                place: self.place.to_string(),
                detail: format!("{name} has {} bytes; accepted are at most {limit}", meta.size),
            }),
            Some(meta) if meta.size == 0 => Ok(Some(Vec::new())),
            Some(meta) => {
                let bytes = self.get_range(name, 0..meta.size).await;
                self.unless_gone(bytes)
            }
        }
    }

    /// A part of an object, exactly as long as asked for.
    ///
    /// # Errors
    /// [`ObjectsError::Missing`] when there is no such object, [`ObjectsError::Failed`] when it is
    /// shorter, or more comes than was asked for; then that is not read.
    pub async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectsError> {
        self.get_part(name, range).await.map(|(bytes, _)| bytes)
    }

    /// The same, with the size of the whole object as the store knows it.
    ///
    /// # Errors
    /// As [`Objects::get_range`].
    pub async fn get_part(&self, name: &str, range: Range<u64>) -> Result<(Vec<u8>, u64), ObjectsError> {
        let wanted = range.end.saturating_sub(range.start);
        let options = GetOptions::new().with_range(Some(range));
        let got = self.store.get_opts(&Path::from(name), options).await;
        let got = got.map_err(|error| self.error(&error))?;
        let size = got.meta.size;
        let bytes = at_most(got, wanted).await.map_err(|error| self.error(&error))?;
        if bytes.len() as u64 == wanted {
            return Ok((bytes, size));
        }
        let more = if bytes.len() as u64 > wanted {
            " or more"
        } else {
            ""
        };
        Err(ObjectsError::Failed {
            place: self.place.to_string(),
            detail: format!(
                "{name}: {} bytes{more} came, {wanted} were asked for",
                bytes.len()
            ),
        })
    }

    /// Size and time of an object; `None` when it is not there.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn head(&self, name: &str) -> Result<Option<ObjectMeta>, ObjectsError> {
        let found = self.store.head(&Path::from(name)).await;
        self.unless_missing(found)
    }

    /// The objects of a folder, not of folders in it, by name.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>, ObjectsError> {
        let found = self.store.list_with_delimiter(Some(&Path::from(folder))).await;
        let mut objects = self
            .unless_missing(found)?
            .map(|found| found.objects)
            .unwrap_or_default();
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    /// Removes an object; not being there is as good.
    ///
    /// # Errors
    /// [`ObjectsError`].
    pub async fn delete(&self, name: &str) -> Result<(), ObjectsError> {
        let gone = self.store.delete(&Path::from(name)).await;
        self.unless_missing(gone).map(|_| ())
    }

    fn unless_gone<T>(&self, found: Result<T, ObjectsError>) -> Result<Option<T>, ObjectsError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(ObjectsError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn unless_missing<T>(&self, found: object_store::Result<T>) -> Result<Option<T>, ObjectsError> {
        self.unless_gone(found.map_err(|error| self.error(&error)))
    }
}

/// What comes, up to the piece in which it is more than was wanted.
async fn at_most(got: GetResult, wanted: u64) -> object_store::Result<Vec<u8>> {
    if matches!(got.payload, GetResultPayload::File(..)) {
        // A file gives what is asked for and no more.
        return got.bytes().await.map(|bytes| bytes.to_vec());
    }
    let mut stream = got.into_stream();
    let mut bytes = Vec::new();
    while bytes.len() as u64 <= wanted {
        match poll_fn(|context| stream.as_mut().poll_next(context)).await {
            Some(piece) => bytes.extend_from_slice(&piece?),
            None => break,
        }
    }
    Ok(bytes)
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.place).finish()
    }
}
