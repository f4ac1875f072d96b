//! Puts the sources together: defaults, then the file, then the environment, then flags.

use super::environment;
use super::settings::{Config, options};
use super::{file, nearest::nearest, secret_files, validate};
use crate::pipeline::kafka::properties;
use crate::settings::{ConfigOption, Kind};
use figment::value::{Dict, Empty, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
    /// A file that holds nothing but a secret.
    SecretFile(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::SecretFile(path) => write!(f, "secret in {}", path.display()),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The option, or the name that was taken for one.
    pub option: String,
    /// Where it was found.
    pub origin: Origin,
    /// What was found and what is accepted.
    pub message: String,
}

impl Problem {
    pub(super) fn new(option: &str, origin: Origin, message: impl Into<String>) -> Self {
        Self {
            option: option.to_owned(),
            origin,
            message: message.into(),
        }
    }

    pub(super) fn unknown(name: &str, origin: Origin, nearest: Option<String>) -> Self {
        Self::new(
            name,
            origin,
            match nearest {
                Some(known) => format!("unknown; did you mean {known}?"),
                None => "unknown; `saga-tracker config --reference` lists all options".to_owned(),
            },
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.option, self.message, self.origin)
    }
}

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named cannot be read.
    #[error("configuration file {}: {why} ({origin})", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: std::io::Error,
        /// Who named it.
        origin: Origin,
    },
    /// Everything that is wrong, one line each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}

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

/// One value in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// The option; an entry of a map is listed as its own, e.g. `kafka.properties.sasl.username`.
    pub option: String,
    /// Its value; secrets masked.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: Origin,
}

/// A configuration and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// All values in force, in the order of [`options`].
    pub effective: Vec<Effective>,
}

/// One value from the environment or a flag.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    option: &'static ConfigOption,
    entry: Option<String>,
    value: Value,
    origin: Origin,
}

impl Setting {
    pub(super) fn text(option: &'static ConfigOption, text: String, origin: Origin) -> Self {
        let value = match option.kind {
            // An empty variable is how deployments leave an option out.
            _ if text.is_empty() && option.optional() => Value::from(Empty::None),
            Kind::Integer(..) => match text.trim().parse::<u64>() {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(text),
            },
            Kind::Switch => match text.trim() {
                "true" => Value::from(true),
                "false" => Value::from(false),
                _ => Value::from(text),
            },
            _ => Value::from(text),
        };
        Self {
            option,
            entry: None,
            value,
            origin,
        }
    }

    pub(super) fn entry(option: &'static ConfigOption, entry: String, value: String, origin: Origin) -> Self {
        Self {
            option,
            entry: Some(entry),
            value: Value::from(value),
            origin,
        }
    }

    fn into_layer(self) -> Layer {
        let value = match self.entry {
            Some(entry) => Value::from(Dict::from([(entry, self.value)])),
            None => self.value,
        };
        let nested = figment::util::nest(self.option.key, value);
        Layer {
            origin: self.origin,
            values: nested.into_dict().unwrap_or_default(),
        }
    }
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

/// What one source says.
struct Layer {
    origin: Origin,
    values: Dict,
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
