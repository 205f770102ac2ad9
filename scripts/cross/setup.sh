# To be sourced by scripts that set a platform up in a directory, their first argument, and name it in `platform`.
#
#   $dir                      that directory, created
#   $rust                     where the Rust toolchains for other platforms are
#   step TEXT, fail TEXT      print TEXT; fail also exits
#   needs COMMAND...          fails if one of them is missing
#   on_x64                    fails on any other machine
#   as_root WHY               fails unless run as root
#   install PACKAGE...        installs them from this Debian
#   fetch FILE PACKAGE@VERSION PATH SYSTEM CPU
#                             gets FILE, which the npm package has at PATH, unless it is there already
set -euo pipefail

dir=$(realpath -m "${1:?where to?}")
rust=${LEASEHOLD_RUST_DIR:-$HOME/.cache/leasehold/rust}
mkdir -p "$dir"

step() { echo "$platform: $*" >&2; }
fail() { step "$@"; exit 3; }

needs() {
  local each
  for each; do
    command -v "$each" >/dev/null || fail "needs $each"
  done
}

on_x64() { [ "$(uname -m)" = x86_64 ] || fail 'needs an x64 machine'; }
as_root() { [ "$(id -u)" = 0 ] || fail "needs root, $*"; }

install() {
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -yq --no-install-recommends "$@"; } >"$dir/apt.log" 2>&1 ||
    fail "apt-get failed, see $dir/apt.log"
}

fetch() {
  [ ! -e "$1" ] || return 0
  step "fetching $2"
  local scratch
  scratch=$(mktemp -d)
  npm install --prefix "$scratch" "$2" --force --os="$4" --cpu="$5" --no-audit --no-fund >"$dir/npm.log" 2>&1 ||
    fail "see $dir/npm.log"
  mkdir -p "$(dirname "$1")"
  mv "$scratch/node_modules/${2%@*}/$3" "$1"
  rm -r "$scratch"
}
