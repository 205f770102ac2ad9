//! Visits every state that can be reached, the nearest first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::rc::Rc;

use super::world::World;
use super::{Action, Model};

/// All states of a model, or those on the way to the first broken promise.
pub struct Explored {
    pub states: Vec<Rc<World>>,
    /// Origin, action and destination, by the numbers of the states. Recorded only for models in which time may always
    /// pass: in the others progress cannot be expected.
    pub edges: Vec<(u32, Action, u32)>,
    /// How each state was first reached.
    reached: Vec<Option<(u32, Action)>>,
    /// A state in which a promise is broken.
    pub broken: Option<u32>,
}

impl Model {
    pub fn explore(&self) -> Explored {
        let start = Rc::new(self.start());
        let mut numbers = HashMap::from([(start.clone(), 0_u32)]);
        let mut all = Explored { states: vec![start], edges: Vec::new(), reached: vec![None], broken: None };
        let mut at = 0_u32;
        while let Some(world) = all.states.get(at as usize).cloned() {
            for (action, next) in self.next(&world) {
                let count = u32::try_from(all.states.len()).expect("memory ends before the numbers do");
                let is_broken = next.broken.is_some();
                let next = Rc::new(next);
                let number = match numbers.entry(next.clone()) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        all.states.push(next);
                        all.reached.push(Some((at, action)));
                        *new.insert(count)
                    }
                };
                if self.troubles.is_none() {
                    all.edges.push((at, action, number));
                }
                if is_broken {
                    all.broken = Some(number);
                    return all;
                }
            }
            at += 1;
        }
        all
    }
}

impl Explored {
    /// The shortest way to a state.
    pub fn way_to(&self, state: u32) -> Way<'_> {
        let mut steps = Vec::new();
        let mut at = state;
        while let Some((from, action)) = self.reached[at as usize] {
            steps.push((action, at));
            at = from;
        }
        steps.reverse();
        Way { all: self, steps }
    }
}

/// A way to a state, for people to read.
pub struct Way<'a> {
    all: &'a Explored,
    steps: Vec<(Action, u32)>,
}

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (action, _) in &self.steps {
            match action {
                Action::Step(process, what) => writeln!(f, "  {process} {what}")?,
                Action::Kill(process) => writeln!(f, "  {process} is killed")?,
                Action::Sleep(set) => writeln!(f, "  a lease's time passes; asleep: {set:03b}")?,
            }
        }
        let last = self.steps.last().map_or(0, |(_, state)| *state);
        write!(f, "{:#?}", self.all.states[last as usize])
    }
}
