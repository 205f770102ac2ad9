//! leasehold as Node loads it: a library of its own, because cargo optimises none as a whole that other crates can
//! use, too.

extern crate leasehold as _;
