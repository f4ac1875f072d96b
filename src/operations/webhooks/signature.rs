//! How notices are signed: as the Standard Webhooks specification says, HMAC-SHA256 over id, time and body, so that
//! receivers can check it with a library that they have.

use crate::operations::secret_file::{SecretFile, SecretFileError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::path::PathBuf;

/// What a secret begins with that is given as base64.
const ENCODED: &[u8] = b"whsec_";

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The file holds no secret that can be read.
    #[error("webhooks.secret_file: {0}")]
    File(#[from] SecretFileError),
    /// What it holds begins like a key of the specification and is none.
    #[error("webhooks.secret_file: {} holds whsec_ and no base64 behind it; accepted: whsec_ and base64, or any other text", .0.display())]
    NotBase64(PathBuf),
}

/// Signs with the secret that stands in a file.
#[derive(Clone, Debug)]
pub(super) struct Signer(SecretFile);

impl Signer {
    /// With the secret of a file that can be read now.
    pub(super) fn of(path: PathBuf) -> Result<Self, SignerError> {
        let signer = Self(SecretFile(path));
        signer.secret()?;
        Ok(signer)
    }

    /// The value of the header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> Result<String, SignerError> {
        Ok(signature(&self.secret()?, id, seconds, body))
    }

    fn secret(&self) -> Result<Vec<u8>, SignerError> {
        let secret = self.0.read()?;
        match secret.strip_prefix(ENCODED) {
            None => Ok(secret),
            Some(encoded) => match STANDARD.decode(encoded) {
                Ok(key) if !key.is_empty() => Ok(key),
                _ => Err(SignerError::NotBase64(self.0.0.clone())),
            },
        }
    }
}

fn signature(secret: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of the Standard Webhooks specification's reference libraries.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_base64_behind_its_prefix_or_the_text_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        assert!(Signer::of(path.clone()).is_err(), "no file");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Signer(SecretFile(path.clone())).secret()
        };
        assert_eq!(of("whsec_YWJj\n").unwrap(), b"abc");
        assert_eq!(of(" a b \n").unwrap(), b"a b");
        assert!(of("whsec_?").is_err());
        assert!(of("whsec_\n").is_err(), "an empty key");
        assert!(of("\n").is_err());
        assert!(of(&"x".repeat(5_000)).is_err());
    }
}
