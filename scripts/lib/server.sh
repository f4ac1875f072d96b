# What scripts/kafka.sh and scripts/registry.sh share: a local server lives in one
# directory, with its pid, its port and its log in it. Sourced, not run.
#
# The script that sources it sets name, version and home (where the download is kept), and defines
#   download DIR     puts the server into DIR
#   launch_server    starts it with "launch", for $port and out of $dir
#   answers          whether it serves
#   address          prints where

cache=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "$*"; exit 1; }

need() {
  command -v "$1" >/dev/null || die "$1 is missing; run scripts/install.sh test"
}

port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the ephemeral range, so that an outgoing connection cannot take it meanwhile.
free_port() {
  local port attempt
  for attempt in {1..200}; do
    port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
    port_is_open "$port" || { echo "$port"; return; }
  done
  die "no free port after $attempt attempts"
}

# The pid in DIR/pid, if that process is alive and is the one we started there.
running_pid() {
  local dir=$1 pid
  [[ -f $dir/pid ]] || return 1
  pid=$(<"$dir/pid")
  [[ -n $pid && -r /proc/$pid/cmdline ]] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "-Dsaga.tracker.dir=$dir" || return 1
  echo "$pid"
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

is_gone() { ! running_pid "$1" >/dev/null; }

# end_server DIR SIGNAL SECONDS: by pid, and waits until it is gone.
end_server() {
  local dir=$1 signal=$2 seconds=$3 pid
  if ! pid=$(running_pid "$dir"); then
    say "not running in $dir"
    rm -f "$dir/pid"
    return 0
  fi
  say "sending SIG$signal to $pid"
  kill "-$signal" "$pid" 2>/dev/null || true
  # A stopped process only acts on the signal once it is continued.
  kill -CONT "$pid" 2>/dev/null || true
  if ! wait_for "$seconds" is_gone "$dir"; then
    say "still alive after $seconds s, killing $pid"
    kill -KILL "$pid" 2>/dev/null || true
    wait_for 10 is_gone "$dir" || die "$pid does not go away"
  fi
  rm -f "$dir/pid"
}

# Reads --name value pairs into variables named opt_name.
parse_options() {
  while (($#)); do
    [[ $1 == --* && $# -ge 2 ]] || die "expected --option VALUE, found '$1'"
    local name=${1#--}
    printf -v "opt_${name//-/_}" '%s' "$2"
    shift 2
  done
}

absolute_dir() {
  [[ -n ${opt_dir:-} ]] || die "--dir DIR is required"
  mkdir -p "$opt_dir"
  (cd "$opt_dir" && pwd)
}

# Downloads the server, once.
fetch() {
  local work=$home.partial lock
  if [[ -f $home/.complete ]]; then
    say "$name $version is in $home"
    return
  fi
  need mvn
  lock=$(dirname "$home")/.lock
  mkdir -p "$(dirname "$home")"
  exec 9>"$lock"
  flock 9
  [[ ! -f $home/.complete ]] || return 0
  say "downloading $name $version with Maven into $home"
  rm -rf "$work" "$home"
  mkdir -p "$work"
  download "$work"
  touch "$work/.complete"
  mv "$work" "$home"
}

maven() { mvn --batch-mode --quiet -Dstyle.color=never "$@" >&2; }

# choose_port NAME ASKED: sets $chosen to the port asked for, or that of an earlier start, or a free one.
choose_port() {
  chosen=${2:-0}
  ((chosen)) || chosen=$(cat "$dir/$1" 2>/dev/null || free_port)
  echo "$chosen" >"$dir/$1"
}

# launch COMMAND...: in the background, with log and pid in $dir.
launch() {
  # Emptied here, not by the background shell: the last start's log must not be read.
  : >"$dir/server.log"
  setsid "$@" </dev/null >>"$dir/server.log" 2>&1 9>&- &
  echo $! >"$dir/pid"
}

# Not running_pid: right after the fork the command line is still the shell's.
is_launched() { kill -0 "$(<"$dir/pid")" 2>/dev/null; }

serves() { is_launched && answers; }

# Either it serves, or it is dead and waiting is pointless.
is_settled() { ! is_launched || answers; }

# start_server SECONDS: unless it runs; returns when it serves, which may take so long.
start_server() {
  local pid
  if pid=$(running_pid "$dir"); then
    say "already running in $dir (pid $pid)"
    port=$(<"$dir/port")
    address
    return
  fi
  need java
  fetch
  choose_port port "${opt_port:-0}"
  port=$chosen
  launch_server
  if ! wait_for "$1" is_settled || ! serves; then
    tail -n 20 "$dir/server.log" >&2
    die "$name did not start, see $dir/server.log"
  fi
  say "$name $version serves on 127.0.0.1:$port (pid $(<"$dir/pid"), data in $dir)"
  address
}

# run_server SECONDS COMMAND [OPTIONS]: start (which may take so long), stop, kill or pid.
run_server() {
  local seconds=$1 command=$2
  shift 2
  parse_options "$@"
  dir=$(absolute_dir)
  case $command in
    start) start_server "$seconds" ;;
    stop) end_server "$dir" TERM 30 ;;
    kill) end_server "$dir" KILL 10 ;;
    pid) running_pid "$dir" ;;
  esac
}

# Prints the comment at the top of the script; fails unless that was asked for.
usage() {
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$0"
  [[ ${1:-help} == help ]]
}
