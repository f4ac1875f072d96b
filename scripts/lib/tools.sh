# Cargo's subcommands of fixed versions, kept in the cache directory; to be sourced.

tools=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}/tools
export PATH="$tools/bin:$PATH"

# needs_tool cargo-fuzz 0.13.2
needs_tool() {
  command -v "$1" >/dev/null && return
  echo "$1: installing it into $tools"
  CARGO_TARGET_DIR=$tools/target cargo install --quiet --locked --root "$tools" "$1@$2"
  rm -rf "$tools/target"
}
