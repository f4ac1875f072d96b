//! The configuration as a user meets it: sources, refusals, what is shown, the committed reference.
#![expect(clippy::unwrap_used, reason = "a test that finds no answer fails")]

mod cli_support;

use cli_support::run;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

fn entry(list: &Value, option: &str) -> Value {
    list.as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["option"] == option)
        .unwrap()
        .clone()
}

#[test]
fn every_value_is_shown_with_where_it_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saga-tracker.toml");
    std::fs::write(&file, "[kafka]\ntopic = \"from.file\"\n[server]\nport = 1\n").unwrap();
    let path = file.to_str().unwrap();
    let environment = [
        ("SAGA_TRACKER_CONFIG", path),
        ("SERVER_PORT", "2"),
        ("KAFKA_CONSUMER_GROUP_ID", "g"),
    ];
    let ran = run(
        &["config", "--json", "--port", "3", "--set", "metrics.max_steps=7"],
        &environment,
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let list = ran.json();
    let told = |option: &str, value: Value, origin: &str| {
        assert_eq!(
            entry(&list, option),
            json!({"option": option, "value": value, "origin": origin})
        );
    };
    told("kafka.topic", json!("from.file"), path);
    told("kafka.group_id", json!("g"), "env KAFKA_CONSUMER_GROUP_ID");
    told("server.port", json!(3), "flag --port");
    told("metrics.max_steps", json!(7), "flag --set");
    told("kafka.dlt_topic", json!("c4ang.saga.tracker.dlt"), "default");

    let table = run(&["config", "--port", "3"], &environment).stdout;
    let line = table
        .lines()
        .find(|line| line.starts_with("server.port"))
        .unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["server.port", "3", "flag", "--port"]
    );
}

#[test]
fn everything_wrong_is_told_at_once_one_line_each_with_exit_code_2() {
    let ran = run(
        &["serve", "--port", "x", "--bind", "here"],
        &[("KAFKA_MAX_POLL_RECORDS", "0")],
    );
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr.lines().collect::<Vec<_>>(),
        [
            "saga-tracker: kafka.max_poll_records: found 0, accepted: a whole number from 1 to 1000000 (env KAFKA_MAX_POLL_RECORDS)",
            "saga-tracker: server.bind: found \"here\", accepted: an IP address, e.g. 0.0.0.0 or ::1 (flag --bind)",
            "saga-tracker: server.port: found \"x\", accepted: a whole number from 0 to 65535 (flag --port)",
        ]
    );
}

#[test]
fn unknown_names_are_refused_wherever_they_stand() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f.toml");
    std::fs::write(&file, "[kafka]\ntopik = \"a\"\n").unwrap();
    let ran = run(
        &[
            "config",
            "--config",
            file.to_str().unwrap(),
            "--set",
            "store.cache=1",
        ],
        &[("SAGA_TRACKER_DATADIR", "/x")],
    );
    assert_eq!(ran.code, 2);
    for name in ["kafka.topik", "SAGA_TRACKER_DATADIR", "store.cache"] {
        assert!(
            ran.stderr.contains(&format!("{name}: unknown")),
            "{name}: {}",
            ran.stderr
        );
    }
}

#[test]
fn no_secret_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "s3cret-a\n").unwrap();
    let environment = [
        ("SAGA_TRACKER_REGISTRY__TOKEN_FILE", file.to_str().unwrap()),
        (
            "SAGA_TRACKER_KAFKA_PROPERTIES",
            "sasl.password=s3cret-b,ssl.key.password=s3cret-c",
        ),
        ("SCHEMA_REGISTRY_URL", "https://user:s3cret-d@one:1,https://two:2"),
    ];
    for arguments in [&["config"][..], &["config", "--json"]] {
        let ran = run(arguments, &environment);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
        assert!(ran.stdout.contains("kafka.properties.sasl.password"), "{ran:?}");
    }
}

#[test]
fn the_committed_reference_is_what_the_program_prints() {
    let ran = run(&["config", "--reference"], &[]);
    assert!(
        ran.stdout == include_str!("../deploy/saga-tracker.example.toml"),
        "stale; run: cargo run -- config --reference > deploy/saga-tracker.example.toml"
    );
}

/// README.md and every page of docs/, each with its name.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The names of variables in a text that could be ours. One that ends in an underscore is the
/// beginning of many.
fn variables(text: &str) -> BTreeSet<&str> {
    const BEGINNINGS: [&str; 4] = ["SAGA_TRACKER_", "KAFKA_", "SERVER_", "SCHEMA_REGISTRY_"];
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)))
        .filter(|word| !word.ends_with('_'))
        .collect()
}

/// The options of the reference, as `section.key`.
fn options(reference: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in reference.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, _)) = line.strip_prefix('#').and_then(|rest| rest.split_once(" ="))
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            found.insert(format!("{section}.{key}"));
        }
    }
    found
}

/// Words of a page that stand between backticks, those of code blocks left out.
fn code_words(page: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut prose = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    let spans = prose.split('`').skip(1).step_by(2);
    spans
        .flat_map(|span| span.split(|c: char| !(c.is_ascii_alphanumeric() || "._*".contains(c))))
        .map(|word| word.trim_matches('.').to_owned())
        .collect()
}

/// Whether a word is the name of an option; `*` stands for anything, and a map has entries.
fn is_option(word: &str, options: &BTreeSet<String>) -> bool {
    if let Some((beginning, end)) = word.split_once('*') {
        return options
            .iter()
            .any(|option| option.starts_with(beginning) && option.ends_with(end));
    }
    word.starts_with("kafka.properties.") || options.contains(word)
}

#[test]
fn every_option_that_the_documents_name_exists() {
    // Two names are the commands' own: no options.
    const OF_COMMANDS: [&str; 2] = ["SAGA_TRACKER_URL", "SAGA_TRACKER_OPERATOR"];
    // Settings of a Kafka topic, which look like ours.
    const OF_TOPICS: [&str; 2] = ["retention.ms", "retention.bytes"];
    let reference = run(&["config", "--reference"], &[]).stdout;
    let (known, options) = (variables(&reference), options(&reference));
    let sections: BTreeSet<&str> = options
        .iter()
        .filter_map(|option| option.split_once('.'))
        .map(|(section, _)| section)
        .filter(|section| !section.is_empty())
        .collect();
    let (mut wrong, mut named) = (Vec::new(), 0);
    for (name, page) in documents() {
        for word in variables(&page) {
            if OF_COMMANDS.contains(&word) || word.contains("__PROPERTIES__") {
                continue;
            }
            named += 1;
            if !known.contains(word) {
                wrong.push(format!("{name} names {word}"));
            }
        }
        for word in code_words(&page) {
            let section = word.split_once('.').map_or("", |(section, _)| section);
            if !sections.contains(section) || OF_TOPICS.contains(&word.as_str()) {
                continue;
            }
            named += 1;
            if !is_option(&word, &options) {
                wrong.push(format!("{name} names {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "the reference has no such option: {wrong:#?}");
    assert!(named >= 50, "the documents name only {named} options");
}

#[test]
fn help_reads_well() {
    insta::assert_snapshot!("help", run(&["--help"], &[]).stdout);
    insta::assert_snapshot!("help_serve", run(&["serve", "--help"], &[]).stdout);
    insta::assert_snapshot!("help_search", run(&["search", "--help"], &[]).stdout);
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_why() {
    for arguments in [
        &["sreve"][..],
        &["get"],
        &["search", "--status", "DONE"],
        &["search", "--all", "--page", "1"],
    ] {
        let ran = run(arguments, &[]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell], &[]);
        assert_eq!(ran.code, 0);
        assert!(
            ran.stdout.contains("rebuild") && ran.stdout.contains("bootstrap-servers"),
            "{shell}"
        );
    }
}
