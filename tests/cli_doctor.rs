//! `doctor` against brokers and registries in every condition.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that finds no answer fails"
)]

mod cli_server;
mod cli_support;

use cli_server::{Server, closed_port};
use cli_support::{Ran, run};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::Value;

/// A broker that is not there is waited for in vain, so not for long.
fn doctor(seconds: &str, environment: &[(&str, &str)]) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    run(
        &["doctor", "--json", "--timeout", seconds, "--data-dir", data],
        environment,
    )
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let found = report
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("no check {name} in {report:#}"))
}

fn broker() -> MockCluster<'static, DefaultProducerContext> {
    MockCluster::new(3).unwrap()
}

#[test]
fn a_broker_that_is_not_there_fails_with_the_reason_and_what_to_do() {
    let address = closed_port();
    let ran = doctor("1", &[("KAFKA_BOOTSTRAP_SERVERS", &address)]);
    assert_eq!(ran.code, 1);
    let report = ran.json();
    let brokers = check(&report, "kafka brokers");
    assert_eq!(brokers["verdict"], "FAIL");
    assert!(
        brokers["found"].as_str().unwrap().contains("refused"),
        "{brokers}"
    );
    assert!(
        brokers["advice"].as_str().unwrap().contains(&address),
        "{brokers}"
    );
    assert_eq!(check(&report, "data directory")["verdict"], "OK");
    assert_eq!(check(&report, "disk space")["verdict"], "OK");
}

#[test]
fn a_missing_topic_fails_with_the_command_that_creates_it() {
    let cluster = broker();
    let ran = doctor("3", &[("KAFKA_BOOTSTRAP_SERVERS", &cluster.bootstrap_servers())]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.json();
    assert_eq!(check(&report, "kafka brokers")["verdict"], "OK");
    let topic = check(&report, "topic");
    assert_eq!(topic["verdict"], "FAIL");
    let advice = topic["advice"].as_str().unwrap();
    for part in [
        "--topic c4ang.saga.tracker",
        "--partitions 3",
        "retention.ms=2592000000",
        "LogAppendTime",
    ] {
        assert!(advice.contains(part), "{advice}");
    }
    assert_eq!(check(&report, "dead-letter topic")["verdict"], "WARN");
}

#[test]
fn topics_that_are_there_pass() {
    let cluster = broker();
    cluster.create_topic("c4ang.saga.tracker", 3, 3).unwrap();
    cluster.create_topic("c4ang.saga.tracker.dlt", 1, 3).unwrap();
    let report = doctor("3", &[("KAFKA_BOOTSTRAP_SERVERS", &cluster.bootstrap_servers())]).json();
    assert_eq!(
        check(&report, "topic")["found"],
        "c4ang.saga.tracker, 3 partitions"
    );
    for name in ["kafka brokers", "topic", "topic replicas", "dead-letter topic"] {
        assert_eq!(check(&report, name)["verdict"], "OK", "{report:#}");
    }
}

#[test]
fn looking_creates_no_topic() {
    let cluster = broker();
    let servers = cluster.bootstrap_servers();
    for _ in 0..2 {
        let report = doctor("3", &[("KAFKA_BOOTSTRAP_SERVERS", &servers)]).json();
        assert_eq!(check(&report, "topic")["verdict"], "FAIL");
    }
}

#[test]
fn the_registry_is_judged_by_its_answer() {
    let path = "GET /subjects/c4ang.saga.tracker-value/versions/latest";
    for (status, verdict) in [(200, "OK"), (404, "WARN"), (401, "FAIL"), (503, "FAIL")] {
        let server = Server::start(&[(path, status, "{}")]);
        let ran = doctor(
            "1",
            &[
                ("SCHEMA_REGISTRY_URL", &server.url),
                ("KAFKA_BOOTSTRAP_SERVERS", &closed_port()),
            ],
        );
        assert_eq!(
            check(&ran.json(), "schema registry")["verdict"],
            verdict,
            "{status}: {ran:?}"
        );
        assert_eq!(server.requests(), [path]);
    }
    let nobody = format!("http://{}", closed_port());
    let report = doctor(
        "1",
        &[
            ("SCHEMA_REGISTRY_URL", &nobody),
            ("KAFKA_BOOTSTRAP_SERVERS", &closed_port()),
        ],
    )
    .json();
    let registry = check(&report, "schema registry");
    assert_eq!(registry["verdict"], "FAIL");
    assert!(
        registry["found"].as_str().unwrap().contains("refused"),
        "{registry}"
    );
}

#[test]
fn a_data_directory_on_a_file_fails() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let inside = file.join("data");
    let ran = run(
        &[
            "doctor",
            "--json",
            "--timeout",
            "1",
            "--data-dir",
            inside.to_str().unwrap(),
        ],
        &[("KAFKA_BOOTSTRAP_SERVERS", &closed_port())],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    assert_eq!(check(&ran.json(), "data directory")["verdict"], "FAIL");
}

#[test]
fn the_table_says_the_same_as_the_json() {
    let ran = run(
        &["doctor", "--timeout", "1"],
        &[("KAFKA_BOOTSTRAP_SERVERS", &closed_port())],
    );
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("FAIL  kafka brokers"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("check kafka.bootstrap_servers"),
        "{}",
        ran.stdout
    );
}

fn modes(path: &std::path::Path, found: &mut Vec<(String, u32)>) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    found.push((path.display().to_string(), mode));
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            modes(&entry.unwrap().path(), found);
        }
    }
}

#[test]
fn a_data_directory_and_all_in_it_are_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let ran = run(&["verify", "--data-dir", &data.display().to_string()], &[]);
    assert!(data.is_dir(), "{ran:?}");
    let mut found = Vec::new();
    modes(&data, &mut found);
    assert!(found.len() > 3, "{found:?}");
    for (path, mode) in found {
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
    }
}
