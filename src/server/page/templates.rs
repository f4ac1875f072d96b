//! Templates with the filters and functions that they use. What stands in a view is decided by the view.

use super::address::{self, Params};
use super::assets::Assets;
use super::files::{Files, TEMPLATES};
use super::preferences::Preferences;
use super::texts::{LANGUAGES, Texts, TextsError};
use super::{command_line, format, times};
use fluent_bundle::FluentArgs;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, path_loader};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Why the page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TemplatesError {
    /// Texts cannot be used.
    #[error(transparent)]
    Texts(#[from] TextsError),
    /// A template cannot be read.
    #[error("a template of the page: {0:#}")]
    Template(#[from] Error),
}

/// Bytes of a view, at most: far beyond any with what views show.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// What is rendered into, up to a bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_PAGE_BYTES {
            return Err(io::Error::other("the view has too many bytes"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The templates, and what they are filled from.
pub(super) struct Templates {
    environment: Environment<'static>,
    texts: BTreeMap<&'static str, Arc<Texts>>,
    assets: Assets,
    files: Files,
    base: String,
}

/// What functions and filters know of the request that they answer.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) look: Preferences,
    /// The path of this page, without what stands in front of every path.
    pub(super) path: String,
    pub(super) params: Params,
    /// The instant of the answer.
    pub(super) now: String,
}

impl Templates {
    /// Reads and compiles them.
    ///
    /// # Errors
    /// When a file is not as it must be.
    pub(super) fn read(files: &Files, base: &str) -> Result<Self, TemplatesError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        match files.templates() {
            Some(directory) => environment.set_loader(path_loader(directory)),
            None => {
                for (name, source) in TEMPLATES {
                    environment.add_template(name, source)?;
                }
            }
        }
        add_filters(&mut environment);
        let texts = LANGUAGES.map(|language| Ok((language, Arc::new(Texts::read(files, language)?))));
        Ok(Self {
            environment,
            texts: texts.into_iter().collect::<Result<_, TextsError>>()?,
            assets: Assets::read(files.clone())?,
            files: files.clone(),
            base: base.to_owned(),
        })
    }

    /// The files that templates name.
    pub(super) fn assets(&self) -> &Assets {
        &self.assets
    }

    /// A template filled with data.
    ///
    /// # Errors
    /// When the data is not what the template is given.
    pub(super) fn render(
        &self,
        name: &str,
        bound: &Bound,
        data: &serde_json::Value,
    ) -> Result<String, Error> {
        let mut environment = self.environment.clone();
        self.bind(&mut environment, bound)?;
        let mut page = Bounded(Vec::new());
        environment
            .get_template(name)?
            .render_captured_to(Value::from(Serde(data)), &mut page)?;
        String::from_utf8(page.0).map_err(|error| wrong(error.to_string()))
    }

    fn texts(&self, language: &str) -> Result<Arc<Texts>, Error> {
        if self.files.change() {
            let read = Texts::read(&self.files, language);
            return read.map(Arc::new).map_err(|error| wrong(error.to_string()));
        }
        let known = self.texts.get(language).cloned();
        known.ok_or_else(|| wrong(format!("there is no language {language}")))
    }

    fn bind(&self, environment: &mut Environment<'static>, bound: &Bound) -> Result<(), Error> {
        let texts = self.texts(bound.look.lang)?;
        environment.add_function("t", move |key: &str, values: Kwargs| {
            let mut args = FluentArgs::new();
            for name in values.args() {
                let value: Value = values.peek(name)?;
                args.set(name.to_owned(), shown(&value)?);
            }
            texts.text(key, &args).map_err(wrong)
        });
        let start = format!("{}{}", self.base, self.assets.path(""));
        environment.add_function("asset", move |name: &str| format!("{start}{name}"));
        let base = self.base.clone();
        environment.add_function("href", move |view: &str, params: Kwargs| {
            let address = address::view(view, given(&params)?);
            let address = address.ok_or_else(|| wrong(format!("there is no view {view}")))?;
            Ok::<_, Error>(format!("{base}{address}"))
        });
        let base = self.base.clone();
        environment.add_function("api", move |path: &str, params: Kwargs| {
            Ok::<_, Error>(format!("{base}{path}{}", address::query_of(&given(&params)?)))
        });
        let here = format!("{}{}", self.base, bound.path);
        let asked = bound.params.clone();
        environment.add_function("here", move |params: Kwargs| {
            let mut changed = asked.clone();
            for name in params.args() {
                let values = values_of(&params.peek(name)?)?;
                changed.retain(|(known, _)| known != name);
                changed.push((name.to_owned(), values));
            }
            let stays = |(name, _): &(String, Vec<String>)| {
                params.has(name) || !["page", "cursor", "jump"].contains(&name.as_str())
            };
            changed.retain(stays);
            Ok::<_, Error>(format!("{here}{}", address::query_of(&changed)))
        });
        let zone = times::zone(&bound.look.zone);
        environment.add_filter("instant", move |text: &str| times::instant(text, &zone));
        let now = bound.now.clone();
        environment.add_filter("ago", move |text: &str| {
            let millis = times::between(text, &now).max(0);
            format::duration((millis - millis % 1_000) as f64)
        });
        Ok(())
    }
}

fn add_filters(environment: &mut Environment<'static>) {
    environment.add_filter("visible", |value: &Value| {
        shown(value).map(|text| format::visible(&text))
    });
    environment.add_filter("cut", |value: &Value| shown(value).map(|text| format::cut(&text)));
    environment.add_filter("operand", |value: &Value| {
        shown(value).map(|text| command_line::operand(&text))
    });
    environment.add_filter("percent", |value: &Value| {
        shown(value).map(|text| address::percent(&text))
    });
    environment.add_filter("number", |value: &Value| {
        Ok::<_, Error>(format::number(whole(value)?))
    });
    environment.add_filter("duration", |value: f64| format::duration(value));
    environment.add_filter("share", |value: f64| format::share(value));
    environment.add_filter("bytes", |value: f64| format::bytes(value));
    environment.add_filter("day", |text: &str| text.chars().take(10).collect::<String>());
}

fn wrong(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

/// A value as text; null is none. What is not there is an error, which filters alone would let pass.
fn shown(value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.is_none() {
        return Ok(String::new());
    }
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A number without what is behind its point.
fn whole(value: &Value) -> Result<i128, Error> {
    if let Ok(number) = i128::try_from(value.clone()) {
        return Ok(number);
    }
    let number = f64::try_from(value.clone())?;
    Ok(number as i128)
}

/// The parameters of an address; what is null or empty is left out.
fn given(params: &Kwargs) -> Result<Params, Error> {
    let mut given = Params::new();
    for name in params.args() {
        let values = values_of(&params.peek(name)?)?;
        if !values.is_empty() {
            given.push((name.to_owned(), values));
        }
    }
    Ok(given)
}

/// A value as those of a parameter: a list repeats it, null is none.
fn values_of(value: &Value) -> Result<Vec<String>, Error> {
    if value.is_none() {
        return Ok(Vec::new());
    }
    if value.is_undefined() || value.as_str().is_some() || value.len().is_none() {
        let text = shown(value)?;
        return Ok(if text.is_empty() { Vec::new() } else { vec![text] });
    }
    value.try_iter()?.map(|item| shown(&item)).collect()
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
