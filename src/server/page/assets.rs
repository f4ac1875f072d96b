//! Files of the page, under an address that names what is in them: they never change under it.

use super::files::{ASSETS, Files};
use super::texts::{LANGUAGES, Texts, TextsError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What modules fetch their texts by, in front of the language.
const TEXTS: &str = "texts.";
/// Digits of the hash that stand in addresses.
const DIGITS: usize = 16;

/// The files, and what they hash to.
pub(super) struct Assets {
    files: Files,
    texts: BTreeMap<String, String>,
    hash: String,
}

impl Assets {
    /// Reads and hashes them.
    ///
    /// # Errors
    /// When texts cannot be used.
    pub(super) fn read(files: Files) -> Result<Self, TextsError> {
        let mut texts = BTreeMap::new();
        for language in LANGUAGES {
            let of_modules = Texts::read(&files, language)?.of_modules();
            texts.insert(format!("{TEXTS}{language}.json"), of_modules);
        }
        let mut hasher = blake3::Hasher::new();
        for (name, _) in ASSETS {
            hash(&mut hasher, name, &files.asset(name).unwrap_or_default());
        }
        for (name, content) in &texts {
            hash(&mut hasher, name, content);
        }
        let mut hash = hasher.finalize().to_hex().to_string();
        hash.truncate(DIGITS);
        Ok(Self { files, texts, hash })
    }

    /// Where an asset is, behind what stands in front of every path.
    pub(super) fn path(&self, name: &str) -> String {
        format!("/ui/assets/{}/{name}", self.hash)
    }

    /// An asset, when its address names what is in it.
    pub(super) fn answer(&self, hash: &str, name: &str) -> Option<Response> {
        let content = match self.texts.get(name) {
            Some(texts) => Cow::Owned(texts.clone()),
            None => self.files.asset(name)?,
        };
        // Files that change are read again under whatever address they were named by.
        if hash != self.hash && !self.files.change() {
            return None;
        }
        let kind = HeaderValue::from_static(kind_of(name));
        let body = content.into_owned();
        Some((StatusCode::OK, [(header::CONTENT_TYPE, kind)], body).into_response())
    }
}

fn hash(hasher: &mut blake3::Hasher, name: &str, content: &str) {
    for part in [name, content] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/json",
    }
}
