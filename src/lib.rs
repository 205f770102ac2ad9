//! leasehold: file locks for Node.js that cannot leak.
//!
//! [`lock`] is the engine, plain Rust. [`node`] is its Node.js surface: options in; handles, errors
//! and events out. ARCHITECTURE.md tells why things are as they are.
//!
//! # Limitations
//!
//! Exclusion is certain between processes of one kernel. Between hosts that share a disk it is best
//! effort, and JavaScript locks that share a lock file with us have races of their own that can only
//! be noticed, not prevented.

pub mod lock;
pub mod node;
