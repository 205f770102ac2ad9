//! What the machine itself can do: the fewest system calls a lock file takes, the kernel's own
//! blocking lock, and leasehold's engine without Node. `bench.mjs` runs this beside everybody else.
//!
//! ```text
//! floor uncontended <who> <file> <milliseconds>     microseconds per acquire + release, in batches
//! floor contend <who> <file>                        [wants, has, leaves] of each turn, when told to begin
//! floor hold <who> <file>                           says when it has the lock, and keeps it
//! floor wait <who> <file>                           says when it has got the lock
//! floor hammer <who> <file>                         how often it had the lock, asking again at once
//! floor rush <who> <file>                           [wants, has, leaves] of one turn, when told to begin
//! floor leases <who> <directory> <count> <ms>       what so many held leases cost
//! floor exec <who> <file> <command> …               becomes the command, and keeps the lock
//! ```
//!
//! `who` is `files` (a lock file by `O_EXCL`), `calls` (the engine's system calls and nothing else),
//! `flock` or `engine`; for `calls, file kept` and `engine, file kept` the lock file stays between holds.
//! `exec` is for `flock` alone. Times are in milliseconds on the clock that `process.hrtime` reads.

#![allow(clippy::disallowed_methods, reason = "these calls are what the engine is measured against")]

#[cfg(unix)]
mod calls;

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {
    eprintln!("the floor runs on Unix only");
    std::process::exit(1);
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::thread::sleep;
    use std::time::Duration;

    use leasehold::lock::{Hold, Terms, acquire_blocking};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::calls::{Calls, KeptCalls};

    #[cfg(target_vendor = "apple")]
    const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

    const BATCH: u32 = 50;
    const HOLD: Duration = Duration::from_millis(2);
    const THINK: Duration = Duration::from_millis(1);
    /// The length of the record of OpenClaw's own locks.
    const RECORD: [u8; 64] = [b' '; 64];

    enum Lock {
        Files(PathBuf),
        Calls(Calls),
        KeptCalls(KeptCalls),
        Flock(File),
        Engine { path: PathBuf, keep_file: bool },
    }

    enum Held<'lock> {
        Files(&'lock Path),
        Calls(File, &'lock Calls),
        KeptCalls(#[expect(dead_code, reason = "closing it is what counts")] File),
        Flock(&'lock File),
        Engine(#[expect(dead_code, reason = "dropping it is what counts")] Hold),
    }

    impl Lock {
        fn new(who: &str, file: &str) -> Self {
            match who {
                "files" => Self::Files(format!("{file}.lock").into()),
                "calls" => Self::Calls(Calls::new(file)),
                "flock" => {
                    let options = File::options().write(true).create(true).truncate(false).open(file);
                    Self::Flock(options.expect("the file to lock"))
                }
                "calls, file kept" => {
                    let calls = KeptCalls::new(file);
                    calls.create();
                    Self::KeptCalls(calls)
                }
                "engine" => Self::Engine { path: file.into(), keep_file: false },
                "engine, file kept" => Self::Engine { path: file.into(), keep_file: true },
                _ => panic!("{who} is unknown: see the top of bench/floor.rs"),
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
                Self::Calls(calls) => Held::Calls(calls.acquire(), calls),
                Self::KeptCalls(calls) => Held::KeptCalls(calls.acquire()),
                Self::Flock(file) => {
                    file.lock().expect("the lock");
                    Held::Flock(file)
                }
                Self::Engine { path, keep_file } => Held::Engine(engine(path, *keep_file)),
            }
        }
    }

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            match self {
                Self::Files(path) => std::fs::remove_file(path).expect("our own file"),
                Self::Calls(file, calls) => calls.release(file),
                Self::Flock(file) => file.unlock().expect("our own lock"),
                Self::KeptCalls(_) | Self::Engine(_) => {}
            }
        }
    }

    fn engine(path: &Path, keep_file: bool) -> Hold {
        let terms = Terms { timeout: None, keep_file, ..Terms::default() };
        acquire_blocking(path, terms).expect("the lock")
    }

    pub fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["uncontended", who, file, limit] => uncontended(&Lock::new(who, file), number(limit)),
            ["contend", who, file] => {
                warm_up(who, file);
                contend(&Lock::new(who, file), together());
            }
            ["hammer", who, file] => hammer(&Lock::new(who, file), together()),
            ["rush", who, file] => {
                warm_up(who, file);
                let lock = Lock::new(who, file);
                let end = together();
                let turn = turn(&lock, Duration::ZERO);
                // The end of a process would delay the turns of others.
                sleep(Duration::from_secs_f64((end - now()).max(0.0) / 1000.0));
                println!("{turn:?}");
            }
            ["leases", "engine", directory, count, limit] => {
                leases(Path::new(directory), count.parse().expect("a count"), number(limit));
            }
            ["exec", "flock", file, command, ref rest @ ..] => exec(&Lock::new("flock", file), command, rest),
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
            _ => panic!("unknown command: see the top of bench/floor.rs"),
        }
    }

    /// Says that this process is ready, and starts when told to. Returns the time at which all of them end.
    fn together() -> f64 {
        println!("{}", now());
        let mut told = String::new();
        std::io::stdin().read_line(&mut told).expect("two times");
        let (start, end) = told.trim().split_once(' ').expect("two times");
        sleep(Duration::from_secs_f64((number(start) - now()).max(0.0) / 1000.0));
        number(end)
    }

    /// As in a process that has locked before.
    fn warm_up(who: &str, file: &str) {
        drop(Lock::new(who, &format!("{file}-before-{}", std::process::id())).acquire());
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

    fn contend(lock: &Lock, end: f64) {
        let mut turns = Vec::new();
        while now() < end {
            turns.push(turn(lock, HOLD));
            sleep(THINK);
        }
        println!("{turns:?}");
    }

    /// When it wants the lock, has it, and leaves it.
    fn turn(lock: &Lock, pause: Duration) -> [f64; 3] {
        let wants = now();
        let held = lock.acquire();
        let has = now();
        sleep(pause);
        let leaves = now();
        drop(held);
        [wants, has, leaves]
    }

    fn hammer(lock: &Lock, end: f64) {
        let mut count = 0;
        while now() < end {
            drop(lock.acquire());
            count += 1;
        }
        println!("{count}");
    }

    /// Holds `count` leases and does nothing for `limit` milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "nobody has that much memory")]
    fn leases(directory: &Path, count: usize, limit: f64) {
        let limits = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).expect("what we may have");
        // As in runners/leases.mjs.
        let some = hold_many(directory, 0..count.div_ceil(5));
        let before = resident();
        let held = hold_many(directory, some.len()..count);
        let bytes = (resident() - before) as f64 / held.len() as f64;
        sleep(Duration::from_secs_f64(2.5 * limit / 1000.0));
        let (began, used) = (now(), processor_time());
        sleep(Duration::from_secs_f64(limit / 1000.0));
        let share = (processor_time() - used) / (now() - began);
        println!(r#"{{ "bytes": {bytes}, "share": {share} }}"#);
        drop((some, held));
    }

    fn hold_many(directory: &Path, numbers: std::ops::Range<usize>) -> Vec<Hold> {
        numbers.map(|number| engine(&directory.join(format!("held-{number}")), false)).collect()
    }

    /// Bytes of memory that this process occupies.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
        size.and_then(|size| size.trim().parse::<usize>().ok()).expect("a size") * 1024
    }

    /// Takes the lock and becomes `command`, which inherits it and knows nothing of it.
    fn exec(lock: &Lock, command: &str, arguments: &[&str]) {
        let held = lock.acquire();
        let Held::Flock(file) = held else { unreachable!() };
        // SAFETY: the descriptor is open.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
        panic!("{}", Command::new(command).args(arguments).exec());
    }

    fn number(text: &str) -> f64 {
        text.parse().expect("a number of milliseconds")
    }

    fn now() -> f64 {
        milliseconds(CLOCK)
    }

    /// Milliseconds of processor time that all threads of this process have used.
    fn processor_time() -> f64 {
        milliseconds(libc::CLOCK_PROCESS_CPUTIME_ID)
    }

    #[expect(clippy::cast_precision_loss, reason = "a machine is not up for long enough")]
    fn milliseconds(clock: libc::clockid_t) -> f64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place for the result.
        unsafe { libc::clock_gettime(clock, &raw mut time) };
        time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
    }
}
