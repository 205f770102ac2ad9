#!/bin/bash
# Prints the path of a Rust toolchain that has the std of TARGET. If none is installed, std is built from Debian's
# package of its source, which matches Debian's version of the compiler, into a copy of the toolchain in DIR; the
# toolchain itself stays as it is.
#
#   scripts/cross/toolchain.sh DIR TARGET    about 2 minutes the first time, nothing to do later
platform=rust
here=$(dirname "$0")
. "$here/setup.sh"
. "$here/debian.sh"
target=${2:?for what?}

needs rustc cargo
installed=$(rustc --print sysroot)
if [ -d "$installed/lib/rustlib/$target/lib" ]; then
  echo "$installed"
  exit
fi

for each in apt-get dpkg; do
  command -v "$each" >/dev/null || fail "needs the std of $target (rustup target add $target), or $each to build it"
done
version=$(rustc --version | cut -d' ' -f2)
toolchain=$dir/$version-bitcode
if [ ! -d "$toolchain/lib/rustlib/src/rust" ]; then
  step "fetching the source of Rust $version"
  mkdir -p "$dir/debian"
  newer "$dir/debian" download "rust-src=$version+*" || fail "the source of Rust $version could not be had"
  rm -rf "$toolchain" "$toolchain.new" # left by an attempt that failed
  # Hard links: they take no space, and the real toolchain is not touched.
  cp -al "$installed" "$toolchain.new" 2>/dev/null || cp -a "$installed" "$toolchain.new"
  mkdir -p "$toolchain.new/lib/rustlib/src/rust"
  dpkg --fsys-tarfile "$dir/debian/rust-src_$version"*.deb |
    tar x -C "$toolchain.new/lib/rustlib/src/rust" --strip-components=4 "./usr/src/rustc-$version/library"
  mv "$toolchain.new" "$toolchain"
fi
if [ ! -d "$toolchain/lib/rustlib/$target/lib" ]; then
  step "building Rust's std for $target"
  scratch=$(mktemp -d)
  mkdir "$scratch/src"
  : >"$scratch/src/lib.rs"
  printf '[package]\nname = "std-builder"\nversion = "0.1.0"\nedition = "2021"\n' >"$scratch/Cargo.toml"
  # With bitcode, like the std that comes with Rust: the addon is optimised as a whole.
  (cd "$scratch" && RUSTC=$toolchain/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS='-C embed-bitcode=yes' \
    "$toolchain/bin/cargo" build --quiet --release \
    -Zbuild-std=std,panic_unwind,panic_abort,test,proc_macro --target "$target" --target-dir "$scratch/target") >&2
  rm -f "$scratch/target/$target/release/deps/"libstd_builder-*
  mkdir -p "$toolchain/lib/rustlib/$target/lib.new"
  cp "$scratch/target/$target/release/deps/"*.rlib "$toolchain/lib/rustlib/$target/lib.new/"
  mv "$toolchain/lib/rustlib/$target/lib.new" "$toolchain/lib/rustlib/$target/lib"
  rm -r "$scratch"
fi
echo "$toolchain"
