//! Secrets that are kept in files of their own, as orchestrators mount them.

use super::problem::{Origin, Problem};
use super::settings::Config;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the files that the configuration names into the options that they stand for.
pub(super) fn read(config: &mut Config, origins: &mut BTreeMap<String, Origin>) -> Vec<Problem> {
    let mut reader = Reader {
        origins,
        problems: Vec::new(),
    };
    let (registry, objects) = (&mut config.registry, &mut config.objects);
    for (option, file, secret) in [
        (
            "registry.password",
            &registry.password_file,
            &mut registry.password,
        ),
        ("registry.token", &registry.token_file, &mut registry.token),
        (
            "objects.secret_key",
            &objects.secret_key_file,
            &mut objects.secret_key,
        ),
        (
            "objects.session_token",
            &objects.session_token_file,
            &mut objects.session_token,
        ),
    ] {
        if let Some(path) = file
            && let Some(text) = reader.read(&format!("{option}_file"), option, path, secret.is_some())
        {
            *secret = Some(text.into());
        }
    }
    for (name, path) in &config.kafka.properties_files {
        let option = format!("kafka.properties_files.{name}");
        let stands_for = format!("kafka.properties.{name}");
        let given = config.kafka.properties.0.contains_key(name);
        if let Some(text) = reader.read(&option, &stands_for, path, given) {
            config.kafka.properties.0.insert(name.clone(), text);
        }
    }
    reader.problems
}

struct Reader<'a> {
    origins: &'a mut BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read(&mut self, option: &str, stands_for: &str, path: &Path, given: bool) -> Option<String> {
        let origin = self.origins.get(option).cloned().unwrap_or(Origin::Default);
        let mut report = |message: String| self.problems.push(Problem::new(option, origin.clone(), message));
        if given {
            report(format!("found beside {stands_for}; set one of the two"));
            return None;
        }
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {
                report(format!(
                    "{} is empty; accepted: a file that holds the secret",
                    path.display()
                ));
                None
            }
            Ok(text) => {
                self.origins
                    .insert(stands_for.to_owned(), Origin::SecretFile(path.to_owned()));
                // Editors and `echo` end a file with a line break that is no part of the secret.
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            Err(why) => {
                report(format!(
                    "{} cannot be read: {why}; accepted: a file that holds the secret",
                    path.display()
                ));
                None
            }
        }
    }
}
