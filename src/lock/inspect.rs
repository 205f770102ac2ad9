//! Who holds a lock, for people and for error messages. Looking changes nothing.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::error::LockError;
use super::identity::{Distance, Identity};
use super::record::{Contents, MAX_LEN, parse_iso};
use super::sys::{self, FileKind, FsClass, Life, Meta, age};
use super::target::Target;

/// Who owns a lock, as far as its record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The recorded process; `None` when the record does not say or cannot be read.
    pub pid: Option<u32>,
    /// Whether that process lives; `None` when it cannot be known from here.
    pub alive: Option<bool>,
    /// Where it lives.
    pub place: Place,
    /// When it took the lock.
    pub since: Option<SystemTime>,
    /// How long it had held the lock when its record was read.
    pub age: Option<Duration>,
    /// Whether it is a native peer.
    pub native: bool,
    /// The name it gave its work.
    pub label: Option<String>,
    /// Its host name, where it recorded one.
    pub host: Option<String>,
    /// Its fencing token, where it has one.
    pub token: Option<u64>,
}

/// Where an owner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this process.
    Here,
    /// In another process of this machine.
    OtherProcess,
    /// In another pid namespace (a container) of this machine.
    OtherNamespace,
    /// On another machine, or on this one before it was rebooted.
    OtherHost,
    /// The record does not say.
    Unknown,
}

impl Place {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Here => "this-process",
            Self::OtherProcess => "other-process",
            Self::OtherNamespace => "other-namespace",
            Self::OtherHost => "other-host",
            Self::Unknown => "unknown",
        }
    }
}

impl Owner {
    /// An owner of whom nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(&Contents::Unreadable, SystemTime::UNIX_EPOCH)
    }

    /// Reads an owner out of a record.
    #[must_use]
    pub fn of(contents: &Contents, now: SystemTime) -> Self {
        let us = Identity::of_this_process();
        let (pid, start, since, distance) = match contents {
            Contents::Native(record) => {
                (Some(record.pid), record.starttime, parse_iso(&record.leasehold.acquired_at), us.distance(record))
            }
            Contents::Js(record) => (record.pid, record.start, record.created_at, Distance::SameNamespace),
            Contents::Unreadable => (None, None, None, Distance::SameNamespace),
        };
        let alive = pid.filter(|_| distance == Distance::SameNamespace).map(|pid| match sys::process_life(pid) {
            Life::Dead => false,
            Life::Alive { start: now } => start.is_none() || now.is_none() || start == now,
        });
        let place = match distance {
            _ if pid.is_none() => Place::Unknown,
            Distance::SameNamespace if pid == Some(us.pid) => Place::Here,
            Distance::SameNamespace => Place::OtherProcess,
            Distance::SameKernel => Place::OtherNamespace,
            Distance::EarlierBoot | Distance::OtherHost => Place::OtherHost,
        };
        let native = match contents {
            Contents::Native(record) => Some(&record.leasehold),
            Contents::Js(_) | Contents::Unreadable => None,
        };
        Self {
            pid,
            alive,
            place,
            since,
            age: since.map(|since| age(now, since)),
            native: native.is_some(),
            label: native.and_then(|native| native.label.clone()),
            host: native.map(|native| native.host.to_string()),
            token: native.map(|native| native.token),
        }
    }

    /// The owner as OpenClaw's session error names it: `pid=7 alive=true ageMs=12`, or `unknown`.
    #[must_use]
    pub fn short(&self) -> String {
        let Some(pid) = self.pid else { return "unknown".to_owned() };
        let alive = self.alive.map_or(String::new(), |alive| format!(" alive={alive}"));
        let age = self.age.map_or(String::new(), |age| format!(" ageMs={}", age.as_millis()));
        format!("pid={pid}{alive}{age}")
    }

    /// What a caller kept out by this owner can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match (self.place, self.alive) {
            (Place::Here, _) => "find the call in this process that has not finished (see heldLocks())",
            (Place::OtherProcess, Some(false)) => "its process is gone: try again",
            (Place::OtherProcess, _) => "wait longer (timeoutMs), or look at what that process is doing",
            (Place::OtherNamespace | Place::OtherHost, _) => {
                "wait longer (timeoutMs), or look at what its process is doing there"
            }
            (Place::Unknown, _) => "its record cannot be read yet: try again, or look at the lock file",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else { return f.write_str("an unknown process") };
        write!(f, "pid {pid}")?;
        if let Some(label) = &self.label {
            write!(f, " for {label:?}")?;
        }
        let host = self.host.as_deref().unwrap_or("unknown");
        match self.place {
            Place::Here => f.write_str(" (this process")?,
            Place::OtherProcess => f.write_str(" (another process on this machine")?,
            Place::OtherNamespace => f.write_str(" (another container on this machine")?,
            Place::OtherHost => write!(f, " (on host {host:?}, or here before a reboot")?,
            Place::Unknown => f.write_str(" (unknown")?,
        }
        match self.alive {
            Some(true) => f.write_str(", alive")?,
            Some(false) => f.write_str(", not running")?,
            None => f.write_str(", not known to be alive")?,
        }
        f.write_str(if self.native { ", leasehold)" } else { ", another kind of lock)" })?;
        if let (Some(since), Some(age)) = (self.since, self.age) {
            write!(f, " since {} ({} ms)", super::record::iso(since), age.as_millis())?;
        }
        Ok(())
    }
}

/// What stands at a lock path.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The resolved target.
    pub target: Target,
    /// The owner; `None` when there is no lock file, or a released one.
    pub owner: Option<Owner>,
    /// What was read.
    pub contents: Option<Contents>,
    /// When the lock file last changed: the last beat of a native owner.
    pub modified: Option<SystemTime>,
}

/// Looks at the lock of `path` without asking for it, and without creating or changing anything.
///
/// # Errors
///
/// [`LockError::InvalidPath`], [`LockError::NotALockFile`], or [`LockError::Io`] when the lock file
/// exists and cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection, LockError> {
    let target = Target::locate(path)?;
    let nothing = Inspection { target: target.clone(), owner: None, contents: None, modified: None };
    let read = |error| LockError::io("read", target.lock_path(), error);
    let meta = match sys::stat_path(target.lock_path()) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(nothing),
        Err(error) => return Err(read(error)),
    };
    if meta.kind != FileKind::Regular {
        return Err(LockError::NotALockFile { lock_path: target.lock_path().into(), found: meta.kind });
    }
    let contents = match sys::open_read(target.lock_path()).and_then(|file| read_contents(&file, &meta)) {
        Ok(contents) => contents,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(nothing),
        // Somebody keeps others from reading it, which is as good as unreadable.
        Err(error) if sys::is_transient(&error) => Contents::Unreadable,
        Err(error) => return Err(read(error)),
    };
    let released = matches!(&contents, Contents::Native(record) if !record.leasehold.held);
    let owner = (!released).then(|| Owner::of(&contents, SystemTime::now()));
    Ok(Inspection { owner, contents: Some(contents), modified: Some(meta.modified), target })
}

impl Inspection {
    /// Whether the file system is served by threads of its own.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.target.class() != FsClass::Local
    }
}

/// Reads and parses a lock file, whatever its size.
pub(crate) fn read_contents(file: &File, meta: &Meta) -> std::io::Result<Contents> {
    if meta.len > MAX_LEN as u64 {
        return Ok(Contents::Unreadable);
    }
    // Nearly all are short, and zeroing a buffer for a long one takes longer than reading it.
    let mut short = [0; 2048];
    if meta.len < short.len() as u64 {
        let count = sys::read_start(file, &mut short, meta.len)?;
        if count < short.len() {
            return Ok(Contents::parse(&short[..count]));
        }
    }
    let mut long = [0; MAX_LEN];
    let count = sys::read_start(file, &mut long, meta.len)?;
    Ok(Contents::parse(&long[..count]))
}
