//! One value, as a source says it and as it is in force. Which source wins is not decided here.

use super::problem::Origin;
use crate::server::api::{OptionInForce, OptionSource};
use crate::settings::{ConfigOption, Kind};
use figment::value::{Dict, Empty, Value};

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

impl From<&Effective> for OptionInForce {
    fn from(entry: &Effective) -> Self {
        let (source, source_name) = match &entry.origin {
            Origin::Default => (OptionSource::Default, None),
            Origin::File(path) => (OptionSource::File, Some(path.display().to_string())),
            Origin::Env(name) => (OptionSource::Environment, Some(name.clone())),
            Origin::Flag(name) => (OptionSource::Flag, Some(name.clone())),
            Origin::SecretFile(path) => (OptionSource::SecretFile, Some(path.display().to_string())),
        };
        Self {
            name: entry.option.clone(),
            value: entry.value.clone(),
            source,
            source_name,
        }
    }
}

/// What one source says.
pub(super) struct Layer {
    pub(super) origin: Origin,
    pub(super) values: Dict,
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

    pub(super) fn into_layer(self) -> Layer {
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
