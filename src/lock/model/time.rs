//! Time and death, which may come to any process at any step.

use super::js::Js;
use super::native::{Native, Pc, leftover_fd, main_fd};
use super::rules::Rule;
use super::world::{Record, World};
use super::{Action, Model, Next};
use crate::lock::record::TOKEN_STRIDE;

impl Model {
    /// Any process may be killed: its descriptors are closed, and no process has its pid any longer.
    pub fn kill(&self, world: &World, out: &mut Vec<Next>) {
        for process in (0..self.natives).filter(|&process| world.natives[process] != Native::IDLE) {
            let mut next = troubled(world);
            next.natives[process] = Native::IDLE;
            for ino in 0..next.inodes.len() {
                next.close(main_fd(process), ino);
                next.close(leftover_fd(process), ino);
            }
            for inode in &mut next.inodes {
                if let Record::Native { owner, .. } = &mut inode.record
                    && *owner == Some(process)
                {
                    *owner = None;
                }
            }
            out.push((Action::Kill(process), next));
        }
        if !matches!(world.js, Js::Absent | Js::Idle) {
            let mut next = troubled(world);
            next.js = Js::Idle;
            for inode in &mut next.inodes {
                if let Record::Js { alive } = &mut inode.record {
                    *alive = false;
                }
            }
            out.push((Action::Kill(self.natives), next));
        }
    }

    /// More time passes than any lease, grace or `stale` lasts. Processes that are awake have finished what they were
    /// doing, and keep beating and looking meanwhile; the others do nothing at all.
    pub fn sleep(&self, world: &World, out: &mut Vec<Next>) {
        let natives = 0..self.natives;
        let asleep_in = |set: u8, process: usize| set & 1 << process != 0;
        let js_asleep = u8::from(world.js.is_busy()) << self.natives;
        for set in 0..1_u8 << self.natives {
            let possible = natives.clone().all(|process| {
                let native = &world.natives[process];
                if asleep_in(set, process) {
                    // A process that wants nothing and has nothing may as well be awake.
                    *native != Native::IDLE
                } else {
                    // An owner that lost its lock would notice at its first beat.
                    native.rests() && native.held.is_none_or(|held| world.name == Some(held.ino))
                }
            });
            if possible {
                let next = self.slept(world, |process| asleep_in(set, process));
                out.push((Action::Sleep(set | js_asleep), next));
            }
        }
    }

    fn slept(&self, world: &World, asleep: impl Fn(usize) -> bool) -> World {
        let mut next = troubled(world);
        let natives = 0..self.natives;
        next.inodes.iter_mut().for_each(|inode| inode.old = true);
        let watchers = |ino| {
            let watches = |&process: &usize| {
                let native = &world.natives[process];
                !asleep(process) && native.seen.is_some_and(|seen| seen.ino == ino)
            };
            natives.clone().filter(watches).fold(0, |set, process| set | 1 << process)
        };
        for (process, native) in next.natives.iter_mut().enumerate() {
            if let Some(seen) = native.seen.as_mut()
                && (!asleep(process) || !self.keeps_to(Rule::CountOnlyTimeAwake))
            {
                seen.unmoved = true;
                seen.moved = false;
            }
            if let Some(held) = native.held.as_mut() {
                held.watched_by |= watchers(held.ino);
            }
            if let Pc::Begin { slept } | Pc::Elapsed { slept } = &mut native.pc {
                *slept = true;
            }
        }
        for process in natives.clone().filter(|&process| !asleep(process)) {
            self.beat(&mut next, process);
        }
        next.js.outstay();
        next.clock += 2 * TOKEN_STRIDE;
        next
    }
}

fn troubled(world: &World) -> World {
    World { troubles: world.troubles.map(|left| left.saturating_sub(1)), ..world.clone() }
}
