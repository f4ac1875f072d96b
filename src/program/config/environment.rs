//! The environment as a source: which variables are ours, what they set, and which look like ours
//! but are unknown.

use super::PREFIX;
use super::nearest::nearest;
use super::problem::{Origin, Problem};
use super::setting::Setting;
use super::settings::options;
use crate::pipeline::kafka::properties;
use crate::settings::{ConfigOption, Kind};

/// Names under our prefix that mean something to scripts and tests around the program.
const NOT_OPTIONS: &[&str] = &[
    "SAGA_TRACKER_BIN",
    "SAGA_TRACKER_BIN_OPTIONAL",
    "SAGA_TRACKER_CACHE",
    "SAGA_TRACKER_CONFIG",
    "SAGA_TRACKER_KEEP_DATA",
    "SAGA_TRACKER_KILL_CYCLES",
    "SAGA_TRACKER_OPERATOR",
    "SAGA_TRACKER_REQUIRE_FAILPOINTS",
    "SAGA_TRACKER_URL",
];

/// The settings that the variables make, weakest first.
pub(super) fn settings(environment: &[(String, String)]) -> Result<Vec<Setting>, Vec<Problem>> {
    let mut found: Vec<(usize, Setting)> = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in environment {
        let origin = Origin::Env(name.clone());
        match meaning(name) {
            Meaning::Option(option, rank) if option.kind == Kind::Map => match properties::parse(value) {
                Ok(entries) => found.extend(
                    entries
                        .into_iter()
                        .map(|(entry, value)| (rank, Setting::entry(option, entry, value, origin.clone()))),
                ),
                Err(why) => problems.push(Problem::new(
                    option.key,
                    origin,
                    format!("{why}; accepted: a=b,c=d"),
                )),
            },
            Meaning::Option(option, rank) => found.push((rank, Setting::text(option, value.clone(), origin))),
            Meaning::Entry(option, entry) => {
                found.push((usize::MAX, Setting::entry(option, entry, value.clone(), origin)));
            }
            Meaning::Unknown => {
                let nearest = nearest(name, options().map(ConfigOption::env).chain(aliases()));
                problems.push(Problem::unknown(name, origin, nearest));
            }
            Meaning::NotOurs => {}
        }
    }
    // The derived name is the most explicit one, so it wins over an alias.
    found.sort_by_key(|(rank, _)| *rank);
    if problems.is_empty() {
        Ok(found.into_iter().map(|(_, setting)| setting).collect())
    } else {
        Err(problems)
    }
}

enum Meaning {
    Option(&'static ConfigOption, usize),
    Entry(&'static ConfigOption, String),
    Unknown,
    NotOurs,
}

fn meaning(name: &str) -> Meaning {
    for option in options() {
        if option.env() == name {
            return Meaning::Option(option, option.aliases.len());
        }
        if let Some(rank) = option.aliases.iter().position(|alias| *alias == name) {
            return Meaning::Option(option, rank);
        }
        if option.kind == Kind::Map
            && let Some(entry) = name.strip_prefix(&format!("{}__", option.env()))
        {
            return Meaning::Entry(option, entry.to_lowercase().replace('_', "."));
        }
    }
    let ours = name.starts_with(PREFIX)
        && !NOT_OPTIONS.contains(&name)
        && !name.starts_with("SAGA_TRACKER_TEST_")
        && !is_service_link(name);
    if ours { Meaning::Unknown } else { Meaning::NotOurs }
}

fn aliases() -> impl Iterator<Item = String> {
    options()
        .flat_map(|option| option.aliases)
        .map(|alias| (*alias).to_owned())
}

/// Kubernetes sets these in every pod beside a Service named `saga-tracker` or `saga-tracker-…`.
fn is_service_link(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let rest = format!("_{rest}");
    let port = rest.rsplit_once("_PORT_").map(|(_, tail)| tail);
    let is_port = port.is_some_and(|tail| {
        let mut parts = tail.split('_');
        parts.next().is_some_and(|number| number.parse::<u16>().is_ok())
            && parts
                .next()
                .is_some_and(|protocol| matches!(protocol, "TCP" | "UDP" | "SCTP"))
    });
    is_port || rest.ends_with("_SERVICE_HOST") || rest.contains("_SERVICE_PORT") || rest.ends_with("_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Vec<Setting>, Vec<Problem>> {
        settings(
            &pairs
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn unknown_names_under_our_prefix_are_refused_with_the_nearest_known_one() {
        let problems = read(&[("SAGA_TRACKER_DATADIR", "/x")]).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "SAGA_TRACKER_DATADIR: unknown; did you mean SAGA_TRACKER_DATA_DIR? (env SAGA_TRACKER_DATADIR)"
        );
        assert!(read(&[("SAGA_TRACKER_STORE__DATADIR", "/x")]).is_err());
    }

    #[test]
    fn the_names_that_kubernetes_and_scripts_set_are_let_through() {
        let names = [
            "SAGA_TRACKER_SERVICE_HOST",
            "SAGA_TRACKER_SERVICE_PORT",
            "SAGA_TRACKER_SERVICE_PORT_HTTP",
            "SAGA_TRACKER_PORT",
            "SAGA_TRACKER_PORT_8086_TCP",
            "SAGA_TRACKER_PORT_8086_TCP_ADDR",
            "SAGA_TRACKER_HEADLESS_SERVICE_HOST",
            "SAGA_TRACKER_CONFIG",
            "SAGA_TRACKER_TEST_SEED",
            "KAFKA_HOME",
            "PATH",
        ];
        for name in names {
            assert_eq!(
                read(&[(name, "tcp://10.0.0.1:8086")]).map(|all| all.len()),
                Ok(0),
                "{name}"
            );
        }
    }
}
