#!/usr/bin/env bash
# Every check and test: formatting, lints, docs, generated files, dependency audit, unit tests, tests on a real API server, end to end.
# Stops at the first step that fails. The last lines are the test runner's summary.
#
#   hack/test.sh            takes some minutes with caches, well under an hour on two cores without any
set -euo pipefail
# shellcheck source=hack/lib/common.sh
. "$(dirname "$0")/lib/common.sh"
# shellcheck source=hack/lib/tools.sh
. "$(dirname "$0")/lib/tools.sh"
# shellcheck source=hack/lib/npm-tools.sh
. "$(dirname "$0")/lib/npm-tools.sh"
# shellcheck source=hack/lib/pypi-tools.sh
. "$(dirname "$0")/lib/pypi-tools.sh"
cd "$root"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
log=$(mktemp)

cleanup() {
  cancel_control_plane
  rm -f "$log"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

headline "tools"
need_rust
# An implementation of HMAC and a reader of archives that are not ours.
need_programs openssl=openssl tar=tar
# Real servers and signers: SSH, a registry, two object stores, cosign, notation.
need_test_tools
need_azurite
need_s3_server
rustup component add clippy rustfmt >/dev/null 2>&1 || true
begin_control_plane "$log"
if ! cargo nextest --version >/dev/null 2>&1; then
  say "installing the test runner, once"
  cargo install --locked --quiet cargo-nextest
fi

headline "formatting"
cargo fmt --all -- --check

headline "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

headline "docs"
RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked

headline "generated files, architecture, dependencies, tidiness"
cargo xtask crds --check
cargo xtask arch
cargo xtask tidy

# Where the facts about the API that we are compatible with lie beside the checkout, the definitions must be exactly those.
facts=${SLUICE_REFERENCE:-$root/../shared/reference}/crd
if [ -d "$facts" ]; then
  headline "custom resource definitions against the contract"
  python=
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import yaml' 2>/dev/null; then python=$candidate && break; fi
  done
  if [ -z "$python" ]; then
    need_programs python3-with-yaml=python3-yaml
    python=/usr/bin/python3
  fi
  for expected in "$facts"/*.txt; do
    name=$(basename "$expected" .txt)
    "$python" "$facts/flatten.py" "config/crd/$name.yaml" | diff -u "$expected" - || fail "config/crd/$name.yaml differs from the contract"
  done
fi

# All targets in one go: the three programs that the end-to-end tests start, and the tests, with the same features.
headline "build"
cargo build --workspace --all-targets --locked

await_control_plane

headline "tests"
# No test runner in between changes what its last lines are.
cargo nextest run --workspace --locked --no-fail-fast
