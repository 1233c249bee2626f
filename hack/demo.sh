#!/usr/bin/env bash
# From a push to a message, on one machine: a Git server, the three controllers as three processes, a message sink, and a cluster.
#
#   hack/demo.sh         shows it step by step, and leaves everything running to look at
#   hack/demo.sh down    stops and removes all of it
#
# The cluster is a control plane started for the demo; or, if KUBECONFIG is set, the cluster that it names, provided that nobody uses
# the toolkit's API there. What is missing on this machine is installed.
set -euo pipefail
# shellcheck source=hack/lib/common.sh
. "$(dirname "$0")/lib/common.sh"
state=$root/.sluice/demo
bin=${CARGO_TARGET_DIR:-$root/target}/release
controllers=(source-controller kustomize-controller notification-controller)
ns=sluice-demo

main() {
  if [ -e "$state" ]; then
    headline "an earlier demo is stopped first"
    down
  fi
  mkdir -p "$state/storage"
  # Until everything has been shown, any way out takes everything along.
  trap 'down' EXIT
  trap 'exit 130' INT TERM

  headline "1/8 tools and programs"
  tools_and_programs
  headline "2/8 a cluster"
  cluster
  headline "3/8 a Git server with a repository, and a sink for messages"
  servers
  headline "4/8 the three controllers"
  start_controllers
  headline "5/8 GitRepository, Kustomization, Receiver, Provider, Alert"
  apply_objects
  headline "6/8 the first state of the repository is in the cluster"
  show_state
  headline "7/8 a push: the greeting changes, the farewell is removed"
  push_a_change
  headline "8/8 what the push did"
  show_change
  end_step

  trap - EXIT INT TERM
  how_to_look_further
}

tools_and_programs() {
  need_rust
  need_programs kubectl=kubernetes-client
  [ -n "${KUBECONFIG:-}" ] || begin_control_plane "$state/control-plane-build.log"
  say "building the controllers (a few minutes the first time)"
  local packages=(--package sluice-testkit) name
  for name in "${controllers[@]}"; do packages+=(--package "$name"); done
  (cd "$root" && cargo build --release --locked --bins "${packages[@]}")
  await_control_plane
}

cluster() {
  if [ -n "${KUBECONFIG:-}" ]; then
    say "using the cluster of KUBECONFIG: $(kubectl config current-context)"
    # These controllers would work on whatever objects are there.
    if kubectl get crd -o name | grep -q '\.toolkit\.fluxcd\.io$'; then
      fail "this cluster has the toolkit's API already; unset KUBECONFIG for a cluster of the demo's own"
    fi
    kubectl config view --raw --flatten --minify >"$state/kubeconfig"
    chmod 600 "$state/kubeconfig"
    touch "$state/borrowed"
  else
    start_process "$state" control-plane "$bin/control-plane" "$state"
    until_file 120 "$state" control-plane "$state/kubeconfig"
  fi
  export KUBECONFIG=$state/kubeconfig
  kubectl version 2>/dev/null | sed -n 's/^Server Version:/    server/p' >&2 || true
  local crd
  # Created, not applied: the annotation that a client-side apply leaves would double the size of each.
  for crd in "$root"/config/crd/*.yaml; do
    [ "$(basename "$crd")" = kustomization.yaml ] || create --validate=false -f "$crd"
  done
  kubectl wait --for=condition=Established --timeout=60s crd --all >/dev/null
  create namespace "$ns"
}

# create ARGUMENT...: creates something and notes that it is the demo's: on a borrowed cluster nothing else is ever deleted.
create() {
  local name
  name=$(kubectl create -o name "$@")
  printf '%s\n' "$name" >>"$state/created"
  say "    $name"
}

servers() {
  start_process "$state" demo-servers "$bin/demo-servers" "$state"
  until_file 30 "$state" demo-servers "$state/servers"
  # shellcheck disable=SC1091
  . "$state/servers" # git_url, git_path, sink_url
  : "${git_url:?}" "${git_path:?}" "${sink_url:?}"
  local copy=$state/fleet
  git clone --quiet "$git_url" "$copy" 2>/dev/null
  git -C "$copy" config user.name "Demo"
  git -C "$copy" config user.email "demo@example.com"
  git -C "$copy" config commit.gpgsign false
  git -C "$copy" checkout --quiet -B main
  mkdir -p "$copy/app"
  cat >"$copy/app/kustomization.yaml" <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: $ns
resources:
- greeting.yaml
- farewell.yaml
- service.yaml
EOF
  config_map greeting "Hello" >"$copy/app/greeting.yaml"
  config_map farewell "Goodbye" >"$copy/app/farewell.yaml"
  cat >"$copy/app/service.yaml" <<EOF
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector:
    app: web
  ports:
  - port: 80
    protocol: TCP
EOF
  git -C "$copy" add --all
  git -C "$copy" commit --quiet --message "A greeting, a farewell and a service"
  git -C "$copy" push --quiet origin main
  say "    repository $git_url, working copy $copy"
  say "    messages arrive at $sink_url and are kept in $state/messages"
}

config_map() {
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  text: %s\n' "$1" "$2"
}

start_controllers() {
  local storage events receiver name
  local -A health
  storage=$(free_port) events=$(free_port) receiver=$(free_port)
  for name in "${controllers[@]}"; do health[$name]=$(free_port); done
  export RUNTIME_NAMESPACE=$ns
  common() { printf '%s\n' "--health-addr=127.0.0.1:${health[$1]}" "--metrics-addr=127.0.0.1:$(free_port)"; }
  local args
  mapfile -t args < <(common notification-controller)
  start_process "$state" notification-controller "$bin/notification-controller" "${args[@]}" \
    "--events-addr=127.0.0.1:$events" "--receiverAddr=127.0.0.1:$receiver"
  mapfile -t args < <(common source-controller)
  start_process "$state" source-controller "$bin/source-controller" "${args[@]}" \
    "--events-addr=http://127.0.0.1:$events/" "--storage-path=$state/storage" \
    "--git-mirror-path=$state/mirrors" "--storage-addr=127.0.0.1:$storage" "--storage-adv-addr=127.0.0.1:$storage"
  mapfile -t args < <(common kustomize-controller)
  start_process "$state" kustomize-controller "$bin/kustomize-controller" "${args[@]}" \
    "--events-addr=http://127.0.0.1:$events/" "--artifact-cache-path=$state/artifacts"
  webhooks=http://127.0.0.1:$receiver
  for name in "${controllers[@]}"; do
    until_ready "$name" "http://127.0.0.1:${health[$name]}/readyz"
    say "    $name: process $(cut -d ' ' -f 1 "$state/$name.pid"), log $state/$name.log"
  done
}

# A loopback port that nobody listens on, and that this script has not given away yet. Called in subshells: the file remembers.
free_port() {
  local port
  while :; do
    port=$((RANDOM % 10000 + 20000))
    if ! grep -qsx "$port" "$state/ports" && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "$port" | tee -a "$state/ports"
      return
    fi
  done
}

until_ready() {
  local deadline=$((SECONDS + 60))
  until curl --fail --silent --max-time 2 --noproxy '*' --output /dev/null "$2"; do
    if ! is_running "$state" "$1" || [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 30 "$state/$1.log" >&2
      fail "$1 did not get ready; the end of $state/$1.log is above"
    fi
    sleep 0.1
  done
}

apply_objects() {
  kubectl create secret generic webhook-token --namespace "$ns" --from-literal=token="$(head -c 20 /dev/urandom | base64)" >&2
  cat >"$state/objects.yaml" <<EOF
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: fleet
  namespace: $ns
spec:
  interval: 10m
  url: $git_url
  ref:
    branch: main
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: app
  namespace: $ns
spec:
  interval: 10m
  path: ./app
  prune: true
  sourceRef:
    kind: GitRepository
    name: fleet
---
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata:
  name: push
  namespace: $ns
spec:
  type: generic
  secretRef:
    name: webhook-token
  resources:
  - kind: GitRepository
    name: fleet
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata:
  name: sink
  namespace: $ns
spec:
  type: generic
  address: $sink_url/messages
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata:
  name: everything
  namespace: $ns
spec:
  providerRef:
    name: sink
  eventSources:
  - kind: GitRepository
    name: '*'
  - kind: Kustomization
    name: '*'
EOF
  kubectl apply -f "$state/objects.yaml" >&2
}

# wait_ready KIND NAME: until it is ready; otherwise shows its conditions.
wait_ready() {
  local kind=$1 name=$2
  kubectl wait --namespace "$ns" --for=condition=Ready --timeout=90s "$kind/$name" >/dev/null || {
    kubectl get --namespace "$ns" "$kind/$name" -o yaml | sed -n '/^status:/,$p' >&2
    fail "$kind/$name did not get ready"
  }
}

# field KIND NAME JSONPATH: one field of an object of the demo.
field() { kubectl get --namespace "$ns" "$1/$2" -o "jsonpath={$3}" 2>/dev/null; }

show_state() {
  wait_ready gitrepository fleet
  say "    artifact $(field gitrepository fleet .status.artifact.revision)"
  say "             $(field gitrepository fleet .status.artifact.digest)"
  say "             $(field gitrepository fleet .status.artifact.url)"
  wait_ready kustomization app
  wait_ready receiver push
  show_objects
}

show_objects() {
  kubectl get configmaps,services --namespace "$ns" -l "kustomize.toolkit.fluxcd.io/name=app" \
    -o 'custom-columns=KIND:.kind,NAME:.metadata.name,TEXT:.data.text' | sed 's/^/    /' >&2
}

push_a_change() {
  local copy=$state/fleet url
  url=$webhooks$(field receiver push .status.webhookPath)
  # What a Git host does after a push: tell the receiver.
  cat >"$git_path/hooks/post-receive" <<EOF
#!/bin/sh
exec curl --fail --silent --show-error --max-time 10 --noproxy '*' --output /dev/null \\
  --header 'Content-Type: application/json' --data '{}' '$url'
EOF
  chmod +x "$git_path/hooks/post-receive"
  config_map greeting "Hello again" >"$copy/app/greeting.yaml"
  git -C "$copy" rm --quiet app/farewell.yaml
  sed -i '/farewell/d' "$copy/app/kustomization.yaml"
  git -C "$copy" commit --quiet --all --message "Greet again, and do not leave"
  revision=main@sha1:$(git -C "$copy" rev-parse HEAD)
  pushed=$(date +%s%N)
  git -C "$copy" push --quiet origin main
  say "    pushed $revision; the server's hook has called the receiver"
}

since_push() { printf '%d ms after the push: ' $((($(date +%s%N) - pushed) / 1000000)); }

is_field() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }

show_change() {
  until_true 60 "the new artifact" is_field gitrepository fleet .status.artifact.revision "$revision"
  say "    $(since_push)the artifact is $revision"
  until_true 60 "the new revision in the cluster" is_field kustomization app .status.lastAppliedRevision "$revision"
  say "    $(since_push)it is applied"
  is_field configmap greeting .data.text "Hello again" || fail "the greeting in the cluster is not the new one"
  ! kubectl get configmap farewell --namespace "$ns" >/dev/null 2>&1 || fail "the farewell was not pruned"
  show_objects
  say "    the farewell is gone: it is no longer in the repository"
  until_true 60 "the message" has_message
  say "    $(since_push)the sink has the message:"
  grep -F "$revision" "$state/messages" | grep -F '"kind":"Kustomization"' | grep -oE '"message":"([^"\\]|\\.)*"' | tail -n 1 |
    sed 's/\\n/\n/g; s/^"message":"//; s/"$//' | sed 's/^/        /' >&2
}

has_message() { grep -F "$revision" "$state/messages" | grep -qF '"kind":"Kustomization"'; }

how_to_look_further() {
  cat >&2 <<EOF

Everything keeps running. To look further:

    export KUBECONFIG=$state/kubeconfig
    kubectl get gitrepositories,kustomizations,receivers,alerts,providers --namespace $ns
    kubectl get events --namespace $ns
    kubectl delete configmap greeting --namespace $ns     # and see it come back
    tail -f $state/messages $state/*-controller.log
    cd $state/fleet    # change, commit and push

To stop: hack/demo.sh down
EOF
}

down() {
  # Whatever goes wrong here, the rest is still to be stopped.
  set +e
  cancel_control_plane
  if [ -e "$state/borrowed" ]; then
    # The controllers still run, so that they can prune and let go of their objects.
    say "removing the demo from the cluster"
    export KUBECONFIG=$state/kubeconfig
    # Only the demo's namespace has objects of the demo; it exists if, and only if, the demo created it.
    [ ! -e "$state/objects.yaml" ] || kubectl delete --ignore-not-found --timeout=60s -f "$state/objects.yaml"
    [ ! -e "$state/created" ] || tac "$state/created" | xargs -r kubectl delete --ignore-not-found --timeout=60s
  fi >&2
  local name
  for name in "${controllers[@]}" demo-servers control-plane; do stop_process "$state" "$name"; done
  rm -rf "$state"
  say "the demo has stopped and left nothing"
}

case ${1:-} in
  "") main ;;
  down)
    if [ -e "$state" ]; then down; else say "no demo is running"; fi
    ;;
  *) fail "usage: hack/demo.sh [down]" ;;
esac
