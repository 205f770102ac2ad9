//! How a lock file that nobody owns is taken over in place, one system call a step. It follows `Contender::adopt`.

use super::native::{Held, Pc};
use super::rules::Rule;
use super::world::{At, Record, World};
use super::{Model, Next, stepped};
use crate::lock::verdict::Cause;

impl Model {
    /// The next step of a process that adopts a lock file.
    pub fn adopting(&self, world: &World, process: usize, out: &mut Vec<Next>) {
        let At { native, fd, ino, named } = world.at(process);
        let mut go = |what, change: &dyn Fn(&mut World) -> Pc| out.push(stepped(world, process, what, change));
        match native.pc {
            Pc::AdoptGuard { cause } => go("takes the guard to adopt it", &|next| {
                if self.keeps_to(Rule::GuardAdoption) && !next.try_guard(fd, ino) {
                    return Pc::Unlock;
                }
                // Only native peers share lock files that are kept on release.
                if cause == Cause::Released { Pc::AdoptCompare { cause } } else { Pc::AdoptRead { cause } }
            }),
            Pc::AdoptRead { cause } => go("reads it again", &|next| {
                let changed = next.natives[process].seen.is_some_and(|seen| seen.rewritten);
                if changed && self.keeps_to(Rule::ReadAgain) {
                    return self.moved(next, process);
                }
                Pc::AdoptCompare { cause }
            }),
            Pc::AdoptCompare { cause } => go("compares it again", &|next| {
                if !named && self.keeps_to(Rule::CompareUnderGuard) {
                    return self.moved(next, process);
                }
                Pc::AdoptWrite { cause }
            }),
            Pc::AdoptWrite { cause } if !self.keeps_to(Rule::NeverTruncate) => go("truncates it", &|next| {
                next.write(ino, Record::Unreadable { by_js: false });
                Pc::AdoptFill { cause }
            }),
            Pc::AdoptWrite { cause } | Pc::AdoptFill { cause } => {
                for now in self.readings(world) {
                    let token = self.adopted_token(world, process, cause, now);
                    go("writes its own record over the old one", &|next| {
                        let confirm = overwrite(next, process, token);
                        if cause != Cause::Released {
                            return confirm;
                        }
                        self.hand_out(next, process);
                        Pc::AdoptUnguard
                    });
                }
            }
            Pc::AdoptConfirm => go("compares it once more", &|next| {
                if !named && self.keeps_to(Rule::CompareAfterAdoption) {
                    next.natives[process].held = None;
                    return self.moved(next, process);
                }
                self.hand_out(next, process);
                Pc::AdoptUnguard
            }),
            Pc::AdoptUnguard => go("gives the guard back", &|next| {
                if self.keeps_to(Rule::GiveGuardBack) {
                    next.unguard(fd, ino);
                }
                next.natives[process].seen = None;
                Pc::Holding
            }),
            _ => {}
        }
    }
}

fn overwrite(next: &mut World, process: usize, token: u64) -> Pc {
    let Some(seen) = next.natives[process].seen else { return Pc::Waiting };
    next.write(seen.ino, Record::Native { owner: Some(process), token, held: true });
    next.natives[process].held = Some(Held::new(seen.ino, token));
    Pc::AdoptConfirm
}
