//! leasehold as Node loads it. It is a crate of its own because cargo does not optimise a library as a whole if other
//! crates can use it, too.

extern crate leasehold as _;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::ffi::{c_int, c_void};

/// Tells stack walkers that the stack has no frames.
///
/// Rust prints a backtrace with a panic if `RUST_BACKTRACE` is set, and the code that looks up names for it would be a
/// fifth of this library. It would find none: the library is stripped. With this function the linker leaves all of that
/// out. (A panic unwinds as usual, and its message says where it was. With musl, the unwinder may come with a function
/// of this name, which cannot be replaced.)
// SAFETY: nothing else in this library has a function of that name, and the C runtime's has these arguments and this
// result, and may find no frames. Other libraries do not find this one: Node loads addons without RTLD_GLOBAL.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_visit: *const c_void, _argument: *mut c_void) -> c_int {
    const END_OF_STACK: c_int = 5;
    END_OF_STACK
}
