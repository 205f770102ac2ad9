//! Work that must not run on the thread that asks for it: one thread, one job after the other.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::post::Post;
use super::sync::{AtomicBool, Condvar, Mutex};
use super::sys::{self, FsClass};

type Job = Box<dyn FnOnce() + Send>;

/// The hands of one file-system class.
#[derive(Default)]
pub struct Hands {
    jobs: Mutex<VecDeque<Job>>,
    more: Condvar,
    /// Whether the thread was started, or the heart keeps trying to.
    started: AtomicBool,
}

impl Hands {
    /// Runs `job` soon, after all jobs given before it.
    pub fn run(&'static self, job: impl FnOnce() + Send + 'static) {
        self.jobs.lock().push_back(Box::new(job));
        if self.started.swap(true, Ordering::AcqRel) {
            self.more.notify_one();
        } else if !self.start() {
            // Perhaps nobody has another job.
            Post::of(FsClass::Local).heart.keep_trying(|| self.start());
        }
    }

    fn start(&'static self) -> bool {
        sys::spawn("leasehold-hands", || self.work()).is_ok()
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
