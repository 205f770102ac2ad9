//! The lock engine: plain Rust, no Node.
//!
//! ```text
//! acquire ──> registry ──> contender ──> sidecar ──> sys
//!              │  queues     look, judge    the owned lock file
//!              ├──> lookout   waits for other processes, keeps deadlines
//!              └──> heart     beats for every lease, enforces maxHold
//! ```
//!
//! * [`target`] turns a path into a lock path, [`record`] is the content of the lock file,
//!   [`identity`] says which process, boot and machine we are.
//! * `draft` is a new lock file, complete and locked before it has a name; `spares` are drafts made ahead of time.
//! * [`verdict`] decides, from facts alone, whether a lock file is free, stale or held.
//! * [`contender`] tries to get a lock file; [`sidecar`] is a lock file that is ours. With `draft`,
//!   `guard` and [`sys`] they are the only modules that change lock files.
//! * `kept` are released lock files that stay on disk, held open for a moment in case we want the lock again.
//! * [`reclaim`] removes abandoned lock files for callers that do not want the lock.
//! * [`acquire`](mod@acquire) turns a request into a lease, a [`ticket`] in a queue or an error;
//!   [`registry`] is the process-wide table of leases and queues; [`lease`] the ownership itself,
//!   with its `holders`, its [`watchdog`] and, when it is taken away, its [`loss`].
//! * [`endings`] are the ways a lease ends; `handover` is what then happens to its lock file.
//! * [`heart`], [`lookout`] and [`hands`] are the background threads; [`post`] says which ones serve
//!   which file system. All threads synchronise through `sync`, so that tests can schedule them.

pub mod acquire;
pub mod contender;
mod draft;
pub mod endings;
pub mod error;
mod guard;
mod handover;
pub mod hands;
pub mod heart;
mod holders;
pub mod identity;
pub mod inspect;
mod kept;
pub mod lease;
pub mod lookout;
pub mod loss;
pub mod post;
mod queue;
pub mod reclaim;
pub mod record;
pub mod registry;
pub mod sidecar;
mod spares;
mod stamp;
mod sync;
pub mod sys;
pub mod target;
pub mod terms;
pub mod ticket;
pub mod verdict;
pub mod watchdog;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod meeting_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod remote_tests;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
#[cfg(test)]
mod tests;

pub use acquire::{acquire, acquire_blocking};
pub use error::LockError;
pub use lease::Hold;
pub use loss::{Loss, LossReason};
pub use target::Target;
pub use terms::{Recovery, Sharing, Terms};
pub use ticket::{Acquired, Ticket};
