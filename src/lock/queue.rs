//! Who waits for one lock, in the order in which they get it, and how it is passed on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inspect::Owner;
use super::sys::Instant;
use super::ticket::Ticket;

/// Boxed because nobody waits for most locks, and ten thousand may be held.
#[derive(Default)]
pub(super) struct Queue(Option<Box<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// By their place in the queue.
    tickets: BTreeMap<u64, Arc<Ticket>>,
    /// The places of those that block their threads: few.
    blocked: Vec<u64>,
    turns: Turns,
    /// Who had the lock when it was last looked at for them, on a remote file system.
    owner: Option<Owner>,
}

/// How this process has passed a lock on among its own tasks, and past another process.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Turns {
    /// How many leases followed the first one on the same lock file.
    pub(super) count: u64,
    /// When that first one began, if others followed it.
    pub(super) since: Option<Instant>,
    /// Since when this process has kept taking the lock again while another one waited, if it has.
    pub(super) passing_since: Option<Instant>,
}

impl Queue {
    pub(super) fn insert(&mut self, ticket: &Arc<Ticket>) {
        let waiting = self.0.get_or_insert_default();
        if ticket.terms.blocking {
            waiting.blocked.push(ticket.place());
        }
        waiting.tickets.insert(ticket.place(), ticket.clone());
    }

    pub(super) fn remove(&mut self, ticket: &Ticket) {
        if let Some(waiting) = &mut self.0 {
            waiting.take(ticket.place());
        }
    }

    pub(super) fn turns(&self) -> Turns {
        self.0.as_ref().map_or_else(Turns::default, |waiting| waiting.turns)
    }

    pub(super) fn set_turns(&mut self, turns: Turns) {
        if turns != self.turns() {
            self.0.get_or_insert_default().turns = turns;
        }
    }

    pub(super) fn owner(&self) -> Option<&Owner> {
        self.0.as_ref()?.owner.as_ref()
    }

    pub(super) fn note_owner(&mut self, owner: Option<Owner>) {
        if let Some(waiting) = &mut self.0 {
            waiting.owner = owner;
        }
    }

    /// Takes out the one that is served next.
    pub(super) fn next(&mut self) -> Option<Arc<Ticket>> {
        self.next_if(|_| true)
    }

    /// The one that is served next. Those before it that do not wait any more are forgotten.
    pub(super) fn first(&mut self) -> Option<&Arc<Ticket>> {
        let waiting = self.0.as_mut()?;
        let place = waiting.first()?;
        waiting.tickets.get(&place)
    }

    /// Takes out the one that is served next, if `chosen` is true for it.
    pub(super) fn next_if(&mut self, chosen: impl Fn(&Ticket) -> bool) -> Option<Arc<Ticket>> {
        let waiting = self.0.as_mut()?;
        let place = waiting.first()?;
        if !chosen(waiting.tickets.get(&place)?) {
            return None;
        }
        waiting.take(place)
    }

    /// Takes out all for which `chosen` is true.
    pub(super) fn extract(&mut self, chosen: impl Fn(&Ticket) -> bool) -> Vec<Arc<Ticket>> {
        let extracted: Vec<_> = self.tickets().filter(|ticket| chosen(ticket)).cloned().collect();
        for ticket in &extracted {
            self.remove(ticket);
        }
        extracted
    }

    /// All of them.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &Arc<Ticket>> {
        self.0.iter().flat_map(|waiting| waiting.tickets.values())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| waiting.tickets.is_empty())
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

impl Waiting {
    /// The place that is served next: the first, unless a thread that might be needed to release the lock then is blocked
    /// and waits for it, too.
    fn first(&mut self) -> Option<u64> {
        let (place, env) = loop {
            let (&place, ticket) = self.tickets.first_key_value()?;
            if ticket.is_waiting() {
                break (place, ticket.terms.env);
            }
            self.take(place);
        };
        let is_of_same =
            |place: &&u64| self.tickets.get(place).is_some_and(|ticket| ticket.terms.env == env && ticket.is_waiting());
        Some(self.blocked.iter().find(is_of_same).copied().unwrap_or(place))
    }

    fn take(&mut self, place: u64) -> Option<Arc<Ticket>> {
        self.blocked.retain(|blocked| *blocked != place);
        self.tickets.remove(&place)
    }
}
