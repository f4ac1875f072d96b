//! The TOML file as a source.

use super::nearest::nearest;
use super::problem::{Origin, Problem};
use super::settings::options;
use crate::settings::{ConfigOption, Kind};
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// The file's table, with the entries of maps flattened, so that `sasl.username = "x"` means what
/// it says with and without quotes around the name.
pub(super) fn table(text: &str, path: &Path) -> Result<Table, Vec<Problem>> {
    let origin = Origin::File(path.to_owned());
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // Several lines with a drawing; the first says where, the last says what.
        let told = error.to_string();
        let place = told.lines().next().unwrap_or_default();
        vec![Problem::new(
            "file",
            origin.clone(),
            format!("{place}: {}", error.message()),
        )]
    })?;
    let mut problems = Vec::new();
    let checked = section("", table, &origin, &mut problems);
    if problems.is_empty() {
        Ok(checked)
    } else {
        Err(problems)
    }
}

fn section(prefix: &str, table: Table, origin: &Origin, problems: &mut Vec<Problem>) -> Table {
    let mut checked = Table::new();
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let value = match (ConfigOption::find(&key), value) {
            (Some((option, None)), Value::Table(entries)) if option.kind == Kind::Map => {
                let mut flat = BTreeMap::new();
                flatten("", entries, &mut flat);
                Value::Table(
                    flat.into_iter()
                        .map(|(name, value)| (name, Value::String(value)))
                        .collect(),
                )
            }
            (Some(_), value) => value,
            (None, Value::Table(inner)) if is_section(&key) => {
                Value::Table(section(&key, inner, origin, problems))
            }
            (None, value) if is_section(&key) => {
                let why = format!("found {}, accepted: a section [{key}]", value.type_str());
                problems.push(Problem::new(&key, origin.clone(), why));
                continue;
            }
            (None, _) => {
                let nearest = nearest(&key, options().map(|option| option.key.to_owned()));
                problems.push(Problem::unknown(&key, origin.clone(), nearest));
                continue;
            }
        };
        checked.insert(name, value);
    }
    checked
}

fn is_section(key: &str) -> bool {
    options().any(|option| {
        option
            .key
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn flatten(prefix: &str, table: Table, into: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) => flatten(&key, inner, into),
            Value::String(text) => drop(into.insert(key, text)),
            other => drop(into.insert(key, other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = table(text, Path::new("/etc/saga-tracker.toml")).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_keys_are_refused_by_name_all_at_once() {
        assert_eq!(
            problems("[kafka]\ntopics = \"a\"\n[servers]\nport = 1\n"),
            [
                "kafka.topics: unknown; did you mean kafka.topic? (/etc/saga-tracker.toml)",
                "servers: unknown; did you mean server.port? (/etc/saga-tracker.toml)",
            ]
        );
        assert_eq!(
            problems("kafka = 3\n"),
            ["kafka: found integer, accepted: a section [kafka] (/etc/saga-tracker.toml)"]
        );
    }

    #[test]
    fn a_syntax_error_tells_its_place() {
        let told = problems("[kafka]\ntopic = \n").remove(0);
        assert!(told.contains("line 2"), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }

    #[test]
    fn property_names_may_be_quoted_or_not_and_values_of_any_kind() {
        let text =
            "[kafka.properties]\n\"sasl.username\" = \"a\"\nsasl.password = \"b\"\nretries = 3\nx.y = true\n";
        let table = table(text, Path::new("f")).unwrap();
        let properties: Vec<_> = table["kafka"]["properties"]
            .as_table()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        assert_eq!(
            properties,
            [
                ("retries", "3"),
                ("sasl.password", "b"),
                ("sasl.username", "a"),
                ("x.y", "true")
            ]
        );
    }
}
