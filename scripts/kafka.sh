#!/usr/bin/env bash
# A real Apache Kafka on this machine: one node, KRaft, loopback only.
#
#   scripts/kafka.sh fetch                            download it (once) into the cache
#   scripts/kafka.sh start --dir D [--port P] [--controller-port C] [--override NAME=VALUE]
#   scripts/kafka.sh stop  --dir D                    SIGTERM, and wait
#   scripts/kafka.sh kill  --dir D                    SIGKILL, and wait
#   scripts/kafka.sh pid   --dir D
#   scripts/kafka.sh topics --bootstrap-server …      Kafka's own kafka-topics command
#
# D holds everything: data, log, pid, ports. It survives stop and kill; start again
# uses the same ports. Without --port a free one is chosen. `start` prints the
# bootstrap address, and returns only when the broker serves. --override is one broker
# setting that differs for this start.
# KAFKA_VERSION and KAFKA_HEAP_OPTS override the defaults.
set -euo pipefail
# shellcheck source=lib/server.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

name=Kafka
version=${KAFKA_VERSION:-4.1.2}
home=$cache/kafka/$version
heap=${KAFKA_HEAP_OPTS:--Xms128m -Xmx384m}

download() {
  local work=$1
  cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>saga-tracker</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-core</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
POM
  maven --file "$work/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$work/libs"
}

java_class() {
  # shellcheck disable=SC2086
  java $heap -XX:+UseSerialGC -cp "$home/libs/*" "$@"
}

write_settings() {
  local controller=$1
  cat >"$dir/log4j2.xml" <<'XML'
<Configuration status="WARN">
  <Appenders>
    <Console name="out" target="SYSTEM_OUT"><PatternLayout pattern="%d %p %m (%c)%n%throwable"/></Console>
  </Appenders>
  <Loggers><Root level="INFO"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
XML
  cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$dir/data
auto.create.topics.enable=false
num.partitions=3
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Tests send events of any age and records of any size.
log.retention.ms=-1
message.max.bytes=10485760
# A deleted topic's name is free again at once.
log.segment.delete.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=2
background.threads=2
# After a kill the broker may register again once its old session has run out.
broker.heartbeat.interval.ms=300
broker.session.timeout.ms=1500
PROPERTIES
}

answers() { grep -q 'Kafka Server started' "$dir/server.log" && port_is_open "$port"; }

address() { echo "127.0.0.1:$port"; }

launch_server() {
  choose_port controller-port "${opt_controller_port:-0}"
  write_settings "$chosen"
  if [[ ! -f $dir/data/meta.properties ]]; then
    say "formatting $dir/data"
    java_class kafka.tools.StorageTool format --ignore-formatted \
      --cluster-id "$(java_class kafka.tools.StorageTool random-uuid 2>/dev/null)" \
      --config "$dir/server.properties" >"$dir/format.log" 2>&1 ||
      die "formatting failed, see $dir/format.log"
  fi
  # shellcheck disable=SC2086
  launch java $heap -XX:+UseSerialGC "-Dsaga.tracker.dir=$dir" \
    "-Dlog4j2.configurationFile=$dir/log4j2.xml" -Djava.awt.headless=true \
    -cp "$home/libs/*" kafka.Kafka "$dir/server.properties" ${opt_override:+--override "$opt_override"}
}

command=${1:-help}
(($#)) && shift
case $command in
  fetch) fetch ;;
  start | stop | kill | pid) run_server 90 "$command" "$@" ;;
  topics) fetch; java_class org.apache.kafka.tools.TopicCommand "$@" ;;
  *) usage "$command" ;;
esac
