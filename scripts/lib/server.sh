# What scripts/kafka.sh and scripts/registry.sh share: a local server lives in one
# directory, with its pid, its port and its log in it. Sourced, not run.

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
