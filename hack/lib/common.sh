# shellcheck shell=bash
# What the scripts in hack/ share: messages, waiting, packages, and processes that run on after the script. To be sourced.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# say TEXT...: a line for who watches.
say() { printf '%s\n' "$*" >&2; }

# fail TEXT...: the last line, and the end.
fail() {
  say "error: $*"
  exit 1
}

# headline TEXT...: the start of a step; ends the one before it with its duration.
headline() {
  end_step
  step=$* step_started=$SECONDS
  printf '\n\033[1m==> %s\033[0m\n' "$step" >&2
}

# end_step: says how long the current step took.
end_step() {
  [ -z "${step:-}" ] || say "    ($((SECONDS - step_started)) s)"
  step=
}

# until_true SECONDS TEXT COMMAND...: runs the command until it succeeds; fails, saying what did not happen, after the time.
until_true() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain for $what"
    sleep 0.1
  done
}

# need_programs PROGRAM=PACKAGE...: installs the Debian packages of the programs that are not there.
need_programs() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
  say "installing ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "please install, as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "could not install: ${missing[*]}"
}

# need_rust: cargo, and what the C parts of two libraries need.
need_rust() {
  need_programs git=git curl=curl cc=gcc ld=binutils
  [ -e /usr/include/stdio.h ] || need_programs /usr/include/stdio.h=libc6-dev
  [ -e /etc/ssl/certs/ca-certificates.crt ] || need_programs update-ca-certificates=ca-certificates
  [ -n "$(command -v cargo)" ] || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  if ! command -v cargo >/dev/null; then
    # Distributions' own compilers are often too old; their rustup, where they have it, brings the current one.
    need_programs rustup=rustup
    rustup toolchain install stable --profile default || fail "Rust could not be installed: please install it with rustup"
  fi
}

# have_control_plane: whether one is there already, as the test kit will look for it.
have_control_plane() {
  local dir=${KUBEBUILDER_ASSETS:-}
  if [ -n "$dir" ]; then
    [ -x "$dir/etcd" ] && [ -x "$dir/kube-apiserver" ] && [ -x "$dir/kube-controller-manager" ]
    return
  fi
  command -v etcd >/dev/null && command -v kube-apiserver >/dev/null && command -v kube-controller-manager >/dev/null && return
  dir=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/control-plane
  [ -x "$dir/etcd" ] && [ -x "$dir/kube-apiserver" ] && [ -x "$dir/kube-controller-manager" ]
}

# need_control_plane: builds it, once, where there is none.
need_control_plane() {
  have_control_plane || { check_assets && "$root/hack/build-control-plane.sh"; }
}

# check_assets: a version that was asked for is not silently replaced by another one.
check_assets() {
  [ -z "${KUBEBUILDER_ASSETS:-}" ] ||
    fail "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which lacks etcd, kube-apiserver or kube-controller-manager"
}

# begin_control_plane LOG: like need_control_plane, but builds while the script goes on, up to await_control_plane.
begin_control_plane() {
  builder='' builder_log=$1
  have_control_plane && return
  check_assets
  say "building the control plane meanwhile, once: $builder_log"
  "$root/hack/build-control-plane.sh" >"$builder_log" 2>&1 &
  builder=$!
}

# await_control_plane: waits for the build, if there is one, showing what it says.
await_control_plane() {
  [ -n "${builder:-}" ] || return 0
  say "waiting for the control plane's build"
  local shower built=0
  tail -n +1 -f --pid="$builder" "$builder_log" >&2 &
  shower=$!
  wait "$builder" || built=$?
  builder=
  wait "$shower" || true
  [ "$built" = 0 ] || fail "the control plane could not be built"
}

# cancel_control_plane: stops a build that nobody waits for any more. Its own trap stops the compiler and removes its files.
cancel_control_plane() {
  [ -n "${builder:-}" ] || return 0
  kill -TERM "$builder" 2>/dev/null || true
  wait "$builder" 2>/dev/null || true
  builder=
}

# started_at PID: when a process that is not just waiting to be collected started; with its id, this names it for good.
started_at() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # After the name, which is in parentheses and may hold anything: the state is the first field, the start the twentieth.
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" != Z ] && printf '%s' "${fields[19]}"
}

# start_process DIR NAME PROGRAM ARGUMENT...: runs on after this script; DIR/NAME.pid and DIR/NAME.log belong to it.
start_process() {
  local dir=$1 name=$2
  shift 2
  # A session of its own: Ctrl-C on the terminal is for the script, which then stops what it started in order.
  setsid "$@" </dev/null >"$dir/$name.log" 2>&1 &
  printf '%s %s\n' "$!" "$(started_at $!)" >"$dir/$name.pid"
  disown
}

# is_running DIR NAME: whether the process that start_process started still runs, and its id is not somebody else's by now.
is_running() {
  local pid start
  { read -r pid start <"$1/$2.pid"; } 2>/dev/null && [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ]
}

# stop_process DIR NAME: asks, waits, insists. Only ever the process that start_process started.
stop_process() {
  local dir=$1 name=$2 pid deadline=$((SECONDS + 10))
  if is_running "$dir" "$name"; then
    read -r pid _ <"$dir/$name.pid"
    kill -TERM "$pid" 2>/dev/null || true
    while is_running "$dir" "$name" && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
    if is_running "$dir" "$name"; then kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$dir/$name.pid"
}

# until_file SECONDS DIR NAME FILE: waits for what a process publishes; if the process ends instead, shows its log.
until_file() {
  local deadline=$((SECONDS + $1)) dir=$2 name=$3 file=$4
  until [ -e "$file" ]; do
    if ! is_running "$dir" "$name" || [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 30 "$dir/$name.log" >&2
      fail "$name did not get ready; the end of $dir/$name.log is above"
    fi
    sleep 0.1
  done
}
