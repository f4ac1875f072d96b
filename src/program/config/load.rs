//! Puts the sources together: defaults, then the file, then the environment, then flags.

use super::environment;
use super::problem::{ConfigError, Origin, Problem};
use super::setting::{Effective, Layer, Setting};
use super::settings::{Config, options};
use super::{file, nearest::nearest, secret_files, validate};
use crate::pipeline::kafka::properties;
use crate::settings::{ConfigOption, Kind};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A flag of the command line that sets an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As it was written, e.g. `--port`.
    pub name: String,
    /// The option, e.g. `server.port`.
    pub key: String,
    /// The value.
    pub value: String,
}

/// What a configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// Names and values of the environment.
    pub environment: Vec<(String, String)>,
    /// Flags, in order; later ones win.
    pub flags: Vec<Flag>,
}

/// A configuration and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// All values in force, in the order of [`options`].
    pub effective: Vec<Effective>,
}

impl Sources {
    /// The environment of this process, and these flags.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
            flags,
        }
    }

    /// Puts everything together and checks it.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut layers = vec![Layer {
            origin: Origin::Default,
            values: dict(&Config::default())?,
        }];
        let mut problems = Vec::new();
        if let Some((path, origin)) = self.named_file() {
            let text = std::fs::read_to_string(&path).map_err(|why| ConfigError::File {
                path: path.clone(),
                why,
                origin,
            })?;
            match file::table(&text, &path) {
                Ok(table) => layers.push(Layer {
                    origin: Origin::File(path),
                    values: dict(&table)?,
                }),
                Err(found) => problems.extend(found),
            }
        }
        match environment::settings(&self.environment) {
            Ok(settings) => layers.extend(settings.into_iter().map(Setting::into_layer)),
            Err(found) => problems.extend(found),
        }
        for flag in &self.flags {
            match flag_settings(flag) {
                Ok(settings) => layers.extend(settings.into_iter().map(Setting::into_layer)),
                Err(found) => problems.push(found),
            }
        }
        if problems.is_empty() {
            merge(&layers)
        } else {
            Err(ConfigError::Problems(problems))
        }
    }

    fn named_file(&self) -> Option<(PathBuf, Origin)> {
        let from_env = || {
            let (name, value) = self
                .environment
                .iter()
                .find(|(name, _)| name == "SAGA_TRACKER_CONFIG")?;
            (!value.is_empty()).then(|| (PathBuf::from(value), Origin::Env(name.clone())))
        };
        self.file
            .clone()
            .map(|path| (path, Origin::Flag("--config".into())))
            .or_else(from_env)
    }
}

fn flag_settings(flag: &Flag) -> Result<Vec<Setting>, Problem> {
    let origin = Origin::Flag(flag.name.clone());
    let Some((option, entry)) = ConfigOption::find(&flag.key) else {
        let nearest = nearest(&flag.key, options().map(|option| option.key.to_owned()));
        return Err(Problem::unknown(&flag.key, origin, nearest));
    };
    match entry {
        Some(entry) => Ok(vec![Setting::entry(
            option,
            entry.to_owned(),
            flag.value.clone(),
            origin,
        )]),
        None if option.kind == Kind::Map => {
            let entries = properties::parse(&flag.value).map_err(|why| {
                Problem::new(option.key, origin.clone(), format!("{why}; accepted: a=b,c=d"))
            })?;
            let setting = |(name, value)| Setting::entry(option, name, value, origin.clone());
            Ok(entries.into_iter().map(setting).collect())
        }
        None => Ok(vec![Setting::text(option, flag.value.clone(), origin)]),
    }
}

/// A layer with its number, by which its origin is found again.
struct Numbered<'a>(usize, &'a Layer);

impl Provider for Numbered<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::from(self.1.origin.to_string(), Source::Custom(self.0.to_string()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.1.values.clone())]))
    }
}

fn merge(layers: &[Layer]) -> Result<Loaded, ConfigError> {
    let mut figment = Figment::new();
    for (number, layer) in layers.iter().enumerate() {
        figment = figment.merge(Numbered(number, layer));
    }
    let origin = |metadata: Option<&Metadata>| -> Origin {
        let number = metadata.and_then(|m| m.source.as_ref()).and_then(Source::custom);
        let layer = number
            .and_then(|n| n.parse::<usize>().ok())
            .and_then(|n| layers.get(n));
        layer.map_or(Origin::Default, |layer| layer.origin.clone())
    };

    let mut origins = BTreeMap::new();
    let mut problems = Vec::new();
    for option in options() {
        let Ok(value) = figment.find_value(option.key) else {
            continue;
        };
        let whole = origin(figment.get_metadata(value.tag()));
        match (option.kind, &value) {
            (Kind::Map, Value::Dict(_, entries)) => {
                for (name, inner) in entries {
                    let key = format!("{}.{name}", option.key);
                    origins.insert(key, origin(figment.get_metadata(inner.tag())));
                }
            }
            _ => {
                if let Err(found) = validate::kind(option, &value) {
                    let accepted = option.kind.accepts();
                    let message = format!("found {found}, accepted: {accepted}");
                    problems.push(Problem::new(option.key, whole.clone(), message));
                }
            }
        }
        origins.insert(option.key.to_owned(), whole);
    }
    if !problems.is_empty() {
        return Err(ConfigError::Problems(problems));
    }
    let mut config: Config = figment
        .extract()
        .map_err(|error| figment_problems(&error, layers))?;
    problems.extend(secret_files::read(&mut config, &mut origins));
    problems.extend(validate::whole(&config, &origins));
    if !problems.is_empty() {
        return Err(ConfigError::Problems(problems));
    }
    config.definitions()?;
    let effective = validate::effective(&config, &origins);
    Ok(Loaded { config, effective })
}

fn dict(of: &impl serde::Serialize) -> Result<Dict, ConfigError> {
    let value = Value::serialize(of).map_err(|error| figment_problems(&error, &[]))?;
    Ok(value.into_dict().unwrap_or_default())
}

/// Faults that the table of options did not catch; it is checked first, so there should be none.
fn figment_problems(error: &figment::Error, layers: &[Layer]) -> ConfigError {
    let problem = |error: figment::Error| {
        let number = error
            .metadata
            .as_ref()
            .and_then(|m| m.source.as_ref())
            .and_then(Source::custom);
        let layer = number
            .and_then(|n| n.parse::<usize>().ok())
            .and_then(|n| layers.get(n));
        let origin = layer.map_or(Origin::Default, |layer| layer.origin.clone());
        Problem::new(&error.path.join("."), origin, error.kind.to_string())
    };
    ConfigError::Problems(error.clone().into_iter().map(problem).collect())
}

#[cfg(test)]
mod tests;
