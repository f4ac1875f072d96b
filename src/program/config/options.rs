//! What is derived from an option: its environment name, its default, the keys that mean it.

use super::PREFIX;
use super::settings::{Config, options};
use crate::settings::{ConfigOption, Kind};
use figment::value::Value;

impl ConfigOption {
    /// The environment name derived from the key, e.g. `SAGA_TRACKER_KAFKA__GROUP_ID`.
    pub fn env(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "__").to_uppercase())
    }

    /// The default; `None` if it has none.
    pub fn default(&self) -> Option<Value> {
        let all = Value::serialize(Config::default()).ok()?;
        match all.find(self.key) {
            None | Some(Value::Empty(..)) => None,
            some => some,
        }
    }

    /// The default as text; `None` if it has none.
    pub fn default_text(&self) -> Option<String> {
        match self.default()? {
            Value::String(_, text) => Some(text),
            Value::Dict(..) => None,
            other => Some(super::reference::shown(&other)),
        }
    }

    /// Whether it may be left without a value.
    pub fn optional(&self) -> bool {
        self.default().is_none()
    }

    /// The option that a key names, and the entry if the option is a map:
    /// `kafka.properties.sasl.username` is entry `sasl.username` of `kafka.properties`.
    pub fn find(key: &str) -> Option<(&'static Self, Option<&str>)> {
        options().find_map(|option| match key.strip_prefix(option.key)? {
            "" => Some((option, None)),
            rest if option.kind == Kind::Map => Some((option, Some(rest.strip_prefix('.')?))),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn leaves(prefix: &str, value: &Value, into: &mut BTreeSet<String>) {
        for (name, inner) in value.as_dict().unwrap() {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            match inner {
                Value::Dict(..) if ConfigOption::find(&key).is_none() => leaves(&key, inner, into),
                _ => assert!(into.insert(key)),
            }
        }
    }

    #[test]
    fn the_table_lists_every_setting_once_and_no_other() {
        let mut settings = BTreeSet::new();
        leaves("", &Value::serialize(Config::default()).unwrap(), &mut settings);
        let listed: Vec<_> = options().map(|option| option.key.to_owned()).collect();
        assert_eq!(listed.len(), listed.iter().collect::<BTreeSet<_>>().len());
        assert_eq!(settings, listed.into_iter().collect());
    }

    #[test]
    fn no_two_options_share_a_flag_or_an_environment_name() {
        let names: Vec<String> = options()
            .flat_map(|o| {
                o.aliases
                    .iter()
                    .map(|a| (*a).to_owned())
                    .chain([o.env()])
                    .chain(o.flag.map(str::to_owned))
            })
            .collect();
        assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
    }

    #[test]
    fn a_key_inside_a_map_finds_the_map() {
        let (option, entry) = ConfigOption::find("kafka.properties.sasl.username").unwrap();
        assert_eq!((option.key, entry), ("kafka.properties", Some("sasl.username")));
        assert_eq!(
            ConfigOption::find("kafka.properties_files.a").unwrap().0.key,
            "kafka.properties_files"
        );
        assert!(ConfigOption::find("kafka.topics").is_none());
    }
}
