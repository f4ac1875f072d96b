#!/usr/bin/env bash
# Installs what the project needs on a Debian machine, and only what is missing.
#
#   scripts/install.sh [build] [test] [bench] [s3] [clouds] [monitoring] [page] [venv]     (default: all but bench)
#
# build   compilers and headers for RocksDB, librdkafka and OpenSSL
# test    a JVM and Maven (Kafka, schema registry), venv support, Prometheus
# bench   PostgreSQL, to compare with
# s3      MinIO, an S3 server for the tests, built from its Go module into the cache directory
# clouds  Azurite, a server that speaks Azure Blob Storage, from npm, and fake-gcs-server, one for Google
#         Cloud Storage, built from its Go module; for the tests, into the cache directory
# monitoring   amtool, of Alertmanager; go-jsonnet, from its Go module; Grafana's types and a compiler for them, from
#         npm; for the tests of deploy/monitoring, into the cache directory
# page    Chromium and Node.js, for the page's tests, axe, which looks for what keeps people from using it, and
#         TypeScript and ESLint, which check the types and the code of its modules
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
    monitoring) echo nodejs npm prometheus-alertmanager ;;
    page) echo chromium nodejs npm ;;
    *) say "unknown group '$1'; groups are: build test bench s3 clouds monitoring page venv"; exit 2 ;;
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
jsonnet_version=v0.21.0
grafana_schema_version=13.2.3
axe_version=4.14.0
typescript_version=5.9.3
# The last line of ESLint that runs on Node.js 18, which Debian 12 has.
eslint_version=9.39.5
globals_version=17.13.0
# What packages from npm depend on is taken as it was on this day: their own ranges are open.
npm_day=2026-11-01

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

# Packages from npm, in a directory of their own: what people call it, the directory, the packages with versions.
make_npm_packages() {
  local title=$1 home=$2 work=$2.partial
  shift 2
  if [[ -f $home/.complete ]]; then
    say "$title: up to date in $home"
    return
  fi
  mkdir -p "$(dirname "$home")"
  exec 8>"$home.lock"
  flock 8
  [[ ! -f $home/.complete ]] || return 0
  say "downloading $title with npm into $home"
  rm -rf "$work" "$home"
  mkdir -p "$work"
  echo '{"private": true}' >"$work/package.json"
  npm install --prefix "$work" --silent --no-audit --no-fund --no-update-notifier --omit=dev \
    --ignore-scripts --before="$npm_day" "$@" >&2
  touch "$work/.complete"
  mv "$work" "$home"
}

make_azurite() {
  local home=$cache/azurite/$azurite_version bin=$cache/tools/bin
  make_npm_packages "Azurite $azurite_version" "$home" "azurite@$azurite_version"
  mkdir -p "$bin"
  ln -sfn "$home/node_modules/.bin/azurite-blob" "$bin/azurite-blob"
}

# Test dependencies alone: nothing of them is served.
make_page_tools() {
  make_npm_packages "axe $axe_version" "$cache/axe-$axe_version" "axe-core@$axe_version"
  ln -sfn "axe-$axe_version" "$cache/axe"
  make_npm_packages "TypeScript $typescript_version" "$cache/typescript-$typescript_version" \
    "typescript@$typescript_version"
  ln -sfn "typescript-$typescript_version" "$cache/typescript"
  local versions=$eslint_version-$globals_version
  make_npm_packages "ESLint $eslint_version" "$cache/eslint-$versions" \
    "eslint@$eslint_version" "@eslint/js@$eslint_version" "globals@$globals_version"
  ln -sfn "eslint-$versions" "$cache/eslint"
}

make_grafana_types() {
  local versions=$grafana_schema_version-$typescript_version
  make_npm_packages "Grafana's types $grafana_schema_version" "$cache/grafana-schema-$versions" \
    "@grafana/schema@$grafana_schema_version" "typescript@$typescript_version"
  ln -sfn "grafana-schema-$versions" "$cache/grafana-schema"
}

(($#)) || set -- build test s3 clouds monitoring page venv
packages=() venv=no s3=no clouds=no monitoring=no page=no
for group in "$@"; do
  if [[ $group == venv ]]; then
    venv=yes
  elif [[ $group == s3 ]]; then
    s3=yes
  else
    [[ $group != clouds ]] || clouds=yes
    [[ $group != monitoring ]] || monitoring=yes
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
if [[ $monitoring == yes ]]; then
  make_go_program go-jsonnet github.com/google/go-jsonnet/cmd/jsonnet "$jsonnet_version"
  make_grafana_types
fi
if [[ $page == yes ]]; then
  make_page_tools
fi
say "done"
