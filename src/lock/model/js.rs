//! A JS peer: no kernel locks, `O_EXCL`, and a removal that is not atomic with the look before it.

use super::world::{Ino, Record, World};
use super::{Action, Model, Next};

/// A JS peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Js {
    /// There is none.
    Absent,
    Idle,
    /// It created the lock file and has not written its record yet.
    Created {
        ino: Ino,
        outstayed: bool,
    },
    /// It has the lock; for longer than `stale` if `outstayed`.
    Holding {
        ino: Ino,
        outstayed: bool,
    },
    /// It found the lock stale and is about to remove whatever has the name.
    Removing,
}

impl Js {
    /// Whether it is in the middle of a sequence of calls.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Created { .. } | Self::Removing)
    }

    /// The file it has open, or knows as its own.
    pub fn file(&mut self) -> Option<&mut Ino> {
        match self {
            Self::Created { ino, .. } | Self::Holding { ino, .. } => Some(ino),
            Self::Absent | Self::Idle | Self::Removing => None,
        }
    }

    /// Its lock has been held for longer than `stale`.
    pub fn outstay(&mut self) {
        if let Self::Created { outstayed, .. } | Self::Holding { outstayed, .. } = self {
            *outstayed = true;
        }
    }
}

impl Model {
    /// The next step of the JS peer.
    pub fn step_js(&self, world: &World, out: &mut Vec<Next>) {
        let mut next = world.clone();
        let what = match world.js {
            Js::Absent => return,
            Js::Idle => match world.name {
                None => {
                    let ino = next.create(Record::Unreadable { by_js: true }, None);
                    next.name = Some(ino);
                    next.js = Js::Created { ino, outstayed: false };
                    "creates the lock file"
                }
                Some(ino) if self.js_removes && is_stale(world, ino) => {
                    next.js = Js::Removing;
                    "finds the lock stale"
                }
                Some(_) => return,
            },
            Js::Created { ino, outstayed } => {
                let record = match world.inodes[ino].record {
                    Record::Unreadable { by_js: true } => Record::Js { alive: true },
                    // It wrote a short record over the beginning of a longer one.
                    _ => Record::Unreadable { by_js: true },
                };
                next.write(ino, record);
                next.js = Js::Holding { ino, outstayed };
                "writes its record"
            }
            Js::Holding { .. } => {
                next.remove();
                next.js = Js::Idle;
                "releases the lock"
            }
            Js::Removing => {
                next.remove();
                next.js = Js::Idle;
                "removes what has the name"
            }
        };
        out.push((Action::Step(self.natives, what), next));
    }
}

/// Whether the file is stale by the rules of JS peers.
fn is_stale(world: &World, ino: Ino) -> bool {
    let inode = &world.inodes[ino];
    let dead = matches!(inode.record, Record::Native { owner: None, .. } | Record::Js { alive: false });
    dead || inode.old
}
