#!/usr/bin/env bash
# The programs of others that tests call: servers, and makers of signatures that are not ours. To be sourced after common.sh; or run on its
# own, which then is need_test_tools. What the machine's own suite has and what needs the system comes by apt; a single program is taken
# out of its Debian package, of a later suite where the machine's has none, into a directory of its own, where the test kit looks.
#
# Only Debian's archive, only through the mirror that the machine uses already, only signed; the machine's apt settings stay untouched.

if [ -z "${root:-}" ]; then
  # shellcheck source=hack/lib/common.sh
  . "$(dirname "${BASH_SOURCE[0]}")/common.sh"
fi

# The test kit's tools.rs looks here.
test_tools=${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools

# Program and suite; the package has the program's name. trixie has no notation; a suite is otherwise the oldest that has it, because
# what is built there runs on every later machine. No server is installed: its package would start one on the machine.
unpacked_tools=(docker-registry=trixie cosign=trixie oras=trixie notation=sid nats-server=bookworm prometheus-alertmanager=bookworm)

# need_test_tools: everything that tests call and that is not there yet. Quick and quiet when all is there.
need_test_tools() {
  # Servers live where only root's PATH looks.
  PATH=$PATH:/usr/sbin need_programs sshd=openssh-server ssh-keygen=openssh-client gpg=gnupg
  local pair missing=()
  for pair in "${unpacked_tools[@]}"; do
    have_unpacked_tool "${pair%%=*}" || missing+=("$pair")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  (unpack_tools "${missing[@]}")
}

# have_unpacked_tool PROGRAM: whether it is installed, or was unpacked before.
have_unpacked_tool() {
  command -v "$1" >/dev/null || [ -x "$test_tools/root/usr/bin/$1" ]
}

# unpack_tools PROGRAM=SUITE...: takes the programs out of their packages. Runs in a subshell: it has a trap and a lock of its own.
unpack_tools() {
  local pair suite names=() suites=() work mirror private
  for pair in "$@"; do
    names+=("${pair%%=*}")
    suites+=("${pair#*=}")
  done
  if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then fail "please install, tests call them: ${names[*]}"; fi
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || fail "no Debian mirror is configured; please install, tests call them: ${names[*]}"
  mkdir -p "$test_tools/root/usr/bin"
  # One at a time; whoever waited finds the work done.
  exec 9>"$test_tools/.lock"
  flock 9
  work=$(mktemp -d "$test_tools/.unpacking.XXXXXX")
  # shellcheck disable=SC2064 # the directory is known now
  trap "rm -rf '$work'" EXIT
  say "unpacking for the tests: ${names[*]}"

  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  for suite in $(printf '%s\n' "${suites[@]}" | sort -u); do
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite"
  done >"$work/sources.list"
  private=(-oDir::Etc::SourceList="$work/sources.list" -oDir::Etc::SourceParts=/dev/null -oDir::State::Lists="$work/lists"
    -oDir::Cache="$work/cache" -oAPT::Sandbox::User= -oAPT::Update::Post-Invoke-Success=)
  apt-get "${private[@]}" update -qq >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; fail "the package lists could not be read"; }
  for pair in "$@"; do
    unpack_tool "$work" "${pair%%=*}" "${pair#*=}"
  done
}

# unpack_tool WORK PROGRAM SUITE: one of them; moved into place only once it has run.
unpack_tool() {
  local work=$1 program=$2 suite=$3 found
  ! have_unpacked_tool "$program" || return 0
  mkdir -p "$work/$program/root"
  # apt-get writes where it stands.
  (cd "$work/$program" && apt-get "${private[@]}" download -qq "$program/$suite") >>"$work/apt.log" 2>&1 ||
    { tail -n 20 "$work/apt.log" >&2; fail "the package $program of $suite could not be fetched"; }
  dpkg -x "$work/$program/$program"_*.deb "$work/$program/root"
  found=$work/$program/root/usr/bin/$program
  [ -x "$found" ] || found=$work/$program/root/usr/sbin/$program
  # Debian's Alertmanager reads its templates from where the package would have installed them. The test kit makes some where it starts it; the
  # new path is as long as the old one.
  [ "$program" != prometheus-alertmanager ] ||
    LC_ALL=C sed -i 's#/usr/share/prometheus/alertmanager\([^/]\)#/proc/self/cwd/templates/././././.\1#' "$found"
  HOME=$work "$found" "$(version_argument "$program")" >>"$work/apt.log" 2>&1 ||
    { tail -n 20 "$work/apt.log" >&2; fail "$program of $suite does not run on this machine"; }
  mv "$found" "$test_tools/root/usr/bin/$program"
}

# version_argument PROGRAM: what makes it say its version and do nothing.
version_argument() {
  case $1 in
  docker-registry | nats-server | prometheus-alertmanager) printf -- --version ;;
  *) printf version ;;
  esac
}

# debian_mirror: the archive that the machine itself uses; nothing if there is none.
debian_mirror() {
  sed -nE 's/^URIs: *([^ ]*debian\/?) *$/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]*debian\/?) .*/\2/p' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1 || true
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  need_test_tools
fi
