//! The Node.js surface. Options come in, handles and faults go out; nothing is decided here.
//!
//! * [`environment`]: one JavaScript thread, the calls it can make.
//! * [`mailbox`]: what answers them, and brings the news.
//! * [`json_store`]: files that are read and replaced as a whole.
//! * `owners`: what owns leases, and gives them back when it is collected; [`handle`]: what can be done with one.
//! * [`options`]: from JavaScript options to [`crate::lock::Terms`], refusing what makes no sense.
//! * [`report`]: what the engine says, as plain objects for `lib/` to make errors and events of.

pub mod environment;
pub mod handle;
pub mod json_store;
pub mod mailbox;
pub mod options;
mod owners;
pub mod report;
