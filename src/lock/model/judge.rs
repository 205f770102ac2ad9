//! What a look leads to: the engine's own verdict on what the model's process sees, and the engine's own tokens.

use std::time::{Duration, SystemTime};

use super::native::Held;
use super::rules::Rule;
use super::world::{Ino, Record, World};
use super::{Clock, Model};
use crate::lock::identity::Identity;
use crate::lock::record::{Claim, Contents, JsRecord, NativeRecord, OwnRecord, TOKEN_STRIDE, clock_token, next_token};
use crate::lock::sys::{Life, OsLock};
use crate::lock::terms::Terms;
use crate::lock::verdict::{Cause, Sighting, Verdict, verdict};

/// Longer than every lease, every grace and every `stale`.
const LONG: Duration = Duration::from_hours(24);
const NOW: Duration = Duration::from_hours(500_000);
const LIVING: u32 = 20;
const DEAD: u32 = 30;

/// What a verdict rests on. Tokens are blanked, so that equal facts are judged only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    lock: OsLock,
    record: Record,
    old: bool,
    unmoved: bool,
}

impl Model {
    /// The engine's verdict on the file that `process` has locked (or not) and read.
    pub fn judge(&self, world: &World, process: usize, lock: OsLock) -> Verdict {
        let Some(seen) = world.natives[process].seen else { return Verdict::Wait { recheck: None } };
        let inode = &world.inodes[seen.ino];
        let record = match inode.record {
            Record::Native { owner, held, .. } => Record::Native { owner: owner.map(|_| 0), token: 0, held },
            other => other,
        };
        if !self.keeps_to(Rule::BelieveJsRecords) && lock == OsLock::Acquired && record == (Record::Js { alive: true })
        {
            return Verdict::Adopt(Cause::TooOld);
        }
        if lock == OsLock::Busy && matches!(record, Record::Native { held, .. } if self.waits_for_ever(held)) {
            return Verdict::Wait { recheck: None };
        }
        let unmoved = seen.unmoved || !self.keeps_to(Rule::WatchTheLease);
        let facts = Facts { lock, record, old: inode.old, unmoved };
        *self.verdicts.borrow_mut().entry(facts).or_insert_with(|| decide(&facts))
    }

    fn waits_for_ever(&self, held: bool) -> bool {
        !held && !self.keeps_to(Rule::SupersedeTheFree)
    }

    /// What the wall clock may show.
    pub fn readings(&self, world: &World) -> Vec<SystemTime> {
        let honest = SystemTime::UNIX_EPOCH + Duration::from_nanos(world.clock);
        match self.clock {
            Clock::Ignored | Clock::Honest => vec![honest],
            Clock::Fickle => vec![honest, SystemTime::UNIX_EPOCH],
        }
    }

    /// The token of an adopter.
    pub fn adopted_token(&self, world: &World, process: usize, cause: Cause, now: SystemTime) -> u64 {
        let native = &world.natives[process];
        let last = native.seen.map_or(0, |seen| world.inodes[seen.ino].record.token());
        match cause {
            Cause::Released => clock_token(now).max(last + 1),
            _ if self.keeps_to(Rule::Stride) => next_token(native.last_token, now),
            _ => clock_token(now).max(native.last_token + 1),
        }
    }

    /// `process` hands out the token of the lock it holds.
    pub fn hand_out(&self, next: &mut World, process: usize) {
        let Some(Held { ino, token, .. }) = next.natives[process].held else { return };
        if self.clock == Clock::Ignored {
            return;
        }
        if next.name != Some(ino) {
            if token >= next.natives[process].fence && !next.inodes[ino].robbed {
                next.breaks("tokens of an owner that lost its lock are smaller than its successor's");
            }
            return;
        }
        if token <= next.handed {
            next.breaks("tokens grow from owner to owner");
        }
        next.handed = token;
        // Every owner has the lock for some time, and a death takes a moment to be noticed.
        next.clock = next.clock.max(token) + TOKEN_STRIDE / 2;
        for (other, native) in next.natives.iter_mut().enumerate() {
            if other != process && native.held.is_some() && native.fence == u64::MAX {
                native.fence = token;
            }
        }
    }

    /// A native process removes the name.
    pub fn unlink(&self, next: &mut World, process: usize, ino: Ino) {
        next.unlink(process, ino);
        if self.clock == Clock::Fickle && next.name.is_none() {
            next.handed = 0;
        }
    }
}

fn decide(facts: &Facts) -> Verdict {
    let now = SystemTime::UNIX_EPOCH + NOW;
    let changed = if facts.old { now - LONG } else { now };
    let us = identity(10);
    let contents = match facts.record {
        Record::Unreadable { .. } => Contents::Unreadable,
        Record::Js { alive } => {
            let pid = Some(if alive { LIVING } else { DEAD });
            Contents::Js(JsRecord { pid, created_at: Some(changed), start: None, created_text: None })
        }
        Record::Native { owner, held, .. } => {
            let claim = Claim::default().into();
            let pid = if owner.is_some() { LIVING } else { DEAD };
            let mut record = NativeRecord::new(&identity(pid), &OwnRecord::new(&claim, 1, true, changed), changed);
            record.leasehold.held = held;
            Contents::Native(Box::new(record))
        }
    };
    let unmoved = if facts.unmoved { LONG } else { Duration::ZERO };
    let sighting = Sighting { os_lock: facts.lock, contents: &contents, modified: changed, unmoved, now, us: &us };
    let life = |pid| if pid == DEAD { Life::Dead } else { Life::Alive { start: Some(1) } };
    verdict(&sighting, &Terms::default(), life)
}

fn identity(pid: u32) -> Identity {
    Identity {
        pid,
        start: Some(1),
        host: "here".into(),
        machine_id: Some("machine".into()),
        boot_id: Some("boot".into()),
        pid_namespace: Some(1),
    }
}
