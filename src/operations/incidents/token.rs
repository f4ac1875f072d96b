//! The token with which alerts are sent, read from its file each time, so that a new one counts at once.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No token is longer.
const MAX_BYTES: u64 = 4_096;

/// Where the token is.
#[derive(Clone, Debug)]
pub struct Token {
    path: PathBuf,
}

/// Why it is not known which token is right.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("incidents.token_file: {shown} cannot be read: {error}; accepted: a file that holds the token", shown = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file holds no token.
    #[error("incidents.token_file: {shown} holds no token; accepted: 1 to 4096 bytes of text", shown = .0.display())]
    Empty(PathBuf),
}

impl Token {
    /// The token of a file that can be read now.
    ///
    /// # Errors
    /// [`TokenError`] when it holds none.
    pub fn of(path: &Path) -> Result<Self, TokenError> {
        let token = Self {
            path: path.to_owned(),
        };
        token.read()?;
        Ok(token)
    }

    /// Whether this is it. Takes as long whatever they have in common.
    ///
    /// # Errors
    /// [`TokenError`] when the file no longer holds one.
    pub fn is(&self, given: &str) -> Result<bool, TokenError> {
        // Hashes of BLAKE3 are compared in constant time, and hide the lengths.
        Ok(blake3::hash(&self.read()?) == blake3::hash(given.as_bytes()))
    }

    fn read(&self) -> Result<Vec<u8>, TokenError> {
        let unreadable = |error| TokenError::Unreadable {
            path: self.path.clone(),
            error,
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&self.path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let token = bytes.trim_ascii().to_vec();
        if token.is_empty() || bytes.len() as u64 > MAX_BYTES {
            return Err(TokenError::Empty(self.path.clone()));
        }
        Ok(token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token in {}", self.path.display())
    }
}
