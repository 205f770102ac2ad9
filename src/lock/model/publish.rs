//! How a new lock file gets its name, one system call a step. It follows `Draft` and `Contender::publish`.

use std::time::SystemTime;

use super::native::{Held, Pc, main_fd};
use super::rules::Rule;
use super::world::{Record, World};
use super::{Clock, Model, Next, stepped};
use crate::lock::record::{TOKEN_STRIDE, clock_token};

impl Model {
    /// The next step of a process whose own file is complete.
    pub fn publishing(&self, world: &World, process: usize, out: &mut Vec<Next>) {
        let native = &world.natives[process];
        let mut go = |what, change: &dyn Fn(&mut World) -> Pc| out.push(stepped(world, process, what, change));
        let fd = main_fd(process);
        match native.pc {
            Pc::Link { token } => go("links it to the name", &|next| self.publish(next, process, token)),
            Pc::Clock => {
                for now in self.readings(world) {
                    go("looks how long that took", &|next| self.date(next, process, now));
                }
            }
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
            Pc::Date => go("writes the later token", &|next| {
                next.write_token(process);
                self.hand_out(next, process);
                Pc::Holding
            }),
            Pc::DateGuard => go("takes the guard to write the later token", &|next| {
                let ino = native.held.map_or(usize::MAX, |held| held.ino);
                if self.keeps_to(Rule::GuardDate) && !next.try_guard(fd, ino) {
                    return abandon(next, process);
                }
                Pc::DateLook
            }),
            Pc::DateLook => go("looks whether it is still its own", &|next| {
                let lost = native.held.is_none_or(|held| next.name != Some(held.ino));
                if lost && self.keeps_to(Rule::LookBeforeDate) { abandon(next, process) } else { Pc::DateWrite }
            }),
            Pc::DateWrite => go("writes the later token", &|next| {
                next.write_token(process);
                if let Some(held) = next.natives[process].held.as_mut() {
                    held.base = held.written;
                }
                self.hand_out(next, process);
                Pc::DateUnguard
            }),
            Pc::DateUnguard => go("gives the guard back", &|next| {
                next.unguard(fd, native.held.map_or(usize::MAX, |held| held.ino));
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
        if self.clock == Clock::Ignored { Pc::Holding } else { Pc::Clock }
    }

    /// Others may have had the lock between the writing of the record and its naming.
    fn date(&self, next: &mut World, process: usize, now: SystemTime) -> Pc {
        let Some(held) = next.natives[process].held.as_mut() else { return Pc::Waiting };
        let gap = clock_token(now).saturating_sub(held.token);
        if self.keeps_to(Rule::DateTokens) {
            held.token += gap;
            if gap >= TOKEN_STRIDE {
                return Pc::DateGuard;
            }
            return Pc::Date;
        }
        self.hand_out(next, process);
        Pc::Holding
    }
}

/// The lock was taken away before its caller had it.
fn abandon(next: &mut World, process: usize) -> Pc {
    if let Some(held) = next.natives[process].held.take() {
        next.close(main_fd(process), held.ino);
    }
    Pc::Waiting
}
