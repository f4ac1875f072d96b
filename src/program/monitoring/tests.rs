use super::*;
use crate::server::metrics::catalogue;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn committed(path: &str) -> PathBuf {
    root().join("deploy/monitoring").join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn every_alert() -> Vec<alerts::Alert> {
    Subject::ALL.into_iter().flat_map(Subject::alerts).collect()
}

#[test]
fn nothing_is_named_that_is_not_declared() {
    if let Err(error) = artefacts() {
        panic!("{error}");
    }
}

#[test]
fn no_token_of_a_parameter_is_left() {
    for file in artefacts().unwrap() {
        assert!(!file.text.contains("@{"), "{}", file.path);
    }
}

#[test]
fn the_committed_files_are_those_that_the_code_makes() {
    let files = artefacts().unwrap();
    if std::env::var_os("SAGA_TRACKER_BLESS").is_some() {
        for file in &files {
            let path = committed(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &file.text).unwrap();
        }
    }
    let stale = files
        .iter()
        .filter(|file| fs::read_to_string(committed(&file.path)).unwrap_or_default() != file.text);
    let stale: Vec<&str> = stale.map(|file| file.path.as_str()).collect();
    assert!(
        stale.is_empty(),
        "{stale:?} are stale; SAGA_TRACKER_BLESS=1 cargo test --lib program::monitoring writes them anew"
    );
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn everything_that_is_committed_is_handed_out_but_for_the_tests_of_rules() {
    let mut found = Vec::new();
    files_below(&committed(""), &mut found);
    let known: BTreeSet<PathBuf> = artefacts()
        .unwrap()
        .iter()
        .map(|file| committed(&file.path))
        .collect();
    let tests = committed("prometheus/tests");
    found.retain(|path| !known.contains(path) && !path.starts_with(&tests));
    assert_eq!(found, Vec::<PathBuf>::new());
}

#[test]
fn every_metric_is_on_a_dashboard_or_in_a_rule() {
    let all: String = artefacts().unwrap().into_iter().map(|file| file.text).collect();
    let unused: Vec<&str> = catalogue::ALL
        .iter()
        .map(|family| family.name)
        .filter(|name| !all.contains(name))
        .collect();
    assert_eq!(unused, Vec::<&str>::new());
}

#[test]
fn every_alert_has_a_section_in_each_runbook_and_no_other_section_is_there() {
    let names: BTreeSet<String> = every_alert().iter().map(|alert| alert.name.to_owned()).collect();
    for page in ["docs/runbooks/alerts.md", "docs/runbooks/alerts.ko.md"] {
        let text = read(&root().join(page));
        let sections: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .map(str::to_owned)
            .collect();
        assert_eq!(sections, names, "{page}");
    }
}

#[test]
fn every_alert_says_what_is_the_matter_in_both_languages() {
    for alert in every_alert() {
        let (english, korean) = (alert.english, alert.korean);
        for text in [english.summary, english.description] {
            assert!(
                !text.is_empty() && text.chars().any(|c| c.is_ascii_alphabetic()),
                "{}",
                alert.name
            );
        }
        for text in [korean.summary, korean.description] {
            assert!(
                text.chars().any(|c| ('가'..='힣').contains(&c)),
                "{}: {text}",
                alert.name
            );
        }
        for text in [english.summary, korean.summary] {
            assert!(
                !text.contains("$value"),
                "{}: a summary that changes with each value",
                alert.name
            );
        }
    }
}

#[test]
fn a_part_of_all_that_is_accepted_is_told_as_a_percentage_like_the_value() {
    use parameters::{API_ERROR_RATIO, COMPENSATION_RATIO, DELAY_BUDGET, FAILURE_RATIO, SUCCESS_BUDGET};
    for alert in every_alert() {
        for text in [alert.english.description, alert.korean.description] {
            for ratio in [
                API_ERROR_RATIO,
                COMPENSATION_RATIO,
                DELAY_BUDGET,
                FAILURE_RATIO,
                SUCCESS_BUDGET,
            ] {
                let percentage = format!("{{{{ {} | humanizePercentage }}}}", ratio.token());
                let rest = text.replace(&percentage, "");
                assert!(!rest.contains(&ratio.token()), "{}: {text}", alert.name);
            }
        }
    }
}

/// Which particle follows depends on the last letter, which a percentage has and a name does not.
#[test]
fn no_particle_that_depends_on_a_name_follows_it_in_korean() {
    for alert in every_alert() {
        for text in [alert.korean.summary, alert.korean.description] {
            for (name, behind) in text.split("{{").skip(1).filter_map(|part| part.split_once("}}")) {
                let mut letters = behind.chars();
                let particle = letters
                    .next()
                    .is_some_and(|letter| "은는이가을를과와".contains(letter));
                let ends = letters.next().is_some_and(char::is_whitespace);
                assert!(
                    !(particle && ends) || name.contains("humanizePercentage"),
                    "{}: {text}",
                    alert.name
                );
            }
        }
    }
}

/// The labels that a text names.
fn labels_of(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split("$labels.").skip(1);
    behind.map(|rest| {
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .next()
            .unwrap()
    })
}

#[test]
fn texts_of_alerts_name_labels_that_their_series_have() {
    for alert in every_alert() {
        for text in [
            alert.english.summary,
            alert.english.description,
            alert.korean.summary,
            alert.korean.description,
            alert.page.as_deref().unwrap_or(""),
        ] {
            for label in labels_of(text) {
                assert!(
                    alert.query.labels().contains(label),
                    "{} names {label}",
                    alert.name
                );
            }
        }
    }
}

/// The names of the parameters that a call of the API takes.
fn parameters_of(call: &str) -> BTreeSet<String> {
    let api = read(&root().join("proto/openapi.json"));
    let api: serde_json::Value = serde_json::from_str(&api).unwrap();
    let parameters = api["paths"][call]["get"]["parameters"].as_array().unwrap();
    let names = parameters
        .iter()
        .map(|parameter| parameter["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// The names in a query; what a template writes is left as it stands.
fn names_in(query: &str) -> BTreeSet<String> {
    let outside = query.split("{{").map(|part| part.rsplit("}}").next().unwrap());
    let text: String = outside.collect();
    let pairs = text.split('&');
    pairs
        .map(|pair| pair.split('=').next().unwrap().to_owned())
        .collect()
}

#[test]
fn alerts_lead_to_views_by_filters_that_the_api_has() {
    let views = [
        ("/ui/search", "/api/v1/sagas"),
        ("/ui/dead-letters", "/api/v1/dead-letters"),
    ];
    for alert in every_alert() {
        let Some((view, query)) = alert.page.as_deref().and_then(|path| path.split_once('?')) else {
            continue;
        };
        let (_, call) = views.iter().find(|(of, _)| *of == view).unwrap();
        let unknown: Vec<String> = names_in(query)
            .difference(&parameters_of(call))
            .cloned()
            .collect();
        assert_eq!(unknown, Vec::<String>::new(), "{}", alert.name);
    }
}

#[test]
fn searches_for_the_page_filter_by_what_the_api_has() {
    for search in dashboards::SEARCHES {
        assert!(
            names_in(search.filter).is_subset(&parameters_of("/api/v1/sagas")),
            "{}",
            search.title
        );
    }
}

fn minutes(duration: &str) -> u32 {
    let (number, unit) = duration.split_at(duration.len() - 1);
    let number: u32 = number.parse().unwrap();
    match unit {
        "m" => number,
        "h" => 60 * number,
        other => panic!("{other}"),
    }
}

#[test]
fn an_alert_waits_for_two_scrapes_and_does_not_flutter() {
    for alert in every_alert() {
        assert!(minutes(alert.pending) >= 2, "{}", alert.name);
        assert!(minutes(alert.keep) >= 5, "{}", alert.name);
    }
}

#[test]
fn names_of_rules_are_unique_and_begin_like_the_others() {
    let alerts = every_alert();
    let names: BTreeSet<&str> = alerts.iter().map(|alert| alert.name).collect();
    assert_eq!(names.len(), alerts.len());
    assert!(names.iter().all(|name| name.starts_with("Saga")));
    let recordings: Vec<String> = recordings::groups()
        .into_iter()
        .flat_map(|group| group.recordings)
        .map(|recording| recording.name)
        .collect();
    let unique: BTreeSet<&String> = recordings.iter().collect();
    assert_eq!(unique.len(), recordings.len());
    // Level, metric, operation.
    assert!(
        recordings.iter().all(|name| name.split(':').count() == 3),
        "{recordings:?}"
    );
}

#[test]
fn each_rule_is_tested_for_when_it_fires_and_when_it_does_not() {
    let mut files = Vec::new();
    files_below(&committed("prometheus/tests"), &mut files);
    let tests: String = files.iter().map(|path| read(path)).collect();
    for alert in every_alert() {
        for what in ["fires", "stays silent"] {
            let name = format!("- name: {} {what}", alert.name);
            assert!(tests.contains(&name), "no test: {name}");
        }
    }
    for recording in recordings::groups()
        .into_iter()
        .flat_map(|group| group.recordings)
    {
        assert!(tests.contains(&recording.name), "no test of {}", recording.name);
    }
    assert!(tests.contains("- name: without any series only the absence is told"));
}

#[test]
fn provisioned_files_hold_no_secret() {
    for (path, text) in BY_HAND {
        for line in text.lines() {
            let line = line.trim();
            for key in [
                "integrationKey:",
                "authorization_credentials:",
                "token:",
                "password:",
                "api_url:",
                "routing_key:",
            ] {
                if let Some(value) = line.strip_prefix(key) {
                    assert!(value.trim().starts_with('$'), "{path}: {line}");
                }
            }
        }
    }
}
