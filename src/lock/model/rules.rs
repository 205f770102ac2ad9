//! The rules of the protocol. A model can do without any one of them, to show what it is for.

use super::{Clock, Model};

/// A rule. [`Broken`] says what is done instead when it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    LockBeforeName,
    FillBeforeName,
    CompareAfterLock,
    CompareUnderGuard,
    CompareAfterAdoption,
    StartOver,
    BelieveJsRecords,
    WatchTheLease,
    CountOnlyTimeAwake,
    SupersedeTheFree,
    GuardAdoption,
    ReadAgain,
    NeverTruncate,
    GiveGuardBack,
    GuardSupersession,
    Unchanged,
    LockStill,
    NeverFreeTheName,
    Beat,
    GuardRelease,
    LookBeforeUnlink,
    UnlinkBeforeClose,
    LockBeforeRetry,
    ReadBeforeRetry,
    DateTokens,
    GuardConfirmation,
    Confirm,
    Stride,
    TokensLeft,
}

/// What happens without some rules.
pub struct Broken {
    pub without: &'static [Rule],
    /// What is done instead.
    pub instead: &'static str,
    /// A small model in which it matters.
    pub model: fn() -> Model,
    /// The promise that is broken then.
    pub promise: &'static str,
}

pub const VAIN: &str = "nobody waits in vain";
pub const FREE: &str = "a lock that nobody holds can be taken at once";

fn two() -> Model {
    Model::new(2)
}

fn with_leftovers() -> Model {
    Model { leftovers: 1, ..two() }
}

fn keepers() -> Model {
    Model { keepers: 0b11, ..two() }
}

fn beside_js() -> Model {
    Model { js: true, ..Model::new(1) }
}

fn with_tokens() -> Model {
    Model { clock: Clock::Honest, troubles: Some(1), ..two() }
}

fn with_bad_clock() -> Model {
    Model { clock: Clock::Fickle, hands_over: true, troubles: Some(1), ..two() }
}

/// Each rule is needed: without it a promise is broken.
pub const BROKEN: &[Broken] = &[
    Broken {
        without: &[Rule::LockBeforeName],
        instead: "the lock file is named first and locked afterwards",
        model: two,
        promise: "one file has one owner",
    },
    Broken {
        without: &[Rule::FillBeforeName],
        instead: "the lock file is named while empty and filled afterwards",
        model: two,
        promise: "an owner that beats keeps its lock",
    },
    Broken {
        without: &[Rule::CompareAfterLock, Rule::CompareUnderGuard, Rule::CompareAfterAdoption],
        instead: "a file is taken without comparing it with the name",
        model: two,
        promise: "a process that gets the lock has the file that the name leads to",
    },
    Broken {
        without: &[Rule::CompareAfterLock],
        instead: "a file that somebody else has locked is not compared with the name",
        model: two,
        promise: VAIN,
    },
    Broken {
        without: &[Rule::StartOver],
        instead: "a waiter stays with a file that has lost its name",
        model: two,
        promise: VAIN,
    },
    Broken {
        without: &[Rule::BelieveJsRecords],
        instead: "a free flock counts as a free lock, whoever wrote the record",
        model: beside_js,
        promise: "a JS owner keeps its lock until it is stale",
    },
    Broken {
        without: &[Rule::WatchTheLease],
        instead: "a busy lock is superseded at once",
        model: two,
        promise: "an owner that beats keeps its lock",
    },
    Broken {
        without: &[Rule::CountOnlyTimeAwake],
        instead: "a waiter counts time in which it was frozen as watched",
        model: two,
        promise: "an owner that beats keeps its lock",
    },
    Broken {
        without: &[Rule::Beat],
        instead: "beats do not move the dates of the lock file",
        model: two,
        promise: "an owner that beats keeps its lock",
    },
    Broken {
        without: &[Rule::SupersedeTheFree],
        instead: "a busy lock is superseded only if its record says that somebody has it",
        model: keepers,
        promise: VAIN,
    },
    Broken {
        without: &[Rule::GuardAdoption],
        instead: "a lock is adopted without the guard",
        model: two,
        promise: "a process that gets the lock has the file that the name leads to",
    },
    Broken { without: &[Rule::GiveGuardBack], instead: "an adopter keeps the guard", model: two, promise: VAIN },
    Broken {
        without: &[Rule::NeverTruncate],
        instead: "the old record is truncated away before the new one is written",
        model: two,
        promise: FREE,
    },
    Broken {
        without: &[Rule::GuardSupersession],
        instead: "a lock is superseded without the guard",
        model: two,
        promise: "a release removes only its own lock file",
    },
    Broken {
        without: &[Rule::Unchanged],
        instead: "a lock is superseded although its dates have moved since it was judged",
        model: two,
        promise: "an owner that beats keeps its lock",
    },
    Broken {
        without: &[Rule::NeverFreeTheName],
        instead: "the old name is removed before the superseder's file gets it",
        model: two,
        promise: "taking over never frees the name",
    },
    Broken {
        without: &[Rule::GuardRelease],
        instead: "a lock is released without the guard",
        model: two,
        promise: "a release removes only its own lock file",
    },
    Broken {
        without: &[Rule::LookBeforeUnlink],
        instead: "a release removes the name whatever it leads to",
        model: two,
        promise: "a release removes only its own lock file",
    },
    Broken {
        without: &[Rule::UnlinkBeforeClose],
        instead: "a release closes the file before it removes the name",
        model: two,
        promise: "an owner that beats keeps its lock",
    },
    Broken {
        without: &[Rule::LockBeforeRetry],
        instead: "a file left behind is removed without asking for its flock",
        model: with_leftovers,
        promise: "an owner that beats keeps its lock",
    },
    Broken {
        without: &[Rule::DateTokens],
        instead: "a token keeps the date it was first written with, however long naming the file took",
        model: with_tokens,
        promise: "tokens grow from owner to owner",
    },
    Broken {
        without: &[Rule::Confirm],
        instead: "a process that took long to get the lock does not check whether it still has it",
        model: with_tokens,
        promise: "tokens of an owner that lost its lock are smaller than its successor's",
    },
    Broken {
        without: &[Rule::GuardConfirmation],
        instead: "a process that took long to get the lock checks without the guard whether it still has it",
        model: with_bad_clock,
        promise: "tokens grow from owner to owner",
    },
    Broken {
        without: &[Rule::Stride],
        instead: "an adopter's token exceeds the one in the record, but not by a stride",
        model: with_bad_clock,
        promise: "tokens grow from owner to owner",
    },
    Broken {
        without: &[Rule::TokensLeft],
        instead: "a lease hands out tokens without limit",
        model: with_bad_clock,
        promise: "tokens grow from owner to owner",
    },
];

/// Second lines of defence: while all the other rules are kept, nothing is lost without them.
pub const SPARE: &[(Rule, &str)] = &[
    (Rule::CompareAfterAdoption, "the comparison after an adoption: only JS peers remove names without the guard"),
    (Rule::ReadAgain, "reading again before an adoption: nobody but a JS peer writes without the flock"),
    (Rule::LockStill, "asking for the flock again before superseding: dates show beats, and the guard stops takers"),
    (Rule::ReadBeforeRetry, "reading a file left behind before it is removed: nobody owns it if its flock was free"),
];
