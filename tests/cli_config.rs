//! The configuration as a user meets it: sources, refusals, what is shown, the committed reference.
#![expect(clippy::unwrap_used, reason = "a test that finds no answer fails")]

mod cli_support;

use cli_support::run;
use serde_json::{Value, json};

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

#[test]
fn every_option_that_the_readme_names_exists() {
    let reference = run(&["config", "--reference"], &[]).stdout;
    let readme = include_str!("../README.md");
    let mut named = 0;
    for word in readme.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')) {
        let ours =
            word.starts_with("SAGA_TRACKER_") || word.starts_with("KAFKA_") || word.starts_with("SERVER_");
        // A name that ends in an underscore is the beginning of many.
        // Two names are the commands' own: no options.
        let of_commands = ["SAGA_TRACKER_URL", "SAGA_TRACKER_OPERATOR"].contains(&word);
        if ours && !word.ends_with('_') && !word.contains("__PROPERTIES__") && !of_commands {
            assert!(reference.contains(word), "README.md names {word}");
            named += 1;
        }
    }
    assert!(
        named >= 7,
        "README.md names only {named} of the environment's names"
    );
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
