//! A model of the protocol, and an explorer that visits all of its states.
//!
//! Up to three native processes, in some models beside a JS peer, share one lock path. A step is one system call of
//! one process; at any step a process may be killed, or sleep while a lease's time passes for the others. The model
//! follows `Contender`, `Draft`, `Guard` and `Sidecar` call by call. It does not repeat their decisions: it calls
//! [`verdict`] and the functions that make tokens.
//!
//! * `world` has the name, the files and the kernel's locks, and what no process may do to another's;
//! * `native` is a process: it gets the lock in `look`, `publish`, `adopt` or `supersede`, and holds it in `owner`;
//!   `js` is a JS peer;
//! * `judge` asks the engine; `time` lets time pass and kills;
//! * `explorer` visits the states, `progress` finds those in which a process waits in vain;
//! * `rules` are the rules that can be broken one by one, and `tests` show what happens then.
//!
//! [`verdict`]: crate::lock::verdict::verdict

mod adopt;
mod canon;
mod explorer;
mod js;
mod judge;
mod look;
mod native;
mod owner;
mod progress;
mod publish;
mod rules;
mod supersede;
mod tests;
mod time;
mod world;

use std::cell::RefCell;
use std::collections::HashMap;

use js::Js;
use judge::Facts;
use native::{Native, Pc};
use rules::Rule;
use world::World;

use super::verdict::Verdict;

/// What is modelled.
pub struct Model {
    /// How many native processes there are.
    natives: usize,
    /// The processes whose release keeps the lock file, one bit each.
    keepers: u8,
    /// Whether there is a JS peer.
    js: bool,
    /// Whether it removes locks that it finds stale.
    js_removes: bool,
    /// Whether processes hand the lock over to tasks of their own.
    hands_over: bool,
    /// How many lock files that could not be removed at once are kept for another try, over all processes.
    leftovers: usize,
    clock: Clock,
    /// How many kills and sleeps there may be; `None` for no limit.
    troubles: Option<u8>,
    /// The rules that are broken.
    without: &'static [Rule],
    verdicts: RefCell<HashMap<Facts, Verdict>>,
}

/// The wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Nobody reads it: all tokens are alike.
    Ignored,
    /// It only moves forward.
    Honest,
    /// Each reading shows either the time or 1970.
    Fickle,
}

/// What leads from one state to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process takes a step. The JS peer's number follows those of the natives.
    Step(usize, &'static str),
    /// A process is killed. Its successor starts out idle.
    Kill(usize),
    /// The time of a lease passes, and these processes, one bit each, sleep through it.
    Sleep(u8),
}

/// A step and where it leads.
pub type Next = (Action, World);

impl Model {
    fn new(natives: usize) -> Self {
        Self {
            natives,
            keepers: 0,
            js: false,
            js_removes: false,
            hands_over: false,
            leftovers: 0,
            clock: Clock::Ignored,
            troubles: None,
            without: &[],
            verdicts: RefCell::default(),
        }
    }

    fn keeps_to(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }

    fn keeps(&self, process: usize) -> bool {
        self.keepers & 1 << process != 0
    }

    fn start(&self) -> World {
        World {
            name: None,
            inodes: Vec::new(),
            natives: vec![Native::IDLE; self.natives],
            js: if self.js { Js::Idle } else { Js::Absent },
            clock: 0,
            handed: 0,
            troubles: self.troubles,
            broken: None,
        }
    }

    /// Everything that can happen next.
    fn next(&self, world: &World) -> Vec<Next> {
        let mut out = Vec::new();
        for process in 0..self.natives {
            self.step(world, process, &mut out);
            self.retry(world, process, &mut out);
        }
        self.step_js(world, &mut out);
        if world.troubles != Some(0) {
            self.kill(world, &mut out);
            self.sleep(world, &mut out);
        }
        for (_, next) in &mut out {
            next.check();
            canon::tidy(next, self.clock);
        }
        out
    }
}

/// What one step of a native process leads to.
fn stepped(world: &World, process: usize, what: &'static str, change: &dyn Fn(&mut World) -> Pc) -> Next {
    let mut next = world.clone();
    next.natives[process].pc = change(&mut next);
    (Action::Step(process, what), next)
}
