#!/usr/bin/env bash
# Installs what the project needs on a Debian machine, and only what is missing.
#
#   scripts/install.sh [build] [test] [bench] [s3] [venv]     (default: build test s3 venv)
#
# build   compilers and headers for RocksDB, librdkafka and OpenSSL
# test    a JVM and Maven (Kafka, schema registry), venv support, Prometheus
# bench   PostgreSQL, to compare with
# s3      MinIO, an S3 server for the tests, built from its Go module into the cache directory
# venv    the Python environment of tests/e2e, in the cache directory
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}
say() { printf 'install: %s\n' "$*" >&2; }

packages_of() {
  case $1 in
    build) echo ccache clang libclang-dev cmake pkg-config libssl-dev zlib1g-dev libcurl4-openssl-dev make g++ ;;
    test) echo default-jre-headless maven python3-venv curl unzip prometheus ;;
    bench) echo postgresql ;;
    *) say "unknown group '$1'; groups are: build test bench s3 venv"; exit 2 ;;
  esac
}

installed() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# Something else may already provide what the package is wanted for.
satisfied() {
  installed "$1" && return 0
  case $1 in
    default-jre-headless) command -v java >/dev/null && java_major_at_least 17 ;;
    maven) command -v mvn >/dev/null ;;
    python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    prometheus) command -v prometheus >/dev/null && command -v promtool >/dev/null ;;
    ccache | clang | cmake | pkg-config | make | g++ | curl | unzip) command -v "$1" >/dev/null ;;
    *) return 1 ;;
  esac
}

java_major_at_least() {
  local major
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [[ -n $major && $major -ge $1 ]]
}

install_packages() {
  local missing=() package
  for package in "$@"; do
    satisfied "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "Debian packages: nothing missing"
    return
  fi
  if ! command -v apt-get >/dev/null; then
    say "not a Debian machine; please install the equivalents of: ${missing[*]}"
    return 1
  fi
  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || { say "need root or sudo to install: ${missing[*]}"; return 1; }
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  # No recommends: Prometheus would bring exporters that start services.
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0)
  "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2 || {
    say "first attempt failed; refreshing the package lists"
    "${apt[@]}" update >&2
    "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2
  }
}

make_venv() {
  local venv=$cache/venv requirements=$root/tests/e2e/requirements.txt stamp wanted
  stamp=$venv/.requirements.sha256
  wanted=$(sha256sum <"$requirements")
  if [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    say "Python environment: up to date in $venv"
    return
  fi
  say "creating the Python environment in $venv"
  mkdir -p "$cache"
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
  printf '%s\n' "$wanted" >"$stamp"
}

go_is_new_enough() {
  local version
  version=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  # From 1.21 on, Go fetches the toolchain that a module asks for by itself.
  [[ -n $version && $version -ge 21 ]]
}

# A Go that can build MinIO: one that is there, or Debian's. Debian's may be too old to fetch a newer
# one by itself; then it downloads one as the module that Go toolchains are.
find_go() {
  local go toolchain=golang.org/toolchain@v0.0.1-go1.24.8.linux-$(dpkg --print-architecture)
  for go in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go/bin/go; do
    [[ -x $go ]] && go_is_new_enough "$go" && { echo "$go"; return; }
  done
  command -v go >/dev/null || install_packages golang-go ca-certificates
  go=$(command -v go)
  if ! go_is_new_enough "$go"; then
    say "$("$go" version) is too old; fetching a newer Go"
    local directory
    directory=$(cd / && GO111MODULE=on "$go" mod download -json "$toolchain" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    chmod -R u+w "$directory"
    chmod +x "$directory"/bin/* "$directory"/pkg/tool/*/*
    go=$directory/bin/go
  fi
  echo "$go"
}

minio_version=v0.0.0-20260212201848-7aac2a2c5b7c

make_minio() {
  local bin=$cache/tools/bin go
  if [[ -x $bin/minio && $(cat "$bin/.minio.version" 2>/dev/null) == "$minio_version" ]]; then
    say "MinIO: up to date in $bin"
    return
  fi
  mkdir -p "$bin"
  exec 8>"$bin/.minio.lock"
  flock 8
  [[ $(cat "$bin/.minio.version" 2>/dev/null) != "$minio_version" ]] || return 0
  go=$(find_go)
  say "building MinIO $minio_version with $("$go" env GOVERSION) into $bin; takes a few minutes, once"
  (cd / && GOBIN=$bin GOTOOLCHAIN=auto CGO_ENABLED=0 GOFLAGS=-modcacherw nice "$go" install -trimpath \
    -ldflags '-s -w' "github.com/minio/minio@$minio_version" 2>&1 | grep -v '^go: downloading' >&2 || true)
  [[ -x $bin/minio ]] || { say "MinIO was not built"; return 1; }
  printf '%s\n' "$minio_version" >"$bin/.minio.version"
}

(($#)) || set -- build test s3 venv
packages=() venv=no s3=no
for group in "$@"; do
  if [[ $group == venv ]]; then
    venv=yes
  elif [[ $group == s3 ]]; then
    s3=yes
  else
    list=$(packages_of "$group")
    read -ra more <<<"$list"
    packages+=("${more[@]}")
  fi
done
((${#packages[@]} == 0)) || install_packages "${packages[@]}"
[[ $venv == no ]] || make_venv
[[ $s3 == no ]] || make_minio
say "done"
