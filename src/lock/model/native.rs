//! A native process: what it remembers and what it does next.

use super::world::{Fd, Ino};
use crate::lock::record::TOKEN_STRIDE;
use crate::lock::sys::OsLock;
use crate::lock::verdict::Cause;

/// A native process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Native {
    pub pc: Pc,
    /// The file it waits for, which it keeps open.
    pub seen: Option<Seen>,
    /// The lock file it has.
    pub held: Option<Held>,
    /// A lock file that it gave up and could not remove yet. A newer one takes its place: this one is closed then, as
    /// if its process had died.
    pub leftover: Option<Leftover>,
    pub last_token: u64,
    /// The token of the process that took its lock away: it must hand out only smaller ones.
    pub fence: u64,
}

/// What a process does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pc {
    /// Between two looks, or about to ask for the lock.
    Waiting,
    /// Its own file is complete, locked and nameless: link it.
    Link {
        token: u64,
    },
    /// (Only with a rule broken.) Its file has its name: lock it.
    LockPublished {
        token: u64,
    },
    /// (Only with a rule broken.) Its file has its name and nothing in it: fill it.
    FillPublished {
        token: u64,
    },
    /// Its file has its name, and others may have had the lock since it was filled: write the later token.
    Begin {
        slept: bool,
    },
    /// The token is written: see how long that took.
    Elapsed {
        slept: bool,
    },
    /// It took long, perhaps because the process was frozen: take the guard and look.
    ConfirmGuard,
    ConfirmLook,
    ConfirmUnguard {
        ours: bool,
    },
    Open,
    Compare {
        lock: OsLock,
    },
    Read {
        lock: OsLock,
    },
    Unlock,
    AdoptGuard {
        cause: Cause,
    },
    AdoptRead {
        cause: Cause,
    },
    AdoptCompare {
        cause: Cause,
    },
    AdoptWrite {
        cause: Cause,
    },
    /// (Only with a rule broken.) It truncated the file: fill it.
    AdoptFill {
        cause: Cause,
    },
    AdoptConfirm,
    AdoptUnguard,
    SupersedeGuard {
        lock: OsLock,
    },
    SupersedeCompare {
        lock: OsLock,
        frozen: Option<usize>,
    },
    SupersedeLock {
        lock: OsLock,
        frozen: Option<usize>,
    },
    SupersedeRename {
        frozen: Option<usize>,
    },
    /// (Only with a rule broken.) It freed the name: link its own file.
    SupersedeLink {
        frozen: Option<usize>,
    },
    SupersedeClose,
    /// Its caller has the lock.
    Holding,
    BeatLook,
    ReleaseLook,
    ReleaseUnlink,
    ReleaseClose,
    KeepUnlock,
    LeaveWrite,
    LeaveUnlock,
}

/// A file that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    pub ino: Ino,
    /// It was watched for the owner's whole lease and did not move.
    pub unmoved: bool,
    /// It moved since its dates were last looked at.
    pub moved: bool,
    /// It was written to since it was last read.
    pub rewritten: bool,
}

/// An owned lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub ino: Ino,
    pub token: u64,
    pub written: u64,
    /// The token in the file when the process took the lock.
    pub base: u64,
    /// The processes, one bit each, that were awake and watched this one's whole lease pass without a beat.
    pub watched_by: u8,
}

impl Held {
    pub fn new(ino: Ino, token: u64) -> Self {
        Self { ino, token, written: token, base: token, watched_by: 0 }
    }

    /// Whether it may be handed over once more.
    pub fn has_tokens_left(&self) -> bool {
        self.token < self.last_token()
    }

    /// The largest token that it hands out.
    pub fn last_token(&self) -> u64 {
        self.base + TOKEN_STRIDE / 4 * 3
    }
}

/// A lock file that was given up and could not be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leftover {
    pub ino: Ino,
    pub token: u64,
    pub pc: LeftoverPc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftoverPc {
    Lock,
    Read,
    Guard,
    Look,
    Unlink,
    Close,
}

impl Native {
    pub const IDLE: Self =
        Self { pc: Pc::Waiting, seen: None, held: None, leftover: None, last_token: 0, fence: u64::MAX };

    /// The process as it is after its lock has ended.
    pub fn ended(&self) -> Self {
        Self { leftover: self.leftover, ..Self::IDLE }
    }

    /// Whether it believes that it owns `ino`: it has taken the lock, and not begun to give it up.
    pub fn owns(&self, ino: Ino) -> bool {
        let believes = matches!(
            self.pc,
            Pc::Begin { .. }
                | Pc::Elapsed { .. }
                | Pc::ConfirmGuard
                | Pc::ConfirmLook
                | Pc::ConfirmUnguard { .. }
                | Pc::AdoptUnguard
                | Pc::SupersedeClose
                | Pc::Holding
                | Pc::BeatLook
        );
        believes && self.held.is_some_and(|held| held.ino == ino)
    }

    /// Whether it is between two sequences of calls, where time may pass.
    pub fn rests(&self) -> bool {
        matches!(self.pc, Pc::Waiting | Pc::Holding)
            && self.leftover.is_none_or(|leftover| leftover.pc == LeftoverPc::Lock)
    }

    /// Whether it is on its way to the lock.
    pub fn wants(&self) -> bool {
        !matches!(self.pc, Pc::Holding | Pc::BeatLook) && !self.gives_up()
    }

    /// Whether it is giving up the lock it had.
    pub fn gives_up(&self) -> bool {
        use Pc::{KeepUnlock, LeaveUnlock, LeaveWrite, ReleaseClose, ReleaseLook, ReleaseUnlink};
        matches!(self.pc, ReleaseLook | ReleaseUnlink | ReleaseClose | KeepUnlock | LeaveWrite | LeaveUnlock)
    }
}

/// A process's descriptor of the file it contends for or owns.
pub fn main_fd(process: usize) -> Fd {
    Fd { process, slot: 0 }
}

/// A process's descriptor of a file it gave up.
pub fn leftover_fd(process: usize) -> Fd {
    Fd { process, slot: 1 }
}
