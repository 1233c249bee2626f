#!/usr/bin/env bash
# Builds kube-apiserver and kube-controller-manager from the distribution's source package and puts them, with etcd and kubectl where
# they are installed, into a directory that KUBEBUILDER_ASSETS, the test kit and hack/control-plane.sh understand.
#
#   usage: hack/build-control-plane.sh [DIRECTORY]      default: ${XDG_CACHE_HOME:-~/.cache}/sluice/control-plane
#
# Runs once: a directory that already holds the three programs is left as it is. Needs Debian (or a derivative with deb-src) and root
# for the packages, about 3 GiB of disk for the build, and some minutes on two cores. Elsewhere set KUBEBUILDER_ASSETS instead.
set -euo pipefail

out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/control-plane}
say() { printf 'control plane: %s\n' "$*" >&2; }
fail() {
  say "$*"
  say "Set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver and kube-controller-manager instead."
  exit 1
}

if [ -x "$out/etcd" ] && [ -x "$out/kube-apiserver" ] && [ -x "$out/kube-controller-manager" ]; then
  exit 0
fi
command -v apt-get >/dev/null || fail "no kube-apiserver found, and it can be built only where apt-get and Debian's source packages exist"
[ "$(id -u)" = 0 ] || fail "no kube-apiserver found, and installing its build dependencies needs root"

mkdir -p "$out"
out=$(cd "$out" && pwd)
# One builder at a time; whoever waited finds the work done.
exec 9>"$out/.lock"
flock 9
if [ -x "$out/etcd" ] && [ -x "$out/kube-apiserver" ] && [ -x "$out/kube-controller-manager" ]; then
  exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-control-plane.XXXXXX")
builder=
# Whichever way this ends, nothing of the build stays: the compiler runs in a session, and so a process group, of its own.
cleanup() {
  if [ -n "$builder" ]; then
    kill -KILL -- "-$builder" 2>/dev/null || true
    wait "$builder" 2>/dev/null || true
  fi
  chmod -R u+w "$work" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "1/4 installing etcd, Go and the build dependencies"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >"$work/apt.log" 2>&1 || true
apt-get install -y -qq --no-install-recommends \
  etcd-server golang-go rsync make gcc libc6-dev golang-github-modern-go-reflect2-dev >>"$work/apt.log" 2>&1 ||
  { tail -n 20 "$work/apt.log" >&2; fail "the packages could not be installed"; }

say "2/4 fetching the source package kubernetes"
# A private list of sources: the machine's own apt configuration stays untouched. The mirror is the one that the machine already uses.
mirror=$(sed -nE 's/^URIs: *([^ ]*debian\/?) *$/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]*debian\/?) .*/\2/p' \
  /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1) || true
[ -n "$mirror" ] || fail "no Debian mirror is configured"
mkdir -p "$work/lists/partial" "$work/src"
printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm main\n' "$mirror" >"$work/sources.list"
private=(-oDir::Etc::SourceList="$work/sources.list" -oDir::Etc::SourceParts=/dev/null -oDir::State::Lists="$work/lists")
fetch() {
  apt-get "${private[@]}" update -qq && cd "$work/src" && apt-get "${private[@]}" source --download-only -qq kubernetes
}
(fetch) >>"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; fail "the source package could not be fetched"; }

say "3/4 unpacking"
tree=$work/go/src/k8s.io/kubernetes
mkdir -p "$tree"
tar -xf "$work"/src/kubernetes_*.orig.tar.* -C "$tree" --strip-components=1
# The vendored reflect2 reads Go's internal map layout and crashes with Go 1.18 and later; the packaged release does not.
rm -rf "$tree/vendor/github.com/modern-go/reflect2"
cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 "$tree/vendor/github.com/modern-go/reflect2"

say "4/4 compiling kube-apiserver and kube-controller-manager (about five minutes on two cores, once)"
cd "$tree"
GOPATH=$work/go GO111MODULE=off GOCACHE=$work/gocache GOFLAGS=-mod= HOME=$work \
  setsid make WHAT="cmd/kube-apiserver cmd/kube-controller-manager" >"$work/make.log" 2>&1 9>&- &
builder=$!
# A line every half minute, so that a long build does not look like a hang.
started=$SECONDS
while kill -0 "$builder" 2>/dev/null; do
  sleep 1
  [ $(((SECONDS - started) % 30)) -ne 0 ] || say "    compiling, $((SECONDS - started)) s"
done
compiled=0
wait "$builder" || compiled=$?
builder=
[ "$compiled" = 0 ] || { tail -n 40 "$work/make.log" >&2; fail "the build failed"; }

bin=$(find "$tree/_output" -type f -name kube-apiserver -perm -u+x | head -n 1)
[ -n "$bin" ] || fail "the build left no kube-apiserver"
# Renamed into place, so that nobody finds half a program.
for name in kube-apiserver kube-controller-manager; do
  install -m 0755 "$(dirname "$bin")/$name" "$out/.$name.new"
  mv "$out/.$name.new" "$out/$name"
done
ln -sf "$(command -v etcd)" "$out/etcd"
say "ready in $out"
