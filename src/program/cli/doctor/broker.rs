//! The brokers: reachable, and what they say of the topics and the group.

use super::{Check, group, topic};
use crate::pipeline::kafka::KafkaSettings;
use crate::pipeline::kafka::inspect::{Cluster, Inspector};
use std::time::Duration;

const BROKERS: &str = "kafka brokers";

/// All checks that need a broker.
pub(super) fn check(kafka: &KafkaSettings, timeout: Duration) -> Vec<Check> {
    let connect = || {
        let inspector = Inspector::new(kafka, timeout)?;
        let cluster = inspector.cluster()?;
        Ok((inspector, cluster))
    };
    let (inspector, cluster) = match connect() {
        Ok(connected) => connected,
        Err(why) => return vec![unreachable(kafka, why)],
    };
    let mut checks = vec![brokers(&cluster)];
    checks.extend(topic::check(kafka, &inspector, &cluster));
    checks.push(topic::check_ops(kafka, &inspector, &cluster));
    checks.extend(group::check(kafka, &inspector, &cluster));
    checks
}

fn unreachable(kafka: &KafkaSettings, why: String) -> Check {
    let advice = format!(
        "check kafka.bootstrap_servers ({}), the network, and kafka.properties (security.protocol, sasl.*, ssl.*)",
        kafka.bootstrap_servers
    );
    Check::fail(BROKERS, why, advice)
}

fn brokers(cluster: &Cluster) -> Check {
    let addresses = &cluster.brokers;
    Check::ok(
        BROKERS,
        format!("{} reachable: {}", addresses.len(), addresses.join(", ")),
    )
}
