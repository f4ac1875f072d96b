use super::super::{Config, Effective, Flag, LogFormat, Origin, Sources};
use crate::settings::Secret;
use std::path::{Path, PathBuf};

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn from_environment(pairs: &[(&str, &str)]) -> Sources {
    Sources {
        environment: environment(pairs),
        ..Sources::default()
    }
}

fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag {
        name: name.into(),
        key: key.into(),
        value: value.into(),
    }
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn refusals(sources: &Sources) -> Vec<String> {
    sources
        .load()
        .unwrap_err()
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn effective<'a>(of: &'a [Effective], option: &str) -> &'a Effective {
    of.iter().find(|entry| entry.option == option).unwrap()
}

#[test]
fn without_any_source_the_defaults_hold() {
    let loaded = Sources::default().load().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(
        loaded
            .effective
            .iter()
            .all(|entry| entry.origin == Origin::Default)
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(
        directory.path(),
        "saga-tracker.toml",
        "[kafka]\ngroup_id = \"file\"\ntopic = \"file\"\nbootstrap_servers = \"file:1\"\n",
    );
    let loaded = Sources {
        file: Some(path.clone()),
        environment: environment(&[
            ("KAFKA_CONSUMER_GROUP_ID", "environment"),
            ("KAFKA_TOPIC_SAGA_TRACKER", "environment"),
        ]),
        flags: vec![flag("--topic", "kafka.topic", "flag")],
    }
    .load()
    .unwrap();
    let kafka = &loaded.config.kafka;
    assert_eq!(
        (&*kafka.bootstrap_servers, &*kafka.group_id, &*kafka.topic),
        ("file:1", "environment", "flag")
    );
    let origin = |option: &str| effective(&loaded.effective, option).origin.clone();
    assert_eq!(origin("kafka.bootstrap_servers"), Origin::File(path));
    assert_eq!(
        origin("kafka.group_id"),
        Origin::Env("KAFKA_CONSUMER_GROUP_ID".into())
    );
    assert_eq!(origin("kafka.topic"), Origin::Flag("--topic".into()));
    assert_eq!(origin("kafka.dlt_topic"), Origin::Default);
}

#[test]
fn the_environment_names_of_existing_deployments_work() {
    let config = from_environment(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,b:9092"),
        ("SCHEMA_REGISTRY_URL", "http://registry:8081"),
        ("KAFKA_CONSUMER_GROUP_ID", "group"),
        ("KAFKA_MAX_POLL_RECORDS", "123"),
        ("KAFKA_TOPIC_SAGA_TRACKER", "topic"),
        ("KAFKA_TOPIC_SAGA_TRACKER_DLT", "letters"),
        ("SERVER_PORT", "9999"),
        ("SAGA_TRACKER_DATA_DIR", "/data"),
        ("SAGA_TRACKER_BIND", "127.0.0.1"),
    ])
    .load()
    .unwrap()
    .config;
    assert_eq!(config.kafka.bootstrap_servers, "a:9092,b:9092");
    assert_eq!(config.registry.url.as_deref(), Some("http://registry:8081"));
    assert_eq!(config.kafka.group_id, "group");
    assert_eq!(config.kafka.max_poll_records, 123);
    assert_eq!(config.kafka.topic, "topic");
    assert_eq!(config.kafka.dlt_topic, "letters");
    assert_eq!(
        (config.server.bind.to_string().as_str(), config.server.port),
        ("127.0.0.1", 9999)
    );
    assert_eq!(config.store.data_dir, PathBuf::from("/data"));
}

#[test]
fn every_option_has_an_environment_name_of_its_own_and_it_wins_over_the_older_one() {
    let config = from_environment(&[
        ("SAGA_TRACKER_SERVER__PORT", "1"),
        ("SERVER_PORT", "2"),
        ("SAGA_TRACKER_LOG__FORMAT", "json"),
        ("SAGA_TRACKER_KAFKA__PUBLISH_DEAD_LETTERS", "false"),
    ])
    .load()
    .unwrap()
    .config;
    assert_eq!(config.server.port, 1);
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.kafka.publish_dead_letters);
}

#[test]
fn an_empty_variable_unsets_what_is_optional_and_is_refused_elsewhere() {
    let config = from_environment(&[("SCHEMA_REGISTRY_URL", "")])
        .load()
        .unwrap()
        .config;
    assert_eq!(config.registry.url, None);
    assert_eq!(
        refusals(&from_environment(&[("KAFKA_BOOTSTRAP_SERVERS", "")])),
        ["kafka.bootstrap_servers: found nothing, accepted: text (env KAFKA_BOOTSTRAP_SERVERS)"]
    );
}

#[test]
fn a_refusal_names_the_option_what_was_found_what_is_accepted_and_where() {
    assert_eq!(
        refusals(&from_environment(&[
            ("SERVER_PORT", "tcp://10.0.0.1:80"),
            ("SAGA_TRACKER_LOG__LEVEL", "verbose")
        ])),
        [
            "server.port: found \"tcp://10.0.0.1:80\", accepted: a whole number from 0 to 65535 (env SERVER_PORT)",
            "log.level: found \"verbose\", accepted: error, warn, info, debug, trace, or levels by module as in \
             info,rdkafka=debug (env SAGA_TRACKER_LOG__LEVEL)",
        ]
    );
    let directory = tempfile::tempdir().unwrap();
    let path = write(
        directory.path(),
        "f.toml",
        "[server]\nport = 70000\nbind = 3\n[registry]\nurl = \"registry\"\n[kafka]\ntopic = \"a b\"\n",
    );
    let at = path.display();
    assert_eq!(
        refusals(&Sources {
            file: Some(path.clone()),
            ..Sources::default()
        }),
        [
            format!(
                "kafka.topic: found \"a b\", accepted: a topic name (1 to 249 of a-z A-Z 0-9 . _ -) ({at})"
            ),
            format!(
                "registry.url: found \"registry\", accepted: http://host:port or https://host:port, several separated by commas ({at})"
            ),
            format!("server.bind: found 3, accepted: an IP address, e.g. 0.0.0.0 or ::1 ({at})"),
            format!("server.port: found 70000, accepted: a whole number from 0 to 65535 ({at})"),
        ]
    );
}

#[test]
fn a_missing_file_is_refused_with_who_named_it() {
    let told = from_environment(&[("SAGA_TRACKER_CONFIG", "/nowhere.toml")])
        .load()
        .unwrap_err()
        .to_string();
    assert!(told.starts_with("configuration file /nowhere.toml: "), "{told}");
    assert!(told.ends_with("(env SAGA_TRACKER_CONFIG)"), "{told}");
}

#[test]
fn librdkafka_properties_come_from_every_source_and_are_merged_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(
        directory.path(),
        "f.toml",
        "[kafka.properties]\n\"security.protocol\" = \"sasl_ssl\"\nsasl.mechanism = \"PLAIN\"\nclient.id = \"a\"\n",
    );
    let loaded = Sources {
        file: Some(file),
        environment: environment(&[
            ("SAGA_TRACKER_KAFKA_PROPERTIES", "client.id=b,sasl.username=u"),
            ("SAGA_TRACKER_KAFKA__PROPERTIES__SASL_MECHANISM", "SCRAM-SHA-512"),
        ]),
        flags: vec![
            flag("--kafka-property", "kafka.properties", "client.id=c"),
            flag("--set", "kafka.properties.sasl.password", "p"),
        ],
    }
    .load()
    .unwrap();
    let properties: Vec<_> = loaded
        .config
        .kafka
        .properties
        .0
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        properties,
        [
            ("client.id", "c"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.password", "p"),
            ("sasl.username", "u"),
            ("security.protocol", "sasl_ssl"),
        ]
    );
    let shown = effective(&loaded.effective, "kafka.properties.sasl.mechanism");
    assert_eq!(
        shown.origin,
        Origin::Env("SAGA_TRACKER_KAFKA__PROPERTIES__SASL_MECHANISM".into())
    );
    assert_eq!(
        effective(&loaded.effective, "kafka.properties.sasl.password").value,
        Secret::MASK
    );
}

#[test]
fn properties_that_would_break_a_promise_or_do_not_exist_are_refused_by_name() {
    assert_eq!(
        refusals(&from_environment(&[(
            "SAGA_TRACKER_KAFKA_PROPERTIES",
            "enable.auto.commit=true,group.id=x"
        )])),
        [
            "kafka.properties.enable.auto.commit: may not be set: offsets are stored with the events, in one write \
             (env SAGA_TRACKER_KAFKA_PROPERTIES)",
            "kafka.properties.group.id: may not be set: use the option kafka.group_id (env SAGA_TRACKER_KAFKA_PROPERTIES)",
        ]
    );
    let told = refusals(&from_environment(&[(
        "SAGA_TRACKER_KAFKA_PROPERTIES",
        "security.protocl=ssl",
    )]))
    .remove(0);
    assert!(
        told.starts_with("kafka.properties.security.protocl: No such configuration property"),
        "{told}"
    );
}

#[test]
fn secrets_are_read_from_files_and_shown_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let password = write(directory.path(), "password", "s3cret-one\n");
    let sasl = write(directory.path(), "sasl", "s3cret-two");
    let loaded = from_environment(&[
        ("SAGA_TRACKER_REGISTRY__USERNAME", "user"),
        ("SAGA_TRACKER_REGISTRY__PASSWORD_FILE", password.to_str().unwrap()),
        (
            "SAGA_TRACKER_KAFKA__PROPERTIES_FILES__SASL_PASSWORD",
            sasl.to_str().unwrap(),
        ),
        (
            "SCHEMA_REGISTRY_URL",
            "http://user:s3cret-three@registry,https://s3cret-four@other/?apiKey=s3cret-five",
        ),
        ("SAGA_TRACKER_OBJECTS__URL", "file:///kept?sig=s3cret-six"),
    ])
    .load()
    .unwrap();
    assert_eq!(
        loaded.config.registry.password.as_ref().unwrap().expose(),
        "s3cret-one"
    );
    assert_eq!(loaded.config.kafka.properties.0["sasl.password"], "s3cret-two");
    assert_eq!(
        effective(&loaded.effective, "registry.password").origin,
        Origin::SecretFile(password)
    );
    let shown = format!("{:?} {:?}", loaded.config.kafka, loaded.effective);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(
        effective(&loaded.effective, "registry.url").value,
        "http://********@registry,https://********@other/?apiKey=********"
    );
    assert_eq!(
        effective(&loaded.effective, "objects.url").value,
        "file:///kept?sig=********"
    );
}

#[test]
fn a_secret_given_twice_or_unreadable_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let empty = write(directory.path(), "empty", "\n");
    let told = refusals(&from_environment(&[
        ("SAGA_TRACKER_REGISTRY__TOKEN", "a"),
        ("SAGA_TRACKER_REGISTRY__TOKEN_FILE", empty.to_str().unwrap()),
    ]));
    assert_eq!(
        told,
        [
            "registry.token_file: found beside registry.token; set one of the two (env SAGA_TRACKER_REGISTRY__TOKEN_FILE)"
        ]
    );
    let told = refusals(&from_environment(&[(
        "SAGA_TRACKER_REGISTRY__TOKEN_FILE",
        empty.to_str().unwrap(),
    )]));
    assert!(told[0].contains("is empty"), "{told:?}");
    let told = refusals(&from_environment(&[(
        "SAGA_TRACKER_REGISTRY__TOKEN_FILE",
        "/nowhere",
    )]));
    assert!(told[0].contains("/nowhere cannot be read"), "{told:?}");
}

#[test]
fn a_definitions_file_with_a_fault_is_refused_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(
        directory.path(),
        "sagas.toml",
        "[types.REFUND]\ncompleting_steps = []\n",
    );
    let sources = Sources {
        flags: vec![flag("--definitions", "definitions_file", path.to_str().unwrap())],
        ..Sources::default()
    };
    assert!(refusals(&sources)[0].starts_with("definitions_file: types.REFUND.completing_steps is empty"));
    std::fs::write(&path, "[types.REFUND]\ncompleting_steps = [\"REFUNDED\"]\n").unwrap();
    assert!(
        sources
            .load()
            .unwrap()
            .config
            .definitions()
            .unwrap()
            .knows(&"REFUND".into())
    );
}

#[test]
fn an_unknown_option_of_set_is_refused_with_the_nearest_known_one() {
    let sources = Sources {
        flags: vec![flag("--set", "store.datadir", "/x")],
        ..Sources::default()
    };
    assert_eq!(
        refusals(&sources),
        ["store.datadir: unknown; did you mean store.data_dir? (flag --set)"]
    );
}
