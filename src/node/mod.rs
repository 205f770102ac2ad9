//! The Node.js surface. Options come in, handles and faults go out; nothing is decided here.
//!
//! * [`environment`]: one JavaScript thread, and what it tells and asks about its leases.
//! * [`requests`]: requests for locks; [`inspection`]: looking at locks, and clearing them away.
//! * [`mailbox`]: delivers the answers to all these calls, and the news.
//! * [`json_store`]: files that are read and replaced as a whole.
//! * `owners`: the objects that own leases, and give them back when collected; [`handle`]: operations on a lease.
//! * [`options`]: turns JavaScript options into [`crate::lock::Terms`], and refuses those that make no sense.
//! * [`report`]: what the engine reports, as plain objects from which `lib/` makes errors and events.

pub mod environment;
pub mod handle;
pub mod inspection;
pub mod json_store;
pub mod mailbox;
pub mod options;
mod owners;
pub mod report;
pub mod requests;
