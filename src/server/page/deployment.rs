//! What of the tracker's own settings the page tells: where it consumes, what acts publish to, what is switched on.
//! `GET /internal/v1/config` tells the same as texts; views need it as values, and without a call.

/// What is told. Secrets are masked by whoever fills it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The brokers.
    pub brokers: String,
    /// The tracker topic.
    pub topic: String,
    /// The topic of operators' decisions.
    pub ops_topic: String,
    /// The consumer group.
    pub group: String,
    /// The schema registry; none where the bundled schema reads events.
    pub registry: Option<String>,
    /// Whether this replica decides what is purged.
    pub retention: bool,
    /// Whether there is object storage.
    pub objects: bool,
}
