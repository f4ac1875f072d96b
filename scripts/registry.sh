#!/usr/bin/env bash
# A real schema registry on this machine: Apicurio Registry, whose Confluent-compatible
# API is at http://127.0.0.1:P/apis/ccompat/v7. Schemas live in files under D.
#
#   scripts/registry.sh fetch                       download it (once) into the cache
#   scripts/registry.sh start --dir D [--port P]    prints the registry's URL once it serves
#   scripts/registry.sh stop  --dir D               SIGTERM, and wait
#   scripts/registry.sh kill  --dir D               SIGKILL, and wait
#   scripts/registry.sh pid   --dir D
#
# Like scripts/kafka.sh: D survives a stop, start again uses the same port.
# APICURIO_VERSION and REGISTRY_HEAP_OPTS override the defaults.
set -euo pipefail
# shellcheck source=lib/server.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

name="Apicurio Registry"
# The 3.0 line is the last that runs on Java 17.
version=${APICURIO_VERSION:-3.0.9}
home=$cache/registry/$version
heap=${REGISTRY_HEAP_OPTS:--Xms64m -Xmx256m}

download() {
  local work=$1
  # Not transitive: the archive is complete, and its parent POM is not published.
  # (2.10 is the last plugin that can say where the file goes.)
  maven org.apache.maven.plugins:maven-dependency-plugin:2.10:get -Dtransitive=false \
    -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" \
    -Ddest="$work/registry.tar.gz"
  tar -xzf "$work/registry.tar.gz" -C "$work"
  rm "$work/registry.tar.gz"
}

address() { echo "http://127.0.0.1:$port/apis/ccompat/v7"; }

answers() { curl --silent --fail --max-time 2 --output /dev/null "$(address)/subjects"; }

launch_server() {
  need curl
  # shellcheck disable=SC2086
  launch java $heap -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dsaga.tracker.dir=$dir" \
    -Djava.io.tmpdir="$dir" -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$port" \
    -Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 \
    "-Dapicurio.datasource.url=jdbc:h2:file:$dir/schemas" \
    -jar "$home/apicurio-registry-app-$version-runner.jar"
}

command=${1:-help}
(($#)) && shift
case $command in
  fetch) fetch ;;
  start | stop | kill | pid) run_server 120 "$command" "$@" ;;
  *) usage "$command" ;;
esac
