#!/usr/bin/env bash
# A Kubernetes control plane on this machine, for people: etcd, kube-apiserver with RBAC, kube-controller-manager; no nodes.
#
#   hack/control-plane.sh up           starts it (the first time it may have to be built) and prints how to use it
#   hack/control-plane.sh kubeconfig   prints the path of its kubeconfig
#   hack/control-plane.sh down         stops it and removes its data
set -euo pipefail
# shellcheck source=hack/lib/common.sh
. "$(dirname "$0")/lib/common.sh"
state=$root/.sluice/control-plane

up() {
  if is_running "$state" control-plane; then
    say "already running: export KUBECONFIG=$state/kubeconfig"
    return
  fi
  need_rust
  need_control_plane
  say "building the starter"
  (cd "$root" && cargo build --quiet --package sluice-testkit --bin control-plane)
  rm -rf "$state"
  mkdir -p "$state"
  trap 'down' EXIT
  trap 'exit 130' INT TERM
  start_process "$state" control-plane "${CARGO_TARGET_DIR:-$root/target}/debug/control-plane" "$state"
  until_file 120 "$state" control-plane "$state/kubeconfig"
  trap - EXIT INT TERM
  say "ready: export KUBECONFIG=$state/kubeconfig"
}

down() {
  stop_process "$state" control-plane
  rm -rf "$state"
}

case ${1:-} in
  up) up ;;
  down) down ;;
  kubeconfig)
    is_running "$state" control-plane || fail "not running: hack/control-plane.sh up"
    printf '%s\n' "$state/kubeconfig"
    ;;
  *) fail "usage: hack/control-plane.sh up|down|kubeconfig" ;;
esac
