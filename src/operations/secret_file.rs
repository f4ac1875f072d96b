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
    /// The file holds nothing, or too much.
    #[error("{} holds {found}; accepted: 1 to {MAX_BYTES} bytes", .path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// What it holds, in words.
        found: &'static str,
    },
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
        let secret = bytes.trim_ascii();
        let wrong = |found| SecretFileError::WrongSize {
            path: self.0.clone(),
            found,
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(wrong("more than 4096 bytes"));
        }
        if secret.is_empty() {
            return Err(wrong("nothing but space"));
        }
        Ok(secret.to_vec())
    }
}
