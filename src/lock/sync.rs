//! What the engine's threads synchronise with: locks, conditions, cells, flags, statics.
//!
//! They are `parking_lot`'s and std's. Under `--cfg shuttle` the tests get others of the same shape: at each use of
//! one, the scheduler of [shuttle](https://docs.rs/shuttle) may let another thread run.

#[cfg(all(test, shuttle))]
pub mod scheduled;

#[cfg(not(all(test, shuttle)))]
pub use parking_lot::{Condvar, MappedMutexGuard, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub use std::sync::{OnceLock, atomic::AtomicBool};

#[cfg(all(test, shuttle))]
pub use scheduled::{Condvar, MappedMutexGuard, Mutex, MutexGuard, OnceLock};
#[cfg(all(test, shuttle))]
pub use shuttle::sync::atomic::AtomicBool;

/// A static of the engine; each execution under shuttle has its own.
macro_rules! global {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        $(#[$attribute])*
        #[cfg(not(all(test, shuttle)))]
        static $name: $type = $value;
        #[cfg(all(test, shuttle))]
        shuttle::lazy_static! {
            static ref $name: $type = $value;
        }
    };
}
pub(super) use global;
