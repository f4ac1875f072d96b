#!/usr/bin/env bash
# Installs what the project needs on a Debian machine, and only what is missing.
#
#   scripts/install.sh [build] [test] [bench] [s3] [clouds] [page] [venv]     (default: build test s3 clouds page venv)
#
# build   compilers and headers for RocksDB, librdkafka and OpenSSL
# test    a JVM and Maven (Kafka, schema registry), venv support, Prometheus
# bench   PostgreSQL, to compare with
# s3      MinIO, an S3 server for the tests, built from its Go module into the cache directory
# clouds  Azurite, a server that speaks Azure Blob Storage, from npm, and fake-gcs-server, one for Google
#         Cloud Storage, built from its Go module; for the tests, into the cache directory
# page    Chromium and Node.js, for the page's tests, axe, which looks for what keeps people from using it, and
#         TypeScript, which checks the types of its modules
# venv    the Python environment of tests/e2e, in the cache directory
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}
say() { printf 'install: %s\n' "$*" >&2; }

packages_of() {
  case $1 in
    build) echo ccache clang libclang-dev cmake pkg-config libssl-dev zlib1g-dev libcurl4-openssl-dev make g++ ;;
    test) echo default-jre-headless maven python3-venv curl unzip prometheus prometheus-alertmanager ;;
    bench) echo postgresql ;;
    clouds) echo nodejs npm ;;
    page) echo chromium nodejs npm ;;
    *) say "unknown group '$1'; groups are: build test bench s3 clouds page venv"; exit 2 ;;
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
    prometheus-alertmanager) command -v amtool >/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    ccache | chromium | npm | clang | cmake | pkg-config | make | g++ | curl | unzip) command -v "$1" >/dev/null ;;
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

# A Go that can build what the tests need: one that is there, or Debian's. Debian's may be too old to fetch a newer
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
fake_gcs_version=v1.56.1
azurite_version=3.35.0
# What Azurite depends on is taken as it was on this day: its own ranges are open.
azurite_day=2026-11-01

# A Go program, from its module: what people call it, the package, the version.
make_go_program() {
  local title=$1 package=$2 version=$3 bin=$cache/tools/bin name go
  name=${package##*/}
  if [[ -x $bin/$name && $(cat "$bin/.$name.version" 2>/dev/null) == "$version" ]]; then
    say "$title: up to date in $bin"
    return
  fi
  mkdir -p "$bin"
  exec 8>"$bin/.$name.lock"
  flock 8
  [[ $(cat "$bin/.$name.version" 2>/dev/null) != "$version" ]] || return 0
  go=$(find_go)
  say "building $title $version with $("$go" env GOVERSION) into $bin; takes a few minutes, once"
  (cd / && GOBIN=$bin GOTOOLCHAIN=auto CGO_ENABLED=0 GOFLAGS=-modcacherw nice "$go" install -trimpath \
    -ldflags '-s -w' "$package@$version" 2>&1 | grep -v '^go: downloading' >&2 || true)
  [[ -x $bin/$name ]] || { say "$title was not built"; return 1; }
  printf '%s\n' "$version" >"$bin/.$name.version"
}

make_azurite() {
  local home=$cache/azurite/$azurite_version bin=$cache/tools/bin
  if [[ -f $home/.complete && -x $bin/azurite-blob ]]; then
    say "Azurite: up to date in $home"
    return
  fi
  mkdir -p "$cache/azurite" "$bin"
  exec 8>"$cache/azurite/.lock"
  flock 8
  if [[ ! -f $home/.complete ]]; then
    say "downloading Azurite $azurite_version with npm into $home"
    local work=$home.partial
    rm -rf "$work" "$home"
    mkdir -p "$work"
    echo '{"private": true}' >"$work/package.json"
    npm install --prefix "$work" --silent --no-audit --no-fund --no-update-notifier --omit=dev \
      --ignore-scripts --before="$azurite_day" "azurite@$azurite_version" >&2
    touch "$work/.complete"
    mv "$work" "$home"
  fi
  ln -sfn "$home/node_modules/.bin/azurite-blob" "$bin/azurite-blob"
}

axe_version=4.14.1

# A test dependency alone: nothing of it is served.
make_axe() {
  local home=$cache/axe
  if [[ -f $home/axe.min.js && $(cat "$home/.version" 2>/dev/null) == "$axe_version" ]]; then
    say "axe: up to date in $home"
    return
  fi
  mkdir -p "$home"
  exec 8>"$home/.lock"
  flock 8
  say "downloading axe $axe_version with npm into $home"
  local work=$home/partial
  rm -rf "$work"
  mkdir -p "$work"
  echo '{"private": true}' >"$work/package.json"
  npm install --prefix "$work" --silent --no-audit --no-fund --no-update-notifier --omit=dev --ignore-scripts \
    "axe-core@$axe_version" >&2
  mv "$work/node_modules/axe-core/axe.min.js" "$home/axe.min.js"
  rm -rf "$work"
  printf '%s\n' "$axe_version" >"$home/.version"
}

typescript_version=5.9.3

# It looks at the types in the comments of the page's modules; nothing is compiled.
make_typescript() {
  local home=$cache/typescript/$typescript_version
  if [[ -f $home/.complete ]]; then
    say "TypeScript: up to date in $home"
    return
  fi
  mkdir -p "$cache/typescript"
  exec 8>"$cache/typescript/.lock"
  flock 8
  [[ ! -f $home/.complete ]] || return 0
  say "downloading TypeScript $typescript_version with npm into $home"
  local work=$home.partial
  rm -rf "$work" "$home"
  mkdir -p "$work"
  echo '{"private": true}' >"$work/package.json"
  npm install --prefix "$work" --silent --no-audit --no-fund --no-update-notifier --omit=dev --ignore-scripts \
    "typescript@$typescript_version" >&2
  touch "$work/.complete"
  mv "$work" "$home"
  ln -sfn "$typescript_version" "$cache/typescript/current"
}

(($#)) || set -- build test s3 clouds page venv
packages=() venv=no s3=no clouds=no page=no
for group in "$@"; do
  if [[ $group == venv ]]; then
    venv=yes
  elif [[ $group == s3 ]]; then
    s3=yes
  else
    [[ $group != clouds ]] || clouds=yes
    [[ $group != page ]] || page=yes
    list=$(packages_of "$group")
    read -ra more <<<"$list"
    packages+=("${more[@]}")
  fi
done
((${#packages[@]} == 0)) || install_packages "${packages[@]}"
[[ $venv == no ]] || make_venv
[[ $s3 == no ]] || make_go_program MinIO github.com/minio/minio "$minio_version"
if [[ $clouds == yes ]]; then
  make_azurite
  make_go_program fake-gcs-server github.com/fsouza/fake-gcs-server "$fake_gcs_version"
fi
if [[ $page == yes ]]; then
  make_axe
  make_typescript
fi
say "done"
