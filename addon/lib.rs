//! leasehold as Node loads it: a library of its own, because cargo optimises none as a whole that other crates can
//! use, too.

extern crate leasehold as _;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::ffi::{c_int, c_void};

/// Tells whoever wants to walk the stack that it has no frames.
///
/// Rust shows the stack with a panic if `RUST_BACKTRACE` is set, and a fifth of this library would be what finds names
/// for it. They would not be found: the library is stripped. Without frames all of that is left out when it is linked.
/// (A panic unwinds as ever, and its message says where it was. With musl, what unwinds may come with a function of
/// this name, which cannot be replaced.)
// SAFETY: nobody else in this library has a function of that name, and the one of the C runtime has these arguments and
// this result. It may find nothing. Other libraries do not find this one: Node loads addons for themselves.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_visit: *const c_void, _argument: *mut c_void) -> c_int {
    const END_OF_STACK: c_int = 5;
    END_OF_STACK
}
