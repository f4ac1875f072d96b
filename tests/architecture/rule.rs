//! The rule itself: wings and rooms, and whom each may know. A line here is a decision; `main.rs` only reads it.

/// The wings, lowest first. A wing may know those before it, and none behind it.
pub(crate) const WINGS: [&str; 6] = ["domain", "store", "pipeline", "operations", "server", "program"];

/// Each room, and the rooms of its own and of lower wings that it may know. It always may know itself, and the
/// tools. `domain` and `store` have no rooms.
pub(crate) const MAY_KNOW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("pipeline/decode", &["domain", "store"]),
    ("pipeline/registry", &["pipeline/decode"]),
    ("pipeline/kafka", &["domain"]),
    ("pipeline/projector", &["domain", "store"]),
    ("pipeline/query", &["domain", "store"]),
    ("pipeline/verify", &["domain", "store", "pipeline/projector"]),
    (
        "pipeline/ingest",
        &[
            "domain",
            "store",
            "pipeline/kafka",
            "pipeline/decode",
            "pipeline/registry",
            "pipeline/projector",
        ],
    ),
    ("operations/objects", &[]),
    ("operations/archive", &["domain", "operations/objects"]),
    ("operations/audit", &["domain", "store"]),
    (
        "operations/snapshot",
        &["domain", "store", "operations/objects", "operations/audit"],
    ),
    ("operations/secret_file", &[]),
    (
        "operations/incidents",
        &["domain", "store", "operations/secret_file"],
    ),
    ("operations/background", &["operations/audit"]),
    (
        "operations/rebuild",
        &[
            "domain",
            "store",
            "pipeline/ingest",
            "pipeline/projector",
            "operations/audit",
            "operations/background",
        ],
    ),
    (
        "operations/topic_replay",
        &[
            "store",
            "pipeline/kafka",
            "pipeline/registry",
            "pipeline/ingest",
            "pipeline/projector",
            "operations/audit",
            "operations/background",
        ],
    ),
    (
        "operations/decisions",
        &[
            "domain",
            "store",
            "pipeline/kafka",
            "pipeline/registry",
            "pipeline/ingest",
            "pipeline/projector",
        ],
    ),
    (
        "operations/definitions",
        &[
            "domain",
            "store",
            "operations/decisions",
            "operations/audit",
            "operations/background",
            "operations/rebuild",
        ],
    ),
    (
        "operations/dead_letters",
        &[
            "domain",
            "store",
            "pipeline/kafka",
            "pipeline/decode",
            "pipeline/registry",
            "pipeline/ingest",
            "pipeline/projector",
            "operations/decisions",
            "operations/audit",
        ],
    ),
    (
        "operations/webhooks",
        &[
            "domain",
            "store",
            "pipeline/ingest",
            "pipeline/query",
            "operations/dead_letters",
            "operations/secret_file",
        ],
    ),
    (
        "operations/retention",
        &[
            "domain",
            "store",
            "pipeline/kafka",
            "pipeline/ingest",
            "pipeline/projector",
            "pipeline/query",
            "operations/audit",
            "operations/decisions",
            "operations/definitions",
            "operations/archive",
            "operations/objects",
        ],
    ),
    (
        "server/metrics",
        &[
            "domain",
            "store",
            "pipeline/query",
            "pipeline/ingest",
            "pipeline/projector",
            "operations/decisions",
            "operations/audit",
            "operations/snapshot",
            "operations/webhooks",
            "operations/retention",
        ],
    ),
    (
        "server/api",
        &[
            "domain",
            "store",
            "pipeline/decode",
            "pipeline/query",
            "pipeline/ingest",
            "pipeline/projector",
            "pipeline/verify",
            "operations/audit",
            "operations/background",
            "operations/dead_letters",
            "operations/decisions",
            "operations/definitions",
            "operations/incidents",
            "operations/rebuild",
            "operations/retention",
            "operations/snapshot",
            "operations/topic_replay",
            "operations/webhooks",
            "server/metrics",
        ],
    ),
    ("server/page", &["server/api"]),
    ("program/demo", &["domain", "pipeline/kafka"]),
    (
        "program/config",
        &[
            "domain",
            "store",
            "pipeline/kafka",
            "pipeline/registry",
            "pipeline/projector",
            "operations/dead_letters",
            "operations/incidents",
            "operations/objects",
            "operations/snapshot",
            "operations/retention",
            "operations/webhooks",
            "server/metrics",
            "server/api",
            "server/page",
        ],
    ),
    ("program/monitoring", &["server/metrics"]),
    ("program/wiring", &["*"]),
    ("program/cli", &["*"]),
    // Drives whole replicas, in tests only.
    ("simulator", &["*"]),
];

/// What stands in no wing: whoever is above the store may use it. The store itself declares its settings.
pub(crate) const TOOLS: [&str; 4] = ["failpoint", "parquet_table", "settings", "wait"];

/// What only one place may name, or two: an engine, Kafka's client, a codec, the clock of the machine.
pub(crate) const ONLY_IN: [(&str, &[&str]); 7] = [
    ("rocksdb::", &["src/store/rocks"]),
    ("rdkafka::", &["src/pipeline/kafka"]),
    ("object_store::", &["src/operations/objects"]),
    // Files are written in one way; archived sagas are read again, too.
    ("parquet::", &["src/parquet_table.rs", "src/operations/archive"]),
    ("bincode::", &["src/store/"]),
    ("SystemTime::now", &["src/domain/clock.rs"]),
    ("park_timeout", &["src/wait.rs"]),
];
