//! The token with which alerts are sent, read from its file each time, so that a new one counts at once.

use crate::operations::secret_file::{SecretFile, SecretFileError};
use std::path::Path;

/// The file of the token.
#[derive(Clone, Debug)]
pub struct Token(SecretFile);

/// Why it is not known which token is right.
#[derive(Debug, thiserror::Error)]
#[error("incidents.token_file: {0}")]
pub struct TokenError(#[from] pub SecretFileError);

impl Token {
    /// The token of a file that can be read now.
    ///
    /// # Errors
    /// [`TokenError`] when it holds none.
    pub fn of(path: &Path) -> Result<Self, TokenError> {
        let file = SecretFile(path.to_owned());
        file.read()?;
        Ok(Self(file))
    }

    /// Whether this is it. Takes as long whatever they have in common.
    ///
    /// # Errors
    /// [`TokenError`] when the file no longer holds one.
    pub fn is(&self, given: &str) -> Result<bool, TokenError> {
        // Hashes of BLAKE3 are compared in constant time, and hide the lengths.
        Ok(blake3::hash(&self.0.read()?) == blake3::hash(given.as_bytes()))
    }
}
