#!/usr/bin/env bash
# The emulator of Azure Blob Storage that tests call, from npm's registry. To be sourced after common.sh; or run on its own, which then is
# need_azurite. Installed into the test kit's own directory, never into the system.

if [ -z "${root:-}" ]; then
  # shellcheck source=hack/lib/common.sh
  . "$(dirname "${BASH_SOURCE[0]}")/common.sh"
fi

# The test kit's tools.rs looks here.
test_tools=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools

# Fixed, so that a test means the same tomorrow.
azurite_version=3.35.0

# need_azurite: the emulator of Azure Blob Storage.
need_azurite() {
  need_programs node=nodejs npm=npm
  local prefix=$test_tools/npm
  [ ! -e "$prefix/node_modules/azurite/dist/src/blob/main.js" ] || return 0
  say "installing azurite for the tests"
  mkdir -p "$prefix"
  npm install --prefix "$prefix" --no-audit --no-fund --ignore-scripts --loglevel=error "azurite@$azurite_version" >/dev/null ||
    fail "azurite could not be installed"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  need_azurite
fi
