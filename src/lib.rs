//! leasehold: file locks for Node.js that cannot leak.
//!
//! [`lock`] is the engine, plain Rust, and [`json_store`] writes the files that locks protect. [`node`] is their
//! Node.js surface: options in; handles, errors and events out. ARCHITECTURE.md explains the design.
//!
//! # Limitations
//!
//! Exclusion is certain between processes of one kernel. Between hosts that share a disk it is best effort, and
//! JavaScript locks that share a lock file with us have races of their own that can only be detected, not prevented.

pub mod json_store;
pub mod lock;
pub mod node;
