//! The one table of options: environment names, flags, validation, `--help`, the reference and the
//! printed configuration all derive from it.

use super::{Config, PREFIX};
use figment::value::Value;

/// What an option holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// A Kafka topic name.
    Topic,
    /// A path.
    Path,
    /// One or several http or https addresses.
    Urls,
    /// An IP address.
    Address,
    /// A log filter: a level, or levels by module.
    LogFilter,
    /// A password or token.
    Secret,
    /// A whole number, from and to.
    Integer(u64, u64),
    /// true or false.
    Switch,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Names and values.
    Map,
}

impl Kind {
    /// What is accepted, as the end of a sentence.
    pub fn accepts(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Topic => "a topic name (1 to 249 of a-z A-Z 0-9 . _ -)".into(),
            Self::Path => "a path".into(),
            Self::Urls => "http://host:port or https://host:port, several separated by commas".into(),
            Self::Address => "an IP address, e.g. 0.0.0.0 or ::1".into(),
            Self::LogFilter => {
                "error, warn, info, debug, trace, or levels by module as in info,rdkafka=debug".into()
            }
            Self::Secret => "text".into(),
            Self::Integer(from, to) => format!("a whole number from {from} to {to}"),
            Self::Switch => "true or false".into(),
            Self::Choice(words) => words.join(" or "),
            Self::Map => "name=value pairs".into(),
        }
    }
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfigOption {
    /// Its place in the file, e.g. `kafka.group_id`.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Environment names beside the one derived from the key.
    pub aliases: &'static [&'static str],
    /// Its own flag, without dashes. Every option can be set by `--set key=value`.
    pub flag: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
}

impl ConfigOption {
    /// The environment name derived from the key, e.g. `SAGA_TRACKER_KAFKA__GROUP_ID`.
    pub fn env(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "__").to_uppercase())
    }

    /// What it is when nobody says anything; none for "not set".
    pub fn default(&self) -> Option<Value> {
        let all = Value::serialize(Config::default()).ok()?;
        match all.find(self.key) {
            None | Some(Value::Empty(..)) => None,
            some => some,
        }
    }

    /// Its default as text; none for "not set".
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
        OPTIONS
            .iter()
            .find_map(|option| match key.strip_prefix(option.key)? {
                "" => Some((option, None)),
                rest if option.kind == Kind::Map => Some((option, Some(rest.strip_prefix('.')?))),
                _ => None,
            })
    }
}

const fn option(key: &'static str, kind: Kind, help: &'static str) -> ConfigOption {
    ConfigOption {
        key,
        kind,
        aliases: &[],
        flag: None,
        help,
    }
}

impl ConfigOption {
    const fn env_alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self {
            flag: Some(flag),
            ..self
        }
    }
}

const MILLIS: Kind = Kind::Integer(1, 3_600_000);
const SECONDS: Kind = Kind::Integer(1, 3_600);

/// All options, in the order of the reference.
pub static OPTIONS: &[ConfigOption] = &[
    option(
        "definitions_file",
        Kind::Path,
        "TOML file with the saga definitions; it replaces the built-in ones.",
    )
    .flag("definitions"),
    option("kafka.bootstrap_servers", Kind::Text, "Brokers to start from: host:port, comma separated.")
        .env_alias(&["KAFKA_BOOTSTRAP_SERVERS"])
        .flag("bootstrap-servers"),
    option(
        "kafka.group_id",
        Kind::Text,
        "Group under which offsets are committed, for lag tools. Consumption resumes from the store, not from these.",
    )
    .env_alias(&["KAFKA_CONSUMER_GROUP_ID"])
    .flag("group-id"),
    option("kafka.topic", Kind::Topic, "Topic of the tracker events.")
        .env_alias(&["KAFKA_TOPIC_SAGA_TRACKER"])
        .flag("topic"),
    option("kafka.dlt_topic", Kind::Topic, "Topic to which records that cannot be applied are published.")
        .env_alias(&["KAFKA_TOPIC_SAGA_TRACKER_DLT"])
        .flag("dlt-topic"),
    option(
        "kafka.ops_topic",
        Kind::Topic,
        "Topic of operators' decisions: holds, discards, purges. One partition, kept without limit.",
    )
    .env_alias(&["KAFKA_TOPIC_SAGA_TRACKER_OPS"])
    .flag("ops-topic"),
    option(
        "kafka.create_ops_topic",
        Kind::Switch,
        "Whether to create the ops topic when it is missing. Otherwise it is waited for.",
    ),
    option("kafka.max_poll_records", Kind::Integer(1, 1_000_000), "Records in one batch, at most.")
        .env_alias(&["KAFKA_MAX_POLL_RECORDS"]),
    option(
        "kafka.max_wait_ms",
        Kind::Integer(0, 60_000),
        "How long a batch waits to fill up, milliseconds.",
    ),
    option(
        "kafka.publish_dead_letters",
        Kind::Switch,
        "Whether to publish dead letters to the dead-letter topic. Of several replicas only one needs to.",
    ),
    option(
        "kafka.consume_dead_letters",
        Kind::Switch,
        "Whether to take in letters that other services wrote onto the dead-letter topic. Replicas that differ in this \
         have different digests.",
    ),
    option(
        "kafka.properties",
        Kind::Map,
        "Any librdkafka property, such as \"security.protocol\" = \"SASL_SSL\". In the environment SAGA_TRACKER_KAFKA__PROPERTIES__SECURITY_PROTOCOL, or several in SAGA_TRACKER_KAFKA_PROPERTIES as a=b,c=d. Properties that would break the tracker's promises are refused by name.",
    )
    .env_alias(&["SAGA_TRACKER_KAFKA_PROPERTIES"])
    .flag("kafka-property"),
    option(
        "kafka.properties_files",
        Kind::Map,
        "Files that hold values of librdkafka properties, such as \"sasl.password\" = \"/run/secrets/kafka\".",
    ),
    option("registry.url", Kind::Urls, "Schema registry; several addresses are tried in turn. Without one, every record is read by the bundled schema.")
        .env_alias(&["SCHEMA_REGISTRY_URL"])
        .flag("registry-url"),
    option("registry.username", Kind::Text, "User for the registry (basic authentication)."),
    option("registry.password", Kind::Secret, "Password for the registry."),
    option("registry.password_file", Kind::Path, "File that holds the password for the registry."),
    option("registry.token", Kind::Secret, "Bearer token for the registry, instead of a user."),
    option("registry.token_file", Kind::Path, "File that holds the bearer token."),
    option("registry.ca_file", Kind::Path, "PEM file with certificate authorities to trust beside the system's."),
    option(
        "registry.connect_timeout_seconds",
        SECONDS,
        "How long to wait for a connection to the registry, seconds.",
    ),
    option("registry.timeout_seconds", SECONDS, "How long one request to the registry may take, seconds."),
    option(
        "registry.unknown_id_seconds",
        SECONDS,
        "For how long a schema id that the registry does not know is not asked for again, seconds.",
    ),
    option(
        "registry.unknown_id_wait_seconds",
        Kind::Integer(0, 3_600),
        "How long consumption waits for a schema that the registry does not know yet, seconds; then its records are \
         dead letters until it does.",
    ),
    option("server.bind", Kind::Address, "Address to listen on.").env_alias(&["SAGA_TRACKER_BIND"]).flag("bind"),
    option("server.port", Kind::Integer(0, 65_535), "Port to listen on; 0 for any free one.")
        .env_alias(&["SERVER_PORT"])
        .flag("port"),
    option(
        "server.header_timeout_ms",
        MILLIS,
        "How long a client may take to send the head of a request, milliseconds.",
    ),
    option(
        "server.body_timeout_ms",
        MILLIS,
        "How long a client may take to send the body of a request, milliseconds.",
    ),
    option("server.request_timeout_ms", MILLIS, "How long a request may take in all, milliseconds."),
    option(
        "server.write_timeout_ms",
        MILLIS,
        "How long a client may take nothing of its answer before it is cut off, milliseconds.",
    ),
    option("server.header_limit_bytes", Kind::Integer(8_192, 1_048_576), "Size of the head of a request, at most."),
    option("server.uri_limit_bytes", Kind::Integer(1_024, 65_536), "Length of path and query, at most."),
    option("server.body_limit_bytes", Kind::Integer(1_024, 67_108_864), "Size of the body of a request, at most."),
    option(
        "server.max_connections",
        Kind::Integer(1, 1_000_000),
        "Connections at the same time. A further one takes the place of an idle one, or gets probes answered only.",
    ),
    option(
        "server.max_connections_per_peer",
        Kind::Integer(1, 1_000_000),
        "The same for one IPv4 address, or one IPv6 network of 64 bits. Raise it behind a proxy.",
    ),
    option(
        "server.allowed_hosts",
        Kind::Text,
        "Names by which clients may ask (the Host header), comma separated, * for any. Without it, any on an outer \
         address and localhost on a loopback address. IP addresses and probes always may.",
    ),
    option(
        "server.allowed_origins",
        Kind::Text,
        "Origins whose pages may change something here beside our own, as in https://ops.example, comma separated.",
    ),
    option(
        "server.max_concurrent_scans",
        Kind::Integer(1, 10_000),
        "Searches, lists and statistics that are answered at the same time; further ones wait.",
    ),
    option(
        "server.max_concurrent_full_reads",
        Kind::Integer(1, 1_000),
        "Digests, audit verifications and retention plans, which read all of something, at the same time.",
    ),
    option(
        "server.shutdown_grace_ms",
        MILLIS,
        "How long requests in flight may take after SIGTERM, milliseconds.",
    ),
    option("store.data_dir", Kind::Path, "Where the store lives. One process at a time.")
        .env_alias(&["SAGA_TRACKER_DATA_DIR"])
        .flag("data-dir"),
    option("store.block_cache_mib", Kind::Integer(8, 1_048_576), "Memory for blocks, indexes and filters, MiB."),
    option("store.write_buffer_mib", Kind::Integer(8, 65_536), "Memory for rows that are not on disk yet, MiB."),
    option(
        "store.max_wal_mib",
        Kind::Integer(8, 65_536),
        "Write-ahead log after which the oldest rows are written out, MiB. A restart replays at most this.",
    ),
    option("store.max_open_files", Kind::Integer(64, 1_000_000), "Files that the store keeps open, at most."),
    option(
        "store.background_jobs",
        Kind::Integer(1, 64),
        "Threads that write out and merge the store's files.",
    ),
    option(
        "store.min_free_bytes",
        Kind::Integer(0, i64::MAX as u64),
        "Free bytes on the store's disk below which consumption waits; decisions wait below half of it. Each goes on by itself when a quarter more is free; reads go on throughout.",
    ),
    option(
        "objects.url",
        Kind::Text,
        "Where snapshots and the archive are kept: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///path of a folder that exists. A prefix belongs to one tracker.",
    )
    .flag("objects-url"),
    option(
        "objects.endpoint",
        Kind::Text,
        "Address of the object store when it is not the provider's own, e.g. http://minio:9000; of Azurite, http://azurite:10000/ACCOUNT.",
    ),
    option("objects.region", Kind::Text, "S3 region."),
    option(
        "objects.access_key",
        Kind::Text,
        "S3 access key id, or Azure storage account, which may stand alone where the machine has a role. Without keys, those of the environment (AWS_..., GOOGLE_..., AZURE_...) are used, then the machine's role.",
    ),
    option("objects.secret_key", Kind::Secret, "S3 secret access key, or Azure account key."),
    option("objects.secret_key_file", Kind::Path, "File that holds the secret key."),
    option("objects.session_token", Kind::Secret, "S3 session token of temporary keys."),
    option("objects.session_token_file", Kind::Path, "File that holds the session token."),
    option(
        "objects.google_credentials_file",
        Kind::Path,
        "Google service account, as its JSON file.",
    ),
    option("objects.ca_file", Kind::Path, "PEM file with certificate authorities to trust beside the system's."),
    option("objects.allow_http", Kind::Switch, "Whether an object store without TLS is accepted."),
    option(
        "objects.virtual_hosted",
        Kind::Switch,
        "Whether S3 requests name the bucket in the host instead of the path.",
    ),
    option(
        "objects.connect_timeout_seconds",
        SECONDS,
        "How long to wait for a connection to the object store, seconds.",
    ),
    option(
        "objects.timeout_seconds",
        SECONDS,
        "How long one request to the object store, of at most 8 MiB, may take, seconds.",
    ),
    option(
        "objects.retries",
        Kind::Integer(0, 100),
        "How often a request is sent again after a 5xx or a broken connection, waiting longer each time.",
    ),
    option(
        "snapshot.interval_minutes",
        Kind::Integer(0, 525_600),
        "Minutes between snapshots of a running tracker; 0 for on demand only.",
    ),
    option(
        "snapshot.keep_last",
        Kind::Integer(1, 100_000),
        "The newest so many snapshots are kept.",
    ),
    option(
        "snapshot.keep_days",
        Kind::Integer(0, 36_500),
        "Snapshots younger than so many days are kept too.",
    ),
    option(
        "snapshot.grace_seconds",
        Kind::Integer(2, 31_536_000),
        "How long files that no kept snapshot needs stay in the object store. Protects snapshots that are being made: one may take half as long.",
    ),
    option(
        "snapshot.mib_per_second",
        Kind::Integer(0, 100_000),
        "How fast a snapshot reads, hashes and sends, so that consumption hardly notices; 0 for as fast as can be.",
    ),
    option(
        "projector.shards",
        Kind::Integer(0, 256),
        "Projector threads; each saga belongs to one of them. 0 for half of the processors.",
    ),
    option(
        "projector.window_events",
        Kind::Integer(1, 1_000_000),
        "Events that are folded into one write of the projections, at most.",
    ),
    option(
        "projector.window_ms",
        Kind::Integer(1, 60_000),
        "How long a write of the projections waits for more events, milliseconds. Bounds how stale answers are.",
    ),
    option(
        "projector.remembered_sagas",
        Kind::Integer(1, 100_000_000),
        "Sagas whose state is kept in memory so that the next event need not read it, at most.",
    ),
    option(
        "health.kafka_down_after_ms",
        MILLIS,
        "How long no broker may answer before the kafka component is DOWN, and the ops topic be missing before the ops component is, milliseconds.",
    ),
    option(
        "health.disk_free_min_bytes",
        Kind::Integer(0, i64::MAX as u64),
        "Free bytes on the store's disk below which the diskSpace component is DOWN.",
    ),
    option(
        "metrics.max_steps",
        Kind::Integer(1, 10_000),
        "Distinct steps that saga_events_processed_total tells apart; further ones are counted as \"other\".",
    ),
    option(
        "retention.enabled",
        Kind::Switch,
        "Whether this tracker decides what is purged. Of several replicas one should: every replica applies what was decided.",
    ),
    option(
        "retention.finished_days",
        Kind::Integer(0, 36_500),
        "Days after its last event that a saga in COMPLETED, FAILED or COMPENSATED is kept, unless its definition says otherwise.",
    ),
    option(
        "retention.unfinished_days",
        Kind::Integer(0, 36_500),
        "Days after its last event that any other saga is kept, unless its definition says otherwise.",
    ),
    option(
        "retention.quiet_hours",
        Kind::Integer(0, 87_600),
        "Hours after the arrival of its last delivery within which no saga is purged, however old its events are.",
    ),
    option(
        "retention.sagas_per_second",
        Kind::Integer(1, 1_000_000),
        "Sagas that are purged in a second, at most.",
    ),
    option(
        "retention.batch_sagas",
        Kind::Integer(1, 5_000),
        "Sagas in one decision, and in one object of the archive, at most.",
    ),
    option(
        "retention.pause_seconds",
        Kind::Integer(1, 86_400),
        "Seconds between the end of one search for sagas that are due and the next.",
    ),
    option(
        "retention.reclaim_percent",
        Kind::Integer(1, 100),
        "Percent of the log that must have been purged before its files are merged, which gives the room back.",
    ),
    option(
        "retention.archive",
        Kind::Switch,
        "Whether sagas are archived under objects.url before they are purged; then none is purged that is not archived.",
    ),
    option(
        "dead_letters.settled_days",
        Kind::Integer(0, 36_500),
        "Days after which dead letters that were redriven or discarded are no longer kept, on every replica; 0 keeps \
         all. Open ones always stay.",
    ),
    option(
        "dead_letters.redrive_days",
        Kind::Integer(0, 36_500),
        "Days after its end for which what became of a redrive, or of a dry run, is kept; 0 keeps all.",
    ),
    option(
        "dead_letters.replay_events",
        Kind::Integer(0, 1_000_000_000_000),
        "Events of the log that one replay by event ids looks through, at most; beyond that it wants to be told the sagas.",
    ),
    option("log.level", Kind::LogFilter, "What to log.").flag("log-level"),
    option("log.format", Kind::Choice(&["text", "json"]), "How to log.").flag("log-format"),
];

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
        let listed: Vec<_> = OPTIONS.iter().map(|option| option.key.to_owned()).collect();
        assert_eq!(listed.len(), listed.iter().collect::<BTreeSet<_>>().len());
        assert_eq!(settings, listed.into_iter().collect());
    }

    #[test]
    fn no_two_options_share_a_flag_or_an_environment_name() {
        let names: Vec<String> = OPTIONS
            .iter()
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
