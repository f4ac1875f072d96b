//! The configuration reference: a complete, commented TOML file made from the declarations of the options.

use super::settings::options;
use crate::settings::{ConfigOption, Kind};
use figment::value::Value;

const HEAD: &str = "\
# Every option of saga-tracker with its default. Uncomment what you change.
#
# This file, given by --config or SAGA_TRACKER_CONFIG, is overridden by the environment, and that by
# flags. Every option has the environment name shown; of several the first wins. Every option can be
# set by --set section.key=value, some have a flag of their own. Unknown names are refused.
# `saga-tracker config` prints what is in force and where each value came from.
#
# Generated: saga-tracker config --reference > deploy/saga-tracker.example.toml
";

/// The reference, as a TOML file.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for option in options() {
        let (in_section, name) = option.key.split_once('.').unwrap_or(("", option.key));
        // Maps are sections of their own, so the section goes on behind them.
        if in_section != section {
            section = in_section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push('\n');
        text.push_str(&entry(option, name));
    }
    text
}

fn entry(option: &ConfigOption, name: &str) -> String {
    let mut text = String::new();
    for line in wrap(option.help, 96) {
        text.push_str(&format!("# {line}\n"));
    }
    match option.kind {
        Kind::Map | Kind::Text | Kind::Secret | Kind::Path => {}
        kind => text.push_str(&format!("# Accepted: {}.\n", kind.accepts())),
    }
    let names: Vec<String> = std::iter::once(option.env())
        .chain(option.aliases.iter().map(|a| (*a).to_owned()))
        .collect();
    text.push_str(&format!("# env {}", names.join(", ")));
    if let Some(flag) = option.flag {
        text.push_str(&format!("; flag --{flag}"));
    }
    text.push('\n');
    text.push_str(&match option.default() {
        None => format!("#{name} =\n"),
        Some(Value::Dict(..)) => format!("#{name} = {{}}\n"),
        Some(value) => format!("#{name} = {}\n", shown(&value)),
    });
    text
}

/// The value as TOML writes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, switch) => switch.to_string(),
        other => other
            .to_u128()
            .map_or_else(String::new, |number| number.to_string()),
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::config::{Config, Sources};

    #[test]
    fn the_reference_with_its_defaults_uncommented_is_the_default_configuration() {
        let text: String = reference()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') && setting.contains(" = ") => {
                    format!("{setting}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("saga-tracker.toml");
        std::fs::write(&path, text).unwrap();
        let loaded = Sources {
            file: Some(path),
            ..Sources::default()
        }
        .load()
        .unwrap();
        assert_eq!(loaded.config, Config::default());
    }
}
