//! How a process looks at a lock file, one system call a step. It follows `Contender::look`.

use super::native::{Pc, Seen, main_fd};
use super::rules::Rule;
use super::world::{At, World};
use super::{Clock, Model, Next, stepped};
use crate::lock::record::token_after_release;
use crate::lock::sys::OsLock;
use crate::lock::verdict::Verdict;

impl Model {
    /// The next step of `process`, on its way to the lock or with it.
    pub fn step(&self, world: &World, process: usize, out: &mut Vec<Next>) {
        let At { native, fd, ino, named } = world.at(process);
        let mut go = |what, change: &dyn Fn(&mut World) -> Pc| out.push(stepped(world, process, what, change));
        match native.pc {
            Pc::Waiting if native.seen.is_some() => {
                go("asks for the flock", &|next| Pc::Compare { lock: next.try_flock(fd, ino) });
            }
            Pc::Waiting if self.keeps(process) && world.name.is_some() => {
                go("finds the file there", &|_| Pc::Open);
            }
            Pc::Waiting if self.clock == Clock::Ignored => {
                // Nobody else can see its own file until it is linked.
                go("links its own file to the name", &|next| self.publish(next, process, 0));
            }
            Pc::Waiting => {
                for now in self.readings(world) {
                    let token = token_after_release(native.last_token, now);
                    go("fills and locks a nameless file", &|_| Pc::Link { token });
                }
            }
            Pc::Open => go("opens the file", &|next| {
                let open = |ino| Seen { ino, unmoved: false, moved: false, rewritten: false };
                next.natives[process].seen = next.name.map(open);
                Pc::Waiting
            }),
            Pc::Compare { lock } => go("compares it with the name", &|next| {
                if !named && self.keeps_to(Rule::CompareAfterLock) {
                    return self.moved(next, process);
                }
                let Some(seen) = next.natives[process].seen.as_mut() else { return Pc::Waiting };
                seen.unmoved &= !seen.moved;
                seen.moved = false;
                Pc::Read { lock }
            }),
            Pc::Read { lock } => go("reads it", &|next| self.read(next, process, lock)),
            Pc::Unlock => go("gives the flock back", &|next| {
                next.unlock(fd, ino);
                Pc::Waiting
            }),
            _ => {
                self.publishing(world, process, out);
                self.adopting(world, process, out);
                self.superseding(world, process, out);
                self.own(world, process, out);
            }
        }
    }

    fn read(&self, next: &mut World, process: usize, lock: OsLock) -> Pc {
        let verdict = self.judge(next, process, lock);
        let native = &mut next.natives[process];
        let Some(seen) = native.seen.as_mut() else { return Pc::Waiting };
        seen.rewritten = false;
        native.last_token = native.last_token.max(next.inodes[seen.ino].record.token());
        match verdict {
            Verdict::Adopt(cause) => Pc::AdoptGuard { cause },
            Verdict::Supersede(_) => Pc::SupersedeGuard { lock },
            Verdict::Wait { .. } | Verdict::Refuse(_) if lock == OsLock::Acquired => Pc::Unlock,
            Verdict::Wait { .. } | Verdict::Refuse(_) => Pc::Waiting,
        }
    }

    /// The name leads elsewhere: start over.
    pub fn moved(&self, next: &mut World, process: usize) -> Pc {
        if let Some(seen) = next.natives[process].seen
            && self.keeps_to(Rule::StartOver)
        {
            next.natives[process].seen = None;
            next.close(main_fd(process), seen.ino);
        }
        Pc::Waiting
    }
}
