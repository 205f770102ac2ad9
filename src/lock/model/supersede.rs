//! How a lock is taken from an owner that is frozen, one system call a step. It follows `Contender::supersede`.

use super::native::{Held, Pc, main_fd};
use super::rules::Rule;
use super::world::{At, Ino, Record, World};
use super::{Model, Next, stepped};
use crate::lock::record::next_token;
use crate::lock::sys::OsLock;

impl Model {
    /// The next step of a process that supersedes an owner.
    pub fn superseding(&self, world: &World, process: usize, out: &mut Vec<Next>) {
        let At { native, fd, ino, named } = world.at(process);
        let mut go = |what, change: &dyn Fn(&mut World) -> Pc| out.push(stepped(world, process, what, change));
        match native.pc {
            Pc::SupersedeGuard { lock } => go("takes the guard to supersede it", &|next| {
                if self.keeps_to(Rule::GuardSupersession) && !next.try_guard(fd, ino) {
                    return if lock == OsLock::Acquired { Pc::Unlock } else { Pc::Waiting };
                }
                Pc::SupersedeCompare { lock, frozen: watched(next, process, ino) }
            }),
            Pc::SupersedeCompare { lock, frozen } => go("checks whether it moved", &|next| {
                let moved = next.natives[process].seen.is_some_and(|seen| seen.moved);
                if !named && self.keeps_to(Rule::CompareUnderGuard) || moved && self.keeps_to(Rule::Unchanged) {
                    return self.moved(next, process);
                }
                Pc::SupersedeLock { lock, frozen }
            }),
            Pc::SupersedeLock { lock, frozen } => go("asks for the flock again", &|next| {
                if next.try_flock(fd, ino) != lock && self.keeps_to(Rule::LockStill) {
                    return self.moved(next, process);
                }
                Pc::SupersedeRename { frozen }
            }),
            Pc::SupersedeRename { frozen } if !self.keeps_to(Rule::NeverFreeTheName) => {
                go("removes the old file", &|next| {
                    self.unlink(next, process, ino);
                    Pc::SupersedeLink { frozen }
                });
            }
            Pc::SupersedeRename { frozen } | Pc::SupersedeLink { frozen } => {
                for now in self.readings(world) {
                    let token = next_token(native.last_token, now);
                    go("renames its own file over it", &|next| {
                        supersede(next, process, frozen, token);
                        self.hand_out(next, process);
                        Pc::SupersedeClose
                    });
                }
            }
            Pc::SupersedeClose => go("closes the old file", &|next| {
                next.close(fd, ino);
                next.natives[process].seen = None;
                Pc::Holding
            }),
            _ => {}
        }
    }
}

fn supersede(next: &mut World, process: usize, frozen: Option<usize>, token: u64) {
    let Some(seen) = next.natives[process].seen else { return };
    let record = Record::Native { owner: Some(process), token, held: true };
    let new = next.create(record, Some(main_fd(process)));
    next.replace(process, seen.ino, new, frozen);
    next.natives[process].held = Some(Held::new(new, token));
}

/// The owner of the file, if `watcher` watched its whole lease pass without a beat.
fn watched(world: &World, watcher: usize, ino: Ino) -> Option<usize> {
    let owner = world.natives.iter().position(|native| native.owns(ino))?;
    let watched_by = world.natives[owner].held.map_or(0, |held| held.watched_by);
    (watched_by & 1 << watcher != 0).then_some(owner)
}
