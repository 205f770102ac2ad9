//! Progress: from each state in which a process wants the lock there is a way to it that needs no thaw, no further
//! kill and no help from a frozen process. In a finite graph this means that the process does get the lock in the end,
//! provided that whatever can happen again and again does happen at some time.

use super::explorer::Explored;
use super::js::Js;
use super::native::{LeftoverPc, Pc};
use super::world::World;
use super::{Action, Model};

/// A process that waits and will never get the lock.
pub struct Stuck {
    pub state: u32,
    pub waiter: usize,
    /// The processes that are frozen for good, one bit each.
    pub frozen: u8,
}

impl Model {
    /// Looks for a state in which a process waits in vain while others are frozen.
    ///
    /// A process that freezes while it has the guard of the lock file keeps the others out for as long as it is
    /// frozen. That is the price of never endangering them, and is not counted.
    pub fn stuck(&self, all: &Explored) -> Option<Stuck> {
        let everybody = self.natives + usize::from(self.js);
        for frozen in 0..1_u8 << everybody {
            for waiter in (0..self.natives).filter(|waiter| frozen & 1 << waiter == 0) {
                let gets_on = reach(all, frozen, |world| world.natives[waiter].pc == Pc::Holding);
                let stuck = |world: &World| world.natives[waiter].wants() && !self.is_guarded(world, frozen);
                if let Some(state) = (0..all.states.len()).find(|&at| stuck(&all.states[at]) && !gets_on[at]) {
                    return Some(Stuck { state: u32::try_from(state).unwrap_or_default(), waiter, frozen });
                }
            }
        }
        None
    }

    /// Looks for a state in which no other living process has anything to do with the lock, and yet a process would
    /// have to let time pass to get it: a kill left something behind that blocks.
    pub fn blocked(&self, all: &Explored) -> Option<Stuck> {
        for waiter in 0..self.natives {
            let alone = !(1_u8 << waiter);
            let gets_on = reach_awake(all, alone, |world| world.natives[waiter].pc == Pc::Holding);
            let free = |world: &World| world.natives[waiter].pc == Pc::Waiting && is_free(world, waiter);
            if let Some(state) = (0..all.states.len()).find(|&at| free(&all.states[at]) && !gets_on[at]) {
                return Some(Stuck { state: u32::try_from(state).unwrap_or_default(), waiter, frozen: alone });
            }
        }
        None
    }

    /// Whether one of the frozen processes is in the middle of changing what the name means.
    fn is_guarded(&self, world: &World, frozen: u8) -> bool {
        let Some(name) = world.name else { return false };
        (0..self.natives).filter(|process| frozen & 1 << process != 0).any(|process| {
            let native = &world.natives[process];
            let main = native.seen.map_or(native.held.map(|held| held.ino), |seen| Some(seen.ino));
            let leftover = native.leftover.filter(|leftover| leftover.pc != LeftoverPc::Lock);
            main == Some(name) && has_guard(native.pc) || leftover.is_some_and(|leftover| leftover.ino == name)
        })
    }
}

fn has_guard(pc: Pc) -> bool {
    matches!(
        pc,
        Pc::AdoptRead { .. }
            | Pc::AdoptCompare { .. }
            | Pc::AdoptWrite { .. }
            | Pc::AdoptFill { .. }
            | Pc::AdoptConfirm
            | Pc::AdoptUnguard
            | Pc::ConfirmLook
            | Pc::ConfirmUnguard { .. }
            | Pc::SupersedeCompare { .. }
            | Pc::SupersedeLock { .. }
            | Pc::SupersedeRename { .. }
            | Pc::ReleaseLook
            | Pc::ReleaseUnlink
            | Pc::ReleaseClose
    )
}

/// Whether nobody but `process` has anything to do with the named file.
fn is_free(world: &World, process: usize) -> bool {
    use super::world::Record;
    let Some(name) = world.name else { return true };
    let inode = &world.inodes[name];
    let foreign = |fd: Option<super::world::Fd>| fd.is_some_and(|fd| fd.process != process);
    let by_js = matches!(inode.record, Record::Js { alive: true } | Record::Unreadable { by_js: true });
    let own = world.natives[process].leftover.is_some();
    !foreign(inode.flock) && !foreign(inode.guard) && !by_js && !own
}

/// The states from which a goal can be reached by steps of processes that are not frozen, and by time passing for them.
fn reach(all: &Explored, frozen: u8, goal: impl Fn(&World) -> bool) -> Vec<bool> {
    backwards(all, goal, |world, action| match action {
        Action::Step(process, _) => frozen & 1 << process == 0,
        Action::Kill(_) => false,
        Action::Sleep(asleep) => asleep == frozen & sleepers(world),
    })
}

/// The same, but no time may pass.
fn reach_awake(all: &Explored, frozen: u8, goal: impl Fn(&World) -> bool) -> Vec<bool> {
    backwards(all, goal, |_, action| matches!(action, Action::Step(process, _) if frozen & 1 << process == 0))
}

/// The processes, one bit each, that do or hold something that a sleep would interrupt.
fn sleepers(world: &World) -> u8 {
    let idle = super::native::Native::IDLE;
    let natives = world.natives.iter().enumerate().filter(|(_, native)| **native != idle);
    let js = u8::from(world.js != Js::Absent && world.js.is_busy()) << world.natives.len();
    natives.fold(js, |set, (process, _)| set | 1 << process)
}

fn backwards(all: &Explored, goal: impl Fn(&World) -> bool, allowed: impl Fn(&World, Action) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = all.states.iter().map(|world| goal(world)).collect();
    // The edges are sorted by where they begin, nearest to the start first: from the end, a few rounds suffice.
    loop {
        let mut changed = false;
        for &(from, action, to) in all.edges.iter().rev() {
            let (from, to) = (from as usize, to as usize);
            if reached[to] && !reached[from] && allowed(&all.states[from], action) {
                reached[from] = true;
                changed = true;
            }
        }
        if !changed {
            return reached;
        }
    }
}
