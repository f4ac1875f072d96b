//! The page's words, by language.

use super::files::Files;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use std::collections::BTreeMap;
use unic_langid::LanguageIdentifier;

/// The languages that there are, the first one for whoever asks for none of them.
pub(super) const LANGUAGES: [&str; 2] = ["en", "ko"];

/// What modules of the page show begins so.
const OF_MODULES: &str = "js-";

/// Why texts cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("texts/{language}.ftl: {why}")]
pub struct TextsError {
    language: String,
    why: String,
}

/// The words of one language.
pub(super) struct Texts {
    bundle: FluentBundle<FluentResource>,
    source: String,
}

impl Texts {
    /// Reads those of a language.
    ///
    /// # Errors
    /// When there are none, or they are not Fluent.
    pub(super) fn read(files: &Files, language: &str) -> Result<Self, TextsError> {
        let fail = |why: String| TextsError {
            language: language.to_owned(),
            why,
        };
        let source = files
            .texts(language)
            .ok_or_else(|| fail("not found".to_owned()))?;
        let resource = FluentResource::try_new(source.clone().into_owned())
            .map_err(|(_, errors)| fail(format!("is not Fluent: {errors:?}")))?;
        let id: LanguageIdentifier = language.parse().map_err(|error| fail(format!("{error}")))?;
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // Values stand in elements that isolate them.
        bundle.set_use_isolating(false);
        bundle
            .add_resource(resource)
            .map_err(|errors| fail(format!("has a key twice: {errors:?}")))?;
        Ok(Self {
            bundle,
            source: source.into_owned(),
        })
    }

    /// The text of a key with its values.
    ///
    /// # Errors
    /// What is wrong: the key is not there, or a value of it is missing.
    pub(super) fn text(&self, key: &str, values: &FluentArgs<'_>) -> Result<String, String> {
        let message = self.bundle.get_message(key).and_then(|message| message.value());
        let pattern = message.ok_or_else(|| format!("there is no text {key}"))?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(values), &mut errors);
        match errors.first() {
            None => Ok(text.into_owned()),
            Some(error) => Err(format!("text {key}: {error}")),
        }
    }

    /// What modules show, as JSON: by key, each `{ $name }` written as `{name}`.
    pub(super) fn of_modules(&self) -> String {
        let texts: BTreeMap<&str, String> = self
            .messages()
            .filter(|(key, _)| key.starts_with(OF_MODULES))
            .map(|(key, text)| (key, text.replace("{ $", "{").replace(" }", "}")))
            .collect();
        serde_json::to_string(&texts).unwrap_or_default()
    }

    /// Keys and texts as they are written; every one stands on a line of its own.
    fn messages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.source
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(" = "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::{ASSETS, TEMPLATES};
    use super::*;
    use std::collections::BTreeSet;

    fn read(language: &str) -> Texts {
        Texts::read(&Files::default(), language).unwrap()
    }

    /// The names of the values in a text.
    fn values(text: &str) -> BTreeSet<&str> {
        let parts = text.split("{ $").skip(1);
        parts.map(|part| part.split(" }").next().unwrap()).collect()
    }

    fn keys(texts: &Texts) -> BTreeMap<String, BTreeSet<String>> {
        texts
            .messages()
            .map(|(key, text)| {
                (
                    key.to_owned(),
                    values(text).into_iter().map(str::to_owned).collect(),
                )
            })
            .collect()
    }

    /// The keys that a source asks for by this call.
    fn asked<'s>(source: &'s str, call: &str) -> impl Iterator<Item = &'s str> {
        let call = call.to_owned();
        source
            .match_indices(&call)
            .filter(|(at, _)| !source[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.'))
            .map(|(at, call)| &source[at + call.len()..])
            .filter_map(|rest| rest.split('"').next())
            .collect::<Vec<_>>()
            .into_iter()
    }

    #[test]
    fn every_language_has_the_same_keys_with_the_same_values() {
        let first = keys(&read(LANGUAGES[0]));
        for language in &LANGUAGES[1..] {
            assert_eq!(keys(&read(language)), first, "{language}");
        }
    }

    #[test]
    fn no_key_is_missing_and_none_is_unused() {
        let templates = TEMPLATES.iter().flat_map(|(_, source)| asked(source, "t(\""));
        let assets = ASSETS.iter().flat_map(|(_, source)| asked(source, "t(\""));
        let asked: BTreeSet<String> = templates.chain(assets).map(str::to_owned).collect();
        let known: BTreeSet<String> = keys(&read("en")).into_keys().collect();
        let missing: Vec<_> = asked.difference(&known).collect();
        let unused: Vec<_> = known.difference(&asked).collect();
        assert!(
            missing.is_empty() && unused.is_empty(),
            "missing {missing:?}, unused {unused:?}"
        );
    }

    #[test]
    fn modules_get_what_they_show_and_no_more() {
        let texts: BTreeMap<String, String> = serde_json::from_str(&read("en").of_modules()).unwrap();
        assert_eq!(texts["js-ago"], "{time} ago");
        assert!(texts.keys().all(|key| key.starts_with(OF_MODULES)) && texts.len() > 40);
    }

    #[test]
    fn a_text_whose_value_is_not_given_is_an_error() {
        let none = FluentArgs::new();
        assert!(
            read("ko")
                .text("progress-of", &none)
                .unwrap_err()
                .contains("progress-of")
        );
        assert!(read("ko").text("no-such-key", &none).is_err());
    }
}
