//! Makes states that differ in nothing that matters equal: files that nobody can reach are forgotten, the others are
//! numbered in the order in which they are reached, and of tokens and the clock only the distances are kept.

use super::Clock;
use super::js::Js;
use super::native::{Native, Pc};
use super::world::{Ino, Record, World};
use crate::lock::record::TOKEN_STRIDE;

/// No rule distinguishes larger distances between tokens.
const FAR: u64 = 2 * TOKEN_STRIDE;

pub fn tidy(world: &mut World, clock: Clock) {
    forget(world);
    blank(world);
    renumber(world);
    match clock {
        Clock::Ignored => for_each_token(world, |token| *token = 0),
        Clock::Honest | Clock::Fickle => draw_together(world),
    }
}

/// Forgets what a process has noted and will not look at again.
fn forget(world: &mut World) {
    for native in &mut world.natives {
        let pc = native.pc;
        if let Some(seen) = native.seen.as_mut() {
            if pc == Pc::Waiting {
                // The next look will notice what moved.
                seen.unmoved &= !seen.moved;
                seen.unmoved &= world.name == Some(seen.ino);
            }
            seen.moved &= matches!(
                pc,
                Pc::Compare { .. } | Pc::Read { .. } | Pc::SupersedeGuard { .. } | Pc::SupersedeCompare { .. }
            );
            seen.rewritten &= matches!(pc, Pc::AdoptGuard { .. } | Pc::AdoptRead { .. });
        }
        let given_up = native.gives_up();
        if let Some(held) = native.held.as_mut().filter(|held| given_up || world.name != Some(held.ino)) {
            held.watched_by = 0;
        }
        if native.held.is_some() {
            native.last_token = 0;
        } else {
            native.fence = u64::MAX;
        }
    }
}

/// Blanks files that have lost their name: only processes in the middle of something care what those say.
fn blank(world: &mut World) {
    for ino in 0..world.inodes.len() {
        let cares = |native: &Native| {
            native.seen.is_some_and(|seen| seen.ino == ino) && native.pc != Pc::Waiting
                || native.leftover.is_some_and(|leftover| leftover.ino == ino)
        };
        if world.js == Js::Absent {
            // Only JS peers go by pids and dates.
            let leftover = |native: &Native| native.leftover.is_some_and(|leftover| leftover.ino == ino);
            if let Record::Native { owner, .. } = &mut world.inodes[ino].record {
                *owner = owner.filter(|&owner| leftover(&world.natives[owner]));
                world.inodes[ino].old = true;
            }
        }
        if world.name != Some(ino) && !world.natives.iter().any(cares) {
            world.inodes[ino].record = Record::Unreadable { by_js: false };
            world.inodes[ino].old = true;
        }
    }
}

fn renumber(world: &mut World) {
    let mut order: Vec<Ino> = Vec::new();
    for_each_ino(world, |ino| {
        let at = order.iter().position(|known| known == ino).unwrap_or_else(|| {
            order.push(*ino);
            order.len() - 1
        });
        *ino = at;
    });
    world.inodes = order.into_iter().map(|ino| world.inodes[ino].clone()).collect();
}

fn for_each_ino(world: &mut World, mut each: impl FnMut(&mut Ino)) {
    let mut inos: Vec<&mut Ino> = world.name.as_mut().into_iter().collect();
    for native in &mut world.natives {
        inos.extend(native.seen.as_mut().map(|seen| &mut seen.ino));
        inos.extend(native.held.as_mut().map(|held| &mut held.ino));
        inos.extend(native.leftover.as_mut().map(|leftover| &mut leftover.ino));
    }
    inos.extend(world.js.file());
    inos.into_iter().for_each(&mut each);
}

fn draw_together(world: &mut World) {
    let mut tokens = vec![0];
    for_each_token(world, |token| tokens.push(*token));
    tokens.sort_unstable();
    tokens.dedup();
    let mut drawn = vec![0; tokens.len()];
    for at in 1..tokens.len() {
        drawn[at] = drawn[at - 1] + (tokens[at] - tokens[at - 1]).min(FAR);
    }
    for_each_token(world, |token| {
        if let Ok(at) = tokens.binary_search(token) {
            *token = drawn[at];
        }
    });
}

fn for_each_token(world: &mut World, mut each: impl FnMut(&mut u64)) {
    each(&mut world.clock);
    each(&mut world.handed);
    for native in &mut world.natives {
        each(&mut native.last_token);
        if native.fence != u64::MAX {
            each(&mut native.fence);
        }
        if let Pc::Link { token } | Pc::LockPublished { token } | Pc::FillPublished { token } = &mut native.pc {
            each(token);
        }
        if let Some(held) = &mut native.held {
            each(&mut held.token);
            each(&mut held.written);
            each(&mut held.base);
        }
        if let Some(leftover) = &mut native.leftover {
            each(&mut leftover.token);
        }
    }
    for inode in &mut world.inodes {
        if let Record::Native { token, .. } = &mut inode.record {
            each(token);
        }
    }
}
