//! What the machine itself can do: the fewest system calls a lock file takes, the kernel's own
//! blocking lock, and leasehold's engine without Node. `bench.mjs` runs this beside everybody else.
//!
//! ```text
//! floor uncontended <who> <file> <milliseconds>     microseconds per acquire + release, in batches
//! floor contend <who> <file> <start> <end>          [wants, has, leaves] of each turn
//! floor hold <who> <file>                           says when it has the lock, and keeps it
//! floor wait <who> <file>                           says when it has got the lock
//! ```
//!
//! `who` is `files` (a lock file by `O_EXCL`), `calls` (the engine's system calls and nothing else),
//! `flock` or `engine`. Times are in milliseconds on the
//! clock that `process.hrtime` reads.

#![allow(clippy::disallowed_methods, reason = "these calls are what the engine is measured against")]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {
    eprintln!("the floor is known for Unix only");
    std::process::exit(1);
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::thread::sleep;
    use std::time::Duration;

    use leasehold::lock::{Hold, Terms, acquire_blocking, sys};

    #[cfg(target_vendor = "apple")]
    const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

    const BATCH: u32 = 50;
    const HOLD: Duration = Duration::from_millis(2);
    const THINK: Duration = Duration::from_millis(1);
    /// As long as the record of OpenClaw's own locks.
    const RECORD: [u8; 64] = [b' '; 64];

    enum Lock {
        Files(PathBuf),
        Calls { directory: PathBuf, path: PathBuf },
        Flock(File),
        Engine(PathBuf),
    }

    enum Held<'lock> {
        Files(&'lock Path),
        Calls(File, &'lock Path),
        Flock(&'lock File),
        Engine(#[expect(dead_code, reason = "dropping it is what counts")] Hold),
    }

    impl Lock {
        fn new(who: &str, file: &str) -> Self {
            match who {
                "files" => Self::Files(format!("{file}.lock").into()),
                "calls" => Self::Calls {
                    directory: Path::new(file).parent().expect("a directory").into(),
                    path: format!("{file}.lock").into(),
                },
                "flock" => {
                    let options = File::options().write(true).create(true).truncate(false).open(file);
                    Self::Flock(options.expect("the file to lock"))
                }
                "engine" => Self::Engine(file.into()),
                _ => panic!("files, calls, flock or engine, not {who}"),
            }
        }

        /// Takes the lock; only `flock` and `engine` wait for it.
        fn acquire(&self) -> Held<'_> {
            match self {
                Self::Files(path) => {
                    let mut file = File::create_new(path).expect("a free name");
                    file.write_all(&RECORD).expect("room for a record");
                    Held::Files(path)
                }
                Self::Calls { directory, path } => {
                    let file = sys::create_unnamed(directory).expect("unnamed files");
                    let _ = sys::try_lock(&file).expect("the lock");
                    sys::write_at(&file, &[b' '; 400], 0).expect("room for a record");
                    sys::link_unnamed(&file, path).expect("a free name");
                    Held::Calls(file, path)
                }
                Self::Flock(file) => {
                    file.lock().expect("the lock");
                    Held::Flock(file)
                }
                Self::Engine(path) => Held::Engine(acquire_blocking(path, Terms::default()).expect("the lock")),
            }
        }
    }

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            match self {
                Self::Files(path) => std::fs::remove_file(path).expect("our own file"),
                Self::Calls(file, path) => {
                    let _ = sys::try_guard(file).expect("the guard");
                    sys::stat_file(file).expect("our own file");
                    sys::unlink(path).expect("our own name");
                }
                Self::Flock(file) => file.unlock().expect("our own lock"),
                Self::Engine(_) => {}
            }
        }
    }

    pub fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["uncontended", who, file, limit] => uncontended(&Lock::new(who, file), number(limit)),
            ["contend", who, file, start, end] => contend(&Lock::new(who, file), number(start), number(end)),
            ["hold", who, file] => {
                let lock = Lock::new(who, file);
                let _held = lock.acquire();
                println!("{}", now());
                loop {
                    sleep(Duration::from_hours(1));
                }
            }
            ["wait", who, file] => {
                let lock = Lock::new(who, file);
                println!("{}", now());
                let held = lock.acquire();
                println!("{}", now());
                drop(held);
            }
            _ => panic!("see the top of bench/floor.rs"),
        }
    }

    fn uncontended(lock: &Lock, limit: f64) {
        let mut batches = Vec::new();
        let end = now() + limit;
        while now() < end {
            let began = now();
            for _ in 0..BATCH {
                drop(lock.acquire());
            }
            batches.push((now() - began) * 1000.0 / f64::from(BATCH));
        }
        println!("{batches:?}");
    }

    fn contend(lock: &Lock, start: f64, end: f64) {
        let mut turns = Vec::new();
        sleep(Duration::from_secs_f64((start - now()).max(0.0) / 1000.0));
        while now() < end {
            let wants = now();
            let held = lock.acquire();
            let has = now();
            sleep(HOLD);
            let leaves = now();
            drop(held);
            turns.push([wants, has, leaves]);
            sleep(THINK);
        }
        println!("{turns:?}");
    }

    fn number(text: &str) -> f64 {
        text.parse().expect("a number of milliseconds")
    }

    #[expect(clippy::cast_precision_loss, reason = "a machine is not up for long enough")]
    fn now() -> f64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place for the result.
        unsafe { libc::clock_gettime(CLOCK, &raw mut time) };
        time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
    }
}
