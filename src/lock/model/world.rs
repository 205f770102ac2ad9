//! The shared world of the model: one name, the files it can lead to, and the kernel's locks on them.
//!
//! The calls here do what the kernel does, and note when a caller does to another what it must not: these are the
//! safety properties that concern names.

use super::js::Js;
use super::native::{Native, Pc, main_fd};
use crate::lock::sys::OsLock;

/// An inode number.
pub type Ino = usize;

/// An open file description: which process has it, and which of its descriptors it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fd {
    pub process: usize,
    pub slot: usize,
}

/// The contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// Nothing that can be parsed.
    Unreadable {
        /// Whether a JS peer left it that way.
        by_js: bool,
    },
    /// A JS peer's record.
    Js {
        /// Whether that peer is alive.
        alive: bool,
    },
    /// A native record.
    Native {
        /// The process that wrote it, unless it died.
        owner: Option<usize>,
        /// The token in it.
        token: u64,
        /// Whether it says that somebody holds the lock.
        held: bool,
    },
}

impl Record {
    pub fn token(self) -> u64 {
        match self {
            Self::Native { token, .. } => token,
            Self::Unreadable { .. } | Self::Js { .. } => 0,
        }
    }
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    pub record: Record,
    /// Whether its dates, the one in the record included, are older than any lease and any `stale`.
    pub old: bool,
    pub flock: Option<Fd>,
    pub guard: Option<Fd>,
    /// A JS peer took its name away. What follows from that is no fault of a native process.
    pub robbed: bool,
}

/// One state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Which file the lock path leads to.
    pub name: Option<Ino>,
    pub inodes: Vec<Inode>,
    pub natives: Vec<Native>,
    pub js: Js,
    /// The wall clock, in nanoseconds.
    pub clock: u64,
    /// The largest token that was handed out; with a fickle clock, since the lock file appeared.
    pub handed: u64,
    /// How many more kills and sleeps there may be, if they are limited.
    pub troubles: Option<u8>,
    /// The promise that was broken on the way here.
    pub broken: Option<&'static str>,
}

/// A process and the file it waits for.
pub struct At<'a> {
    pub native: &'a Native,
    pub fd: Fd,
    /// The file's number, or one that no file has if the process has none open.
    pub ino: Ino,
    /// Whether the name leads to it.
    pub named: bool,
}

impl World {
    /// Where `process` stands.
    pub fn at(&self, process: usize) -> At<'_> {
        let native = &self.natives[process];
        let ino = native.seen.map_or(usize::MAX, |seen| seen.ino);
        let named = native.seen.is_some() && self.name == Some(ino);
        At { native, fd: main_fd(process), ino, named }
    }

    /// Notes that a promise was broken.
    pub fn breaks(&mut self, promise: &'static str) {
        self.broken.get_or_insert(promise);
    }

    /// Creates a file without a name.
    pub fn create(&mut self, record: Record, flock: Option<Fd>) -> Ino {
        self.inodes.push(Inode { record, old: false, flock, guard: None, robbed: false });
        self.inodes.len() - 1
    }

    pub fn try_flock(&mut self, fd: Fd, ino: Ino) -> OsLock {
        take(&mut self.inodes[ino].flock, fd)
    }

    pub fn unlock(&mut self, fd: Fd, ino: Ino) {
        give(&mut self.inodes[ino].flock, fd);
    }

    pub fn try_guard(&mut self, fd: Fd, ino: Ino) -> bool {
        take(&mut self.inodes[ino].guard, fd) == OsLock::Acquired
    }

    pub fn unguard(&mut self, fd: Fd, ino: Ino) {
        give(&mut self.inodes[ino].guard, fd);
    }

    /// Closes a descriptor: its locks go with it.
    pub fn close(&mut self, fd: Fd, ino: Ino) {
        self.unlock(fd, ino);
        self.unguard(fd, ino);
    }

    /// Writes a record over whatever stands in the file.
    pub fn write(&mut self, ino: Ino, record: Record) {
        self.inodes[ino].record = record;
        self.touch(ino);
    }

    /// Moves the file's dates to now.
    pub fn touch(&mut self, ino: Ino) {
        self.inodes[ino].old = false;
        for seen in self.natives.iter_mut().filter_map(|native| native.seen.as_mut()).filter(|seen| seen.ino == ino) {
            seen.moved = true;
            seen.rewritten = true;
        }
    }

    /// A process rewrites its record.
    pub fn write_token(&mut self, process: usize) {
        if let Some(held) = self.natives[process].held.as_mut() {
            held.written = held.token;
            let (ino, token) = (held.ino, held.token);
            self.write(ino, Record::Native { owner: Some(process), token, held: true });
        }
    }

    /// A process writes that nobody has the lock any longer.
    pub fn write_release(&mut self, process: usize) {
        if let Some(held) = self.natives[process].held {
            self.write(held.ino, Record::Native { owner: Some(process), token: held.token, held: false });
        }
    }

    /// A native process removes the name, which it takes for that of `ino`.
    pub fn unlink(&mut self, process: usize, ino: Ino) {
        let Some(there) = self.name else { return };
        let native = &self.natives[process];
        let gave_up = native.held.is_some_and(|held| held.ino == ino)
            || native.leftover.is_some_and(|leftover| leftover.ino == ino);
        if !gave_up {
            self.breaks("taking over never frees the name");
        }
        if there != ino && !self.inodes[ino].robbed {
            self.breaks("a release removes only its own lock file");
        }
        self.inodes[there].robbed |= there != ino;
        self.leave(process, there, None);
        self.name = None;
    }

    /// A native process renames its file `new` over `ino`, because `frozen` did not beat.
    pub fn replace(&mut self, process: usize, ino: Ino, new: Ino, frozen: Option<usize>) {
        if let Some(there) = self.name {
            self.inodes[there].robbed |= self.inodes[ino].robbed;
            self.leave(process, there, frozen);
        }
        self.name = Some(new);
    }

    /// Checks that an owner of `ino`, if there is one, may lose it: it is `frozen`, or a JS peer robbed it.
    fn leave(&mut self, process: usize, ino: Ino, frozen: Option<usize>) {
        let robbed = self.inodes[ino].robbed;
        let victim = (0..self.natives.len()).find(|&other| other != process && self.natives[other].owns(ino));
        if victim.is_some_and(|victim| frozen != Some(victim)) && !robbed {
            self.breaks("an owner that beats keeps its lock");
        }
    }

    /// A JS peer removes whatever has the name.
    pub fn remove(&mut self) {
        if let Some(there) = self.name.take() {
            self.inodes[there].robbed = true;
        }
    }

    /// Checks what must hold in every state.
    pub fn check(&mut self) {
        for ino in 0..self.inodes.len() {
            if self.natives.iter().filter(|native| native.owns(ino)).count() > 1 {
                self.breaks("one file has one owner");
            }
        }
        let adopted = self.natives.iter().filter(|native| native.pc == Pc::AdoptUnguard);
        let stray = |native: &Native| {
            native.held.is_some_and(|held| self.name != Some(held.ino) && !self.inodes[held.ino].robbed)
        };
        if adopted.clone().any(stray) {
            self.breaks("a process that gets the lock has the file that the name leads to");
        }
        if let Js::Holding { ino, outstayed: false } = self.js
            && !self.inodes[ino].robbed
            && (self.name != Some(ino) || self.natives.iter().any(|native| native.owns(ino)))
        {
            self.breaks("a JS owner keeps its lock until it is stale");
        }
    }
}

fn take(lock: &mut Option<Fd>, fd: Fd) -> OsLock {
    if *lock.get_or_insert(fd) == fd { OsLock::Acquired } else { OsLock::Busy }
}

fn give(lock: &mut Option<Fd>, fd: Fd) {
    if *lock == Some(fd) {
        *lock = None;
    }
}
