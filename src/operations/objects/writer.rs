//! Writing an object piece by piece, so that no large one need be in memory.

use super::{Objects, ObjectsError};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};

/// Size of every piece but the last. Most stores want at least 5 MiB, some want all alike.
pub const PIECE_BYTES: usize = 8 << 20;

/// An object that is being written. It is not there before [`ObjectWriter::finish`]; one that was
/// there before is replaced then.
pub struct ObjectWriter {
    objects: Objects,
    name: String,
    /// The first piece: often the only one, which then needs one request instead of three.
    held: Option<Vec<u8>>,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl ObjectWriter {
    pub(super) fn new(objects: Objects, name: &str) -> Self {
        Self {
            objects,
            name: name.to_owned(),
            held: None,
            upload: None,
        }
    }

    /// Writes the next piece: [`PIECE_BYTES`] long, or shorter if it is the last.
    ///
    /// # Errors
    /// [`ObjectsError`]; then nothing of the object is there, and it is written from the start.
    pub async fn piece(&mut self, bytes: Vec<u8>) -> Result<(), ObjectsError> {
        if self.upload.is_none() && self.held.is_none() {
            self.held = Some(bytes);
            return Ok(());
        }
        let Some(first) = self.held.take() else {
            return self.send(bytes).await;
        };
        let started = self
            .objects
            .store()
            .put_multipart(&Path::from(self.name.as_str()))
            .await;
        self.upload = Some(started.map_err(|error| self.objects.error(&error))?);
        self.send(first).await?;
        self.send(bytes).await
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), ObjectsError> {
        let Some(upload) = &mut self.upload else {
            return Ok(());
        };
        let sent = upload.put_part(PutPayload::from(bytes)).await;
        match sent {
            Ok(()) => Ok(()),
            Err(error) => Err(self.give_up(&error).await),
        }
    }

    /// Makes the object appear.
    ///
    /// # Errors
    /// As [`ObjectWriter::piece`].
    pub async fn finish(mut self) -> Result<(), ObjectsError> {
        let Some(mut upload) = self.upload.take() else {
            return self
                .objects
                .put(&self.name, self.held.take().unwrap_or_default())
                .await;
        };
        let done = upload.complete().await;
        self.upload = Some(upload);
        match done {
            Ok(_) => Ok(()),
            Err(error) => Err(self.give_up(&error).await),
        }
    }

    /// Tells the store to forget the pieces. If it does not listen, its own rules for unfinished
    /// uploads remove them.
    async fn give_up(&mut self, error: &object_store::Error) -> ObjectsError {
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            tracing::debug!(%error, name = self.name, "an unfinished upload was not removed");
        }
        self.objects.error(error)
    }
}
