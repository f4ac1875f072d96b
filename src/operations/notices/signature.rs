//! How notices are signed: as the Standard Webhooks specification says, HMAC-SHA256 over id, time and body, so that
//! receivers can check it with a library that they have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::io::Read;
use std::path::PathBuf;

/// No secret is longer.
const MAX_BYTES: u64 = 4_096;
/// What a secret begins with that is given as base64.
const ENCODED: &str = "whsec_";

/// Signs with the secret that stands in a file.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    path: PathBuf,
}

impl Signer {
    /// With the secret of a file that can be read now. The error is why it cannot.
    pub(super) fn of(path: PathBuf) -> Result<Self, String> {
        let signer = Self { path };
        signer.secret()?;
        Ok(signer)
    }

    /// The value of the header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> Result<String, String> {
        let secret = self
            .secret()
            .map_err(|why| format!("the file of notices.secret_file {why}"))?;
        Ok(signature(&secret, id, seconds, body))
    }

    fn secret(&self) -> Result<Vec<u8>, String> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let mut text = String::new();
        let file = std::fs::File::open(&self.path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        let secret = text.trim();
        if secret.is_empty() || text.len() as u64 > MAX_BYTES {
            return Err("holds no secret of 1 to 4096 bytes".to_owned());
        }
        match secret.strip_prefix(ENCODED) {
            Some("") => Err("holds whsec_ and no secret behind it".to_owned()),
            Some(encoded) => STANDARD
                .decode(encoded)
                .map_err(|error| format!("holds whsec_ and no base64 behind it: {error}")),
            None => Ok(secret.as_bytes().to_vec()),
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
            Signer { path: path.clone() }.secret()
        };
        assert_eq!(of("whsec_YWJj\n"), Ok(b"abc".to_vec()));
        assert_eq!(of(" a b \n"), Ok(b"a b".to_vec()));
        assert!(of("whsec_?").is_err());
        assert!(of("whsec_\n").is_err(), "an empty key");
        assert!(of("\n").is_err());
        assert!(of(&"x".repeat(5_000)).is_err());
    }
}
