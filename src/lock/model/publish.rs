//! How a new lock file gets its name, one system call a step. It follows `Draft` and `Contender::publish`.

use std::time::SystemTime;

use super::native::{Held, Pc, main_fd};
use super::rules::Rule;
use super::world::{Record, World};
use super::{Clock, Model, Next, stepped};
use crate::lock::record::clock_token;

impl Model {
    /// The next step of a process whose own file is complete.
    pub fn publishing(&self, world: &World, process: usize, out: &mut Vec<Next>) {
        let native = &world.natives[process];
        let mut go = |what, change: &dyn Fn(&mut World) -> Pc| out.push(stepped(world, process, what, change));
        let fd = main_fd(process);
        match native.pc {
            Pc::Link { token } => go("links it to the name", &|next| self.publish(next, process, token)),
            Pc::Begin { slept } => {
                for now in self.readings(world) {
                    go("writes that it has the lock, and the later token", &|next| {
                        self.begin(next, process, now);
                        Pc::Elapsed { slept }
                    });
                }
            }
            Pc::Elapsed { slept } => go("measures how long that took", &|next| {
                if slept {
                    return Pc::ConfirmGuard;
                }
                self.hand_out(next, process);
                Pc::Holding
            }),
            Pc::LockPublished { token } => go("locks it", &|next| {
                let there = next.name.unwrap_or_default();
                next.try_flock(fd, there);
                next.natives[process].held = Some(Held::new(there, token));
                self.hand_out(next, process);
                Pc::Holding
            }),
            Pc::FillPublished { token } => go("fills it", &|next| {
                let there = next.name.unwrap_or_default();
                next.write(there, Record::Native { owner: Some(process), token, held: true });
                next.natives[process].held = Some(Held::new(there, token));
                self.hand_out(next, process);
                Pc::Holding
            }),
            Pc::ConfirmGuard => go("takes the guard to see whether it is still its own", &|next| {
                let ino = native.held.map_or(usize::MAX, |held| held.ino);
                if self.keeps_to(Rule::GuardConfirmation) && !next.try_guard(fd, ino) {
                    return abandon(next, process);
                }
                Pc::ConfirmLook
            }),
            Pc::ConfirmLook => go("checks whether it is still its own", &|next| {
                let lost = native.held.is_none_or(|held| next.name != Some(held.ino));
                Pc::ConfirmUnguard { ours: !lost || !self.keeps_to(Rule::Confirm) }
            }),
            Pc::ConfirmUnguard { ours } => go("gives the guard back", &|next| {
                next.unguard(fd, native.held.map_or(usize::MAX, |held| held.ino));
                if !ours {
                    return abandon(next, process);
                }
                self.hand_out(next, process);
                Pc::Holding
            }),
            _ => {}
        }
    }

    pub fn publish(&self, next: &mut World, process: usize, token: u64) -> Pc {
        if next.name.is_some() {
            return Pc::Open;
        }
        let complete = Record::Native { owner: Some(process), token, held: true };
        if !self.keeps_to(Rule::LockBeforeName) {
            next.name = Some(next.create(complete, None));
            return Pc::LockPublished { token };
        }
        if !self.keeps_to(Rule::FillBeforeName) {
            next.name = Some(next.create(Record::Unreadable { by_js: false }, Some(main_fd(process))));
            return Pc::FillPublished { token };
        }
        let ino = next.create(complete, Some(main_fd(process)));
        next.name = Some(ino);
        next.natives[process].held = Some(Held::new(ino, token));
        if self.clock == Clock::Ignored { Pc::Holding } else { Pc::Begin { slept: false } }
    }

    /// Dates the token anew: others may have had the lock between the writing of the record and its naming.
    fn begin(&self, next: &mut World, process: usize, now: SystemTime) {
        if let Some(held) = next.natives[process].held.as_mut()
            && self.keeps_to(Rule::DateTokens)
        {
            held.token = held.token.max(clock_token(now));
            held.base = held.token;
        }
        next.write_token(process);
    }
}

/// The lock was taken away before its caller had it.
fn abandon(next: &mut World, process: usize) -> Pc {
    if let Some(held) = next.natives[process].held.take() {
        next.close(main_fd(process), held.ino);
    }
    Pc::Waiting
}
