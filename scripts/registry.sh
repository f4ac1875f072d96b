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

# The 3.0 line is the last that runs on Java 17.
version=${APICURIO_VERSION:-3.0.9}
home=$cache/registry/$version
heap=${REGISTRY_HEAP_OPTS:--Xms64m -Xmx256m}

fetch() {
  if [[ -f $home/.complete ]]; then
    say "Apicurio Registry $version is in $home"
    return
  fi
  need mvn
  mkdir -p "$cache/registry"
  exec 9>"$cache/registry/.lock"
  flock 9
  [[ ! -f $home/.complete ]] || return 0
  say "downloading Apicurio Registry $version with Maven into $home"
  local work=$home.partial
  rm -rf "$work" "$home"
  mkdir -p "$work"
  # Not transitive: the archive is complete, and its parent POM is not published.
  # (2.10 is the last plugin that can say where the file goes.)
  mvn --batch-mode --quiet -Dstyle.color=never \
    org.apache.maven.plugins:maven-dependency-plugin:2.10:get -Dtransitive=false \
    -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" \
    -Ddest="$work/registry.tar.gz" >&2
  tar -xzf "$work/registry.tar.gz" -C "$work"
  rm "$work/registry.tar.gz"
  touch "$work/.complete"
  mv "$work" "$home"
}

url() { echo "http://127.0.0.1:$1/apis/ccompat/v7"; }

serving() {
  # Not running_pid: right after the fork the command line is still the shell's.
  kill -0 "$(<"$1/pid")" 2>/dev/null || return 2
  curl --silent --fail --max-time 2 --output /dev/null "$(url "$2")/subjects"
}

# Either it serves, or it is dead and waiting is pointless.
settled() {
  local status=0
  serving "$1" "$2" || status=$?
  ((status == 0 || status == 2))
}

start() {
  local dir port pid
  dir=$(absolute_dir)
  if pid=$(running_pid "$dir"); then
    say "already running in $dir (pid $pid)"
    url "$(<"$dir/port")"
    return
  fi
  need java
  need curl
  fetch
  port=${opt_port:-0}
  ((port)) || port=$(cat "$dir/port" 2>/dev/null || free_port)
  echo "$port" >"$dir/port"
  # Emptied here, not by the background shell: the last start's log must not be read.
  : >"$dir/server.log"
  # shellcheck disable=SC2086
  setsid java $heap -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dsaga.tracker.dir=$dir" \
    -Djava.io.tmpdir="$dir" -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$port" \
    -Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 \
    "-Dapicurio.datasource.url=jdbc:h2:file:$dir/schemas" \
    -jar "$home/apicurio-registry-app-$version-runner.jar" \
    </dev/null >>"$dir/server.log" 2>&1 9>&- &
  echo $! >"$dir/pid"
  if ! wait_for 120 settled "$dir" "$port" || ! serving "$dir" "$port"; then
    tail -n 20 "$dir/server.log" >&2
    die "the registry did not start, see $dir/server.log"
  fi
  say "Apicurio Registry $version serves on 127.0.0.1:$port (pid $(<"$dir/pid"), data in $dir)"
  url "$port"
}

command=${1:-help}
(($#)) && shift
case $command in
  fetch) fetch ;;
  start) parse_options "$@"; start ;;
  stop) parse_options "$@"; end_server "$(absolute_dir)" TERM 30 ;;
  kill) parse_options "$@"; end_server "$(absolute_dir)" KILL 10 ;;
  pid) parse_options "$@"; running_pid "$(absolute_dir)" ;;
  *) sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$0"; [[ $command == help ]] ;;
esac
