//! Work that must not run on the thread that asks for it: one thread, one job after the other.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::sync::{AtomicBool, Condvar, Mutex};
use super::sys;

type Job = Box<dyn FnOnce() + Send>;

/// The hands of one file-system class.
#[derive(Default)]
pub struct Hands {
    jobs: Mutex<VecDeque<Job>>,
    more: Condvar,
    started: AtomicBool,
}

impl Hands {
    /// Runs `job` soon, after all jobs given before it.
    pub fn run(&'static self, job: impl FnOnce() + Send + 'static) {
        self.jobs.lock().push_back(Box::new(job));
        if self.started.swap(true, Ordering::AcqRel) {
            self.more.notify_one();
        } else if sys::spawn("leasehold-hands", || self.work()).is_err() {
            // The jobs stay queued for the thread that a later call may be able to start.
            self.started.store(false, Ordering::Release);
        }
    }

    fn work(&self) {
        loop {
            let job = {
                let mut jobs = self.jobs.lock();
                loop {
                    match jobs.pop_front() {
                        Some(job) => break job,
                        None => self.more.wait(&mut jobs),
                    }
                }
            };
            job();
        }
    }
}
