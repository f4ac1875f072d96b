//! The consumer group: under which the tracker only commits, so nobody else may be a member.

use super::{Check, topic};
use crate::pipeline::kafka::KafkaSettings;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

const MEMBERS: &str = "consumer group";
const OFFSETS: &str = "committed offsets";

/// Who is in the group, and how far it says to be.
pub(super) fn check(
    kafka: &KafkaSettings,
    consumer: &BaseConsumer<impl ConsumerContext>,
    metadata: &Metadata,
    timeout: Duration,
) -> Vec<Check> {
    let mut checks = vec![members(kafka, consumer, timeout)];
    if let Some(topic) = topic::find(metadata, &kafka.topic) {
        let mut partitions = TopicPartitionList::new();
        for partition in topic.partitions() {
            partitions.add_partition(topic.name(), partition.id());
        }
        checks.push(offsets(consumer, partitions, timeout));
    }
    checks
}

fn members(kafka: &KafkaSettings, consumer: &BaseConsumer<impl ConsumerContext>, timeout: Duration) -> Check {
    let group = &kafka.group_id;
    let groups = match consumer.fetch_group_list(Some(group), timeout) {
        Ok(groups) => groups,
        Err(error) => {
            let advice = format!("allow this user Describe on group {group}");
            return Check::warn(MEMBERS, format!("the broker does not tell: {error}"), advice);
        }
    };
    let members: Vec<_> = groups
        .groups()
        .iter()
        .flat_map(|group| group.members())
        .map(|member| format!("{}{}", member.client_id(), member.client_host()))
        .collect();
    if members.is_empty() {
        return Check::ok(MEMBERS, format!("{group}, no members"));
    }
    Check::warn(
        MEMBERS,
        format!("{group} has active members: {}", members.join(", ")),
        "stop that service, or set another kafka.group_id: while it runs, the broker refuses the tracker's commits \
         (it consumes all the same, only lag tools see nothing)",
    )
}

fn offsets(
    consumer: &BaseConsumer<impl ConsumerContext>,
    of: TopicPartitionList,
    timeout: Duration,
) -> Check {
    let committed = match consumer.committed_offsets(of, timeout) {
        Ok(committed) => committed,
        Err(error) => {
            let advice = "check that the group coordinator is up and that this user may Read the group";
            return Check::warn(OFFSETS, format!("the broker does not tell: {error}"), advice);
        }
    };
    let list: Vec<_> = committed
        .elements()
        .iter()
        .map(|element| match element.offset() {
            Offset::Offset(offset) => format!("{}: {offset}", element.partition()),
            _ => format!("{}: none", element.partition()),
        })
        .collect();
    Check::ok(OFFSETS, format!("by partition {}", list.join(", ")))
}
