//! The consumer group: under which the tracker only commits, so nobody else may be a member.

use super::Check;
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::inspect::{Cluster, Inspector, TopicState};

const MEMBERS: &str = "consumer group";
const OFFSETS: &str = "committed offsets";

/// Who is in the group, and what it has committed.
pub(super) fn check(kafka: &KafkaSettings, inspector: &Inspector<'_>, cluster: &Cluster) -> Vec<Check> {
    let topic = cluster.topic(&kafka.topic);
    let members = members(&kafka.group_id, inspector);
    let offsets = topic.map(|topic| offsets(inspector, topic));
    [members].into_iter().chain(offsets).collect()
}

fn members(group: &str, inspector: &Inspector<'_>) -> Check {
    match inspector.members() {
        Err(why) => Check::warn(
            MEMBERS,
            format!("the broker does not tell: {why}"),
            format!("allow this user Describe on group {group}"),
        ),
        Ok(members) if members.is_empty() => Check::ok(MEMBERS, format!("{group}, no members")),
        Ok(members) => Check::warn(
            MEMBERS,
            format!("{group} has active members: {}", members.join(", ")),
            "stop that service, or set another kafka.group_id: while it runs, the broker refuses the tracker's commits \
             (it consumes all the same, only lag tools see nothing)",
        ),
    }
}

fn offsets(inspector: &Inspector<'_>, topic: &TopicState) -> Check {
    let committed = match inspector.committed(topic) {
        Ok(committed) => committed,
        Err(why) => {
            let advice = "check that the group coordinator is up and that this user may Read the group";
            return Check::warn(OFFSETS, format!("the broker does not tell: {why}"), advice);
        }
    };
    let list: Vec<_> = committed
        .iter()
        .map(|(partition, offset)| match offset {
            Some(offset) => format!("{partition}: {offset}"),
            None => format!("{partition}: none"),
        })
        .collect();
    Check::ok(OFFSETS, format!("by partition {}", list.join(", ")))
}
