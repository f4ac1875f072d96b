//! The topics: there, led, replicated, and kept long enough.

use super::{Check, Verdict};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::inspect::{Cluster, Inspector, TopicState};
use crate::pipeline::kafka::shape::{
    DEAD_LETTER_TOPIC, OPS_TOPIC, REPLICAS, RETENTION_MS, Shape, TRACKER_TOPIC,
};
use std::collections::BTreeMap;

/// Name → value of a topic's settings, or why the broker does not tell.
type Settings = Result<BTreeMap<String, String>, String>;

/// Everything about the topics.
pub(super) fn check(kafka: &KafkaSettings, inspector: &Inspector<'_>, cluster: &Cluster) -> Vec<Check> {
    let mut checks = Vec::new();
    match cluster.topic(&kafka.topic) {
        Some(topic) => {
            checks.push(partitions("topic", topic));
            checks.push(replicas(topic, cluster.brokers.len()));
            checks.extend(rules(&inspector.topic_settings(&kafka.topic)));
        }
        None => checks.push(Check::fail(
            "topic",
            format!("{} does not exist", kafka.topic),
            create(kafka, cluster, &kafka.topic, &TRACKER_TOPIC),
        )),
    }
    checks.push(
        match (cluster.topic(&kafka.dlt_topic), kafka.publish_dead_letters) {
            (Some(topic), _) => partitions("dead-letter topic", topic),
            (None, false) => Check::ok(
                "dead-letter topic",
                "does not exist, and nothing is published to it",
            ),
            (None, true) => Check::warn(
                "dead-letter topic",
                format!(
                    "{} does not exist; dead letters are kept in the store only",
                    kafka.dlt_topic
                ),
                create(kafka, cluster, &kafka.dlt_topic, &DEAD_LETTER_TOPIC),
            ),
        },
    );
    checks
}

/// The ops topic, whose decisions hold for good.
pub(super) fn check_ops(kafka: &KafkaSettings, inspector: &Inspector<'_>, cluster: &Cluster) -> Check {
    const CHECK: &str = "ops topic";
    let name = &kafka.ops_topic;
    let Some(topic) = cluster.topic(name) else {
        let found = format!("{name} does not exist");
        return if kafka.create_ops_topic {
            Check::ok(CHECK, format!("{found}; the tracker creates it when it starts"))
        } else {
            Check::warn(
                CHECK,
                format!("{found}; holds, discards and purges wait for it"),
                create(kafka, cluster, name, &OPS_TOPIC),
            )
        };
    };
    let there = partitions(CHECK, topic);
    if there.verdict != Verdict::Ok {
        return there;
    }
    match inspector.topic_settings(name) {
        Ok(settings) => judge_ops(&settings, &there.found),
        Err(why) => Check::warn(
            CHECK,
            format!("{}; the broker does not tell its settings: {why}", there.found),
            "allow this user DescribeConfigs on the topic, or check retention.ms=-1 and cleanup.policy=delete by hand",
        ),
    }
}

fn judge_ops(settings: &BTreeMap<String, String>, found: &str) -> Check {
    const CHECK: &str = "ops topic";
    let value = |name: &str| settings.get(name).map_or("", String::as_str);
    if value("cleanup.policy").contains("compact") {
        let advice =
            "set cleanup.policy=delete: decisions have an order, and compaction removes some of them";
        return Check::fail(CHECK, format!("{found}, compacted"), advice);
    }
    let limited = |name: &str| value(name) != "-1";
    if limited("retention.ms") || limited("retention.bytes") {
        let advice =
            "set retention.ms=-1 and retention.bytes=-1: a tracker that starts anew needs every decision";
        return Check::warn(CHECK, format!("{found}, kept for a limited time"), advice);
    }
    if value("message.timestamp.type") != "LogAppendTime" {
        let advice = "set message.timestamp.type=LogAppendTime: when a decision was made is what the clock of whoever \
                      made it says";
        return Check::warn(
            CHECK,
            format!("{found}, with timestamps of its producers"),
            advice,
        );
    }
    Check::ok(CHECK, format!("{found}, kept without limit"))
}

fn partitions(check: &'static str, topic: &TopicState) -> Check {
    let leaderless: Vec<_> = topic
        .partitions
        .iter()
        .filter(|partition| !partition.has_leader)
        .map(|partition| partition.number.to_string())
        .collect();
    let found = format!("{}, {} partitions", topic.name, topic.partitions.len());
    if leaderless.is_empty() {
        return Check::ok(check, found);
    }
    let found = format!("{found}; without a leader: {}", leaderless.join(", "));
    Check::fail(check, found, "bring the brokers back that hold these partitions")
}

fn replicas(topic: &TopicState, brokers: usize) -> Check {
    let partitions = topic.partitions.iter();
    let fewest = partitions.clone().map(|partition| partition.replicas).min();
    let fewest = fewest.unwrap_or(0);
    let behind = partitions
        .filter(|partition| partition.in_sync < partition.replicas)
        .count();
    let found = format!("{fewest} of {REPLICAS}");
    if behind > 0 {
        let found = format!("{found}, {behind} partitions not fully in sync");
        return Check::warn(
            "topic replicas",
            found,
            "bring the brokers back that are behind or down",
        );
    }
    if fewest >= REPLICAS {
        return Check::ok("topic replicas", found);
    }
    let advice = match brokers {
        0..REPLICAS => format!("run {REPLICAS} brokers: an event is gone when all disks that hold it are"),
        _ => format!("reassign the partitions to {REPLICAS} replicas with kafka-reassign-partitions.sh"),
    };
    Check::warn("topic replicas", found, advice)
}

/// What the topic's settings mean for the tracker.
fn rules(settings: &Settings) -> Vec<Check> {
    match settings {
        Ok(settings) => {
            let value = |name: &str| settings.get(name).map_or("", String::as_str);
            vec![
                retention(value("retention.ms"), value("retention.bytes")),
                cleanup(value("cleanup.policy")),
                timestamps(value("message.timestamp.type")),
                compression(value("compression.type")),
            ]
        }
        Err(why) => vec![Check::warn(
            "topic settings",
            format!("the broker does not tell: {why}"),
            "allow this user DescribeConfigs on the topic, or check retention.ms, cleanup.policy and \
             message.timestamp.type by hand",
        )],
    }
}

fn retention(millis: &str, bytes: &str) -> Check {
    const CHECK: &str = "topic retention";
    let days = |millis: i64| format!("{:.1} days", millis as f64 / 86_400_000.0);
    let advice = format!(
        "set retention.ms={RETENTION_MS} ({}): what expires before it is consumed is lost, and a tracker that \
         starts anew begins with what is left",
        days(RETENTION_MS)
    );
    if bytes.parse::<i64>().is_ok_and(|limit| limit > 0) {
        return Check::warn(
            CHECK,
            format!("limited to {bytes} bytes per partition"),
            "set retention.bytes=-1",
        );
    }
    match millis.parse::<i64>() {
        Ok(-1) => Check::ok(CHECK, "unlimited"),
        Ok(millis) if millis >= RETENTION_MS => Check::ok(CHECK, days(millis)),
        Ok(millis) => Check::warn(CHECK, days(millis), advice),
        Err(_) => Check::warn(CHECK, "the broker does not tell", advice),
    }
}

fn cleanup(policy: &str) -> Check {
    if policy.contains("compact") {
        let advice = "set cleanup.policy=delete: the key is the saga id, so compaction removes all but the last \
                      event of each saga";
        Check::fail("topic cleanup", policy, advice)
    } else {
        Check::ok("topic cleanup", policy)
    }
}

fn timestamps(kind: &str) -> Check {
    match kind {
        "LogAppendTime" => Check::ok("topic timestamps", kind),
        _ => Check::warn(
            "topic timestamps",
            kind,
            "set message.timestamp.type=LogAppendTime: with CreateTime, arrival times are what the producers' clocks say; \
             one that is more than a week ahead is believed when five records in a row are",
        ),
    }
}

/// Batches are compressed by whoever sends them, and unpacked whole by whoever reads them.
fn compression(kind: &str) -> Check {
    const CHECK: &str = "topic compression";
    match kind {
        "" => Check::ok(CHECK, "the broker does not tell"),
        "uncompressed" => Check::ok(
            CHECK,
            format!("{kind}: max.message.bytes bounds what a batch unpacks to"),
        ),
        _ => Check::ok(
            CHECK,
            format!(
                "{kind}: max.message.bytes bounds batches as they are compressed, not what they unpack to; where producers \
                 are not trusted, set compression.type=uncompressed"
            ),
        ),
    }
}

fn create(kafka: &KafkaSettings, cluster: &Cluster, topic: &str, shape: &Shape) -> String {
    let command = shape.command(&kafka.bootstrap_servers, topic, cluster.brokers.len());
    format!("create it: {command}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_below_the_contract_is_warned_of() {
        assert_eq!(retention("2592000000", "-1").verdict, Verdict::Ok);
        assert_eq!(retention("-1", "-1").verdict, Verdict::Ok);
        assert_eq!(retention("604800000", "-1").verdict, Verdict::Warn);
        assert_eq!(retention("2592000000", "1073741824").verdict, Verdict::Warn);
        assert_eq!(retention("", "").verdict, Verdict::Warn);
    }

    #[test]
    fn an_ops_topic_that_forgets_is_warned_of() {
        let settings = |retention: &str, cleanup: &str, timestamps: &str| {
            let pairs = [
                ("message.timestamp.type", timestamps),
                ("retention.ms", retention),
                ("retention.bytes", "-1"),
                ("cleanup.policy", cleanup),
            ];
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        };
        let append = "LogAppendTime";
        let verdict = |retention, cleanup| judge_ops(&settings(retention, cleanup, append), "ops").verdict;
        let created = judge_ops(&settings("-1", "delete", "CreateTime"), "ops");
        assert_eq!(created.verdict, Verdict::Warn);
        assert_eq!(verdict("-1", "delete"), Verdict::Ok);
        assert_eq!(verdict("604800000", "delete"), Verdict::Warn);
        assert_eq!(verdict("-1", "compact"), Verdict::Fail);
    }

    #[test]
    fn what_bounds_a_batch_is_told() {
        assert!(
            compression("uncompressed")
                .found
                .contains("what a batch unpacks to")
        );
        for kind in ["producer", "zstd", "gzip"] {
            let told = compression(kind);
            assert_eq!(told.verdict, Verdict::Ok);
            assert!(
                told.found.contains("compression.type=uncompressed"),
                "{}",
                told.found
            );
        }
    }

    #[test]
    fn compaction_fails_and_create_time_is_warned_of() {
        assert_eq!(cleanup("delete").verdict, Verdict::Ok);
        assert_eq!(cleanup("compact,delete").verdict, Verdict::Fail);
        assert_eq!(timestamps("LogAppendTime").verdict, Verdict::Ok);
        let warned = timestamps("CreateTime");
        assert_eq!(warned.verdict, Verdict::Warn);
        assert!(warned.advice.unwrap().contains("LogAppendTime"));
    }
}
