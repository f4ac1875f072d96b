//! A secret that stands in a file, read each time it is needed, so that a new one counts at once.

use std::io::Read;
use std::path::PathBuf;

/// No secret is longer.
const MAX_BYTES: u64 = 4_096;

/// Where the secret is.
#[derive(Clone, Debug)]
pub(super) struct SecretFile(pub(super) PathBuf);

/// Why it is not known; says which file it is.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be read.
    #[error("{} cannot be read: {error}; accepted: a file of 1 to {MAX_BYTES} bytes", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file holds nothing but space.
    #[error("{} holds nothing; accepted: 1 to {MAX_BYTES} bytes", .0.display())]
    Empty(PathBuf),
    /// The file holds more than a secret.
    #[error("{} holds more than {MAX_BYTES} bytes; accepted: 1 to {MAX_BYTES}", .0.display())]
    TooLarge(PathBuf),
}

impl SecretFile {
    /// What the file holds now, without space around it.
    pub(super) fn read(&self) -> Result<Vec<u8>, SecretFileError> {
        let unreadable = |error| SecretFileError::Unreadable {
            path: self.0.clone(),
            error,
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&self.0).map_err(unreadable)?;
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(SecretFileError::TooLarge(self.0.clone()));
        }
        let secret = bytes.trim_ascii();
        if secret.is_empty() {
            return Err(SecretFileError::Empty(self.0.clone()));
        }
        Ok(secret.to_vec())
    }
}
