//! The registry, its queue and the background threads under a scheduler that chooses who runs next wherever two
//! threads can meet ([shuttle](https://docs.rs/shuttle)): at random, and by priorities that change now and then (PCT).
//!
//! `npm run test:shuttle` runs them. A failure names its seed; `SHUTTLE_RANDOM_SEED` set to that makes it happen again.
//! `LEASEHOLD_SCHEDULES` says how many schedules each test gets of either kind.

mod endings;
mod place;
mod queues;
mod threads;
