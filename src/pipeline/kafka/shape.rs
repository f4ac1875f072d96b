//! What the topics should be like. Whoever creates one, says how to, or judges one goes by this.

use std::fmt;

/// Replicas of each partition, where there are as many brokers.
pub(crate) const REPLICAS: usize = 3;

/// Partitions of a topic, and its settings.
#[derive(Debug)]
pub struct Shape {
    pub(crate) partitions: u16,
    pub(crate) settings: &'static [(&'static str, &'static str)],
}

/// How long events stay, milliseconds: 30 days.
pub(crate) const RETENTION_MS: i64 = 2_592_000_000;
const RETENTION: (&str, &str) = ("retention.ms", "2592000000");
/// When a record arrived is for the broker to say, not for the clock of whoever sent it.
const BROKERS_TIME: (&str, &str) = ("message.timestamp.type", "LogAppendTime");
/// What lies behind one offset is never taken out: keys are saga ids, and decisions have an order.
const NOT_COMPACTED: (&str, &str) = ("cleanup.policy", "delete");

/// The tracker topic.
pub(crate) const TRACKER_TOPIC: Shape = Shape {
    partitions: 3,
    settings: &[RETENTION, NOT_COMPACTED, BROKERS_TIME],
};

/// The dead-letter topic.
pub(crate) const DEAD_LETTER_TOPIC: Shape = Shape {
    partitions: 3,
    settings: &[RETENTION],
};

/// The ops topic: kept without limit.
pub const OPS_TOPIC: Shape = Shape {
    partitions: 1,
    settings: &[
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        NOT_COMPACTED,
        BROKERS_TIME,
    ],
};

impl Shape {
    /// The command that creates a topic of this shape.
    pub(crate) fn command(&self, bootstrap_servers: &str, topic: &str, brokers: usize) -> String {
        let server = bootstrap_servers.split(',').next().unwrap_or_default();
        let (partitions, replicas) = (self.partitions, replicas(brokers));
        let settings = self.settings.iter();
        let settings: String = settings
            .map(|(name, value)| format!(" --config {name}={value}"))
            .collect();
        format!(
            "kafka-topics.sh --bootstrap-server {server} --create --topic {topic} --partitions {partitions} \
             --replication-factor {replicas}{settings}"
        )
    }
}

/// In words, as in "create it (…)".
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.partitions == 1 { "" } else { "s" };
        write!(f, "{} partition{plural}", self.partitions)?;
        let mut settings = self.settings.iter();
        settings.try_for_each(|(name, value)| write!(f, ", {name}={value}"))
    }
}

/// As many replicas as there should be, or as that many brokers can hold.
pub(crate) fn replicas(brokers: usize) -> usize {
    brokers.clamp(1, REPLICAS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_told_in_words_and_as_a_command() {
        let told = "1 partition, retention.ms=-1, retention.bytes=-1, cleanup.policy=delete, \
                    message.timestamp.type=LogAppendTime";
        assert_eq!(OPS_TOPIC.to_string(), told);
        assert_eq!(
            DEAD_LETTER_TOPIC.command("one:9092,two:9092", "letters", 2),
            "kafka-topics.sh --bootstrap-server one:9092 --create --topic letters --partitions 3 \
             --replication-factor 2 --config retention.ms=2592000000"
        );
        assert_eq!(RETENTION.1, RETENTION_MS.to_string());
        assert_eq!((replicas(0), replicas(9)), (1, REPLICAS));
    }
}
