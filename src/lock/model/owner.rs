//! What a native process does with a lock it has: it beats, hands over, releases, and removes later what could not
//! be removed at once. It follows `Sidecar`.

use super::native::{Leftover, LeftoverPc, Pc, leftover_fd, main_fd};
use super::rules::Rule;
use super::world::{Record, World};
use super::{Action, Model, Next, stepped};
use crate::lock::record::TOKEN_STRIDE;
use crate::lock::sys::OsLock;

impl Model {
    /// The next step of a process that has a lock file.
    pub fn own(&self, world: &World, process: usize, out: &mut Vec<Next>) {
        let Some(held) = world.natives[process].held else { return };
        let (fd, ino) = (main_fd(process), held.ino);
        let ours = world.name == Some(ino);
        let mut go = |what, change: &dyn Fn(&mut World) -> Pc| out.push(stepped(world, process, what, change));
        let close = |next: &mut World| {
            next.close(fd, ino);
            next.natives[process] = next.natives[process].ended();
            Pc::Waiting
        };
        match world.natives[process].pc {
            Pc::Holding => {
                go("beats", &|next| {
                    self.beat(next, process);
                    Pc::BeatLook
                });
                if self.hands_over && (held.has_tokens_left() || !self.keeps_to(Rule::TokensLeft)) {
                    go("hands over to its other tasks", &|next| {
                        self.hand_over(next, process);
                        Pc::Holding
                    });
                }
                if self.keeps(process) {
                    go("writes that it released it", &|next| {
                        next.write_release(process);
                        Pc::KeepUnlock
                    });
                } else {
                    go("takes the guard to release it", &|next| {
                        let guarded = !self.keeps_to(Rule::GuardRelease) || next.try_guard(fd, ino);
                        if guarded { Pc::ReleaseLook } else { Pc::LeaveWrite }
                    });
                }
            }
            Pc::BeatLook => {
                go("checks whether it is still its own", &|next| {
                    if !ours {
                        return close(next);
                    }
                    Pc::Holding
                });
            }
            Pc::ReleaseLook => go("checks whether it is still its own", &|next| {
                if !ours && self.keeps_to(Rule::LookBeforeUnlink) {
                    return Pc::ReleaseClose;
                }
                if !self.keeps_to(Rule::UnlinkBeforeClose) {
                    next.close(fd, ino);
                }
                Pc::ReleaseUnlink
            }),
            Pc::ReleaseUnlink => go("unlinks the name", &|next| {
                self.unlink(next, process, ino);
                Pc::ReleaseClose
            }),
            Pc::ReleaseClose => go("closes it", &|next| close(next)),
            Pc::KeepUnlock => go("gives the flock back", &|next| close(next)),
            Pc::LeaveWrite => go("writes that it is free", &|next| {
                next.write_release(process);
                next.inodes[ino].old = true;
                Pc::LeaveUnlock
            }),
            Pc::LeaveUnlock => go("gives the flock back", &|next| {
                let leftover = Leftover { ino, token: held.token, pc: LeftoverPc::Lock };
                self.leave(next, process, leftover);
                close(next)
            }),
            _ => {}
        }
    }

    pub fn beat(&self, next: &mut World, process: usize) {
        let Some(held) = next.natives[process].held.as_mut() else { return };
        held.watched_by = 0;
        let (ino, unwritten) = (held.ino, held.token != held.written);
        if !self.keeps_to(Rule::Beat) {
            return;
        }
        if unwritten {
            next.write_token(process);
        } else {
            // Writes a timestamp over a timestamp, whatever else is in the file.
            next.touch(ino);
        }
    }

    /// Hands over until (almost) no token is left: stopping at a round number keeps the states few.
    fn hand_over(&self, next: &mut World, process: usize) {
        let Some(held) = next.natives[process].held.as_mut() else { return };
        held.token = if self.keeps_to(Rule::TokensLeft) { held.last_token() } else { held.token + TOKEN_STRIDE };
        self.hand_out(next, process);
    }

    /// Keeps a leftover to try its removal again, if the model has room for one. Older ones are closed for it, as by
    /// a kill.
    fn leave(&self, next: &mut World, process: usize, leftover: Leftover) {
        for other in (0..self.natives).filter(|&other| other == process || self.leftovers < 2) {
            if let Some(older) = next.natives[other].leftover.take() {
                next.close(leftover_fd(other), older.ino);
            }
        }
        if self.leftovers > 0 {
            next.natives[process].leftover = Some(leftover);
        }
    }

    /// The next step of trying again to remove a lock file.
    pub fn retry(&self, world: &World, process: usize, out: &mut Vec<Next>) {
        let Some(leftover) = world.natives[process].leftover else { return };
        let Leftover { ino, token, pc } = leftover;
        let fd = leftover_fd(process);
        let mut next = world.clone();
        let (what, pc) = match pc {
            LeftoverPc::Lock if !self.keeps_to(Rule::LockBeforeRetry) => ("goes on", Some(LeftoverPc::Read)),
            LeftoverPc::Lock => {
                let free = next.try_flock(fd, ino) == OsLock::Acquired;
                ("asks for the flock of a leftover", free.then_some(LeftoverPc::Read))
            }
            LeftoverPc::Read => {
                let untouched = world.inodes[ino].record == Record::Native { owner: Some(process), token, held: false };
                let go_on = untouched || !self.keeps_to(Rule::ReadBeforeRetry);
                ("reads the leftover", Some(if go_on { LeftoverPc::Guard } else { LeftoverPc::Close }))
            }
            LeftoverPc::Guard if next.try_guard(fd, ino) => ("takes the guard of the leftover", Some(LeftoverPc::Look)),
            LeftoverPc::Guard => {
                next.unlock(fd, ino);
                ("finds the leftover guarded", Some(LeftoverPc::Lock))
            }
            LeftoverPc::Look => {
                let ours = world.name == Some(ino);
                let pc = if ours { LeftoverPc::Unlink } else { LeftoverPc::Close };
                ("checks whether the leftover is still there", Some(pc))
            }
            LeftoverPc::Unlink => {
                self.unlink(&mut next, process, ino);
                ("unlinks the leftover", Some(LeftoverPc::Close))
            }
            LeftoverPc::Close => ("closes the leftover", None),
        };
        if pc.is_none() {
            next.close(fd, ino);
        }
        next.natives[process].leftover = pc.map(|pc| Leftover { ino, token, pc });
        out.push((Action::Step(process, what), next));
    }
}
