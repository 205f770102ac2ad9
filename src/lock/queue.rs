//! Who waits for one lock, in the order of asking.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ticket::Ticket;

/// Tickets by their place.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "most locks are waited for by nobody, and ten thousand may be held")]
pub(super) struct Queue(Option<Box<BTreeMap<u64, Arc<Ticket>>>>);

impl Queue {
    pub(super) fn insert(&mut self, ticket: &Arc<Ticket>) {
        self.0.get_or_insert_default().insert(ticket.place(), ticket.clone());
    }

    pub(super) fn remove(&mut self, ticket: &Ticket) {
        if let Some(tickets) = &mut self.0 {
            tickets.remove(&ticket.place());
        }
    }

    /// Takes out the first that still waits, and forgets those before it.
    pub(super) fn next(&mut self) -> Option<Arc<Ticket>> {
        let tickets = self.0.as_mut()?;
        while let Some((_, ticket)) = tickets.pop_first() {
            if ticket.is_waiting() {
                return Some(ticket);
            }
        }
        None
    }

    /// The first that still waits. Those before it are forgotten.
    pub(super) fn first(&mut self) -> Option<&Arc<Ticket>> {
        let tickets = self.0.as_mut()?;
        while let Some(first) = tickets.first_entry()
            && !first.get().is_waiting()
        {
            first.remove();
        }
        Some(tickets.first_key_value()?.1)
    }

    /// Takes out the first, if `chosen` is true for it.
    pub(super) fn next_if(&mut self, chosen: impl Fn(&Ticket) -> bool) -> Option<Arc<Ticket>> {
        let first = self.0.as_mut()?.first_entry()?;
        chosen(first.get()).then(|| first.remove())
    }

    /// Takes out all for whom `chosen` is true.
    pub(super) fn extract(&mut self, chosen: impl Fn(&Ticket) -> bool) -> Vec<Arc<Ticket>> {
        let extracted = self.0.iter_mut().flat_map(|tickets| tickets.extract_if(.., |_, ticket| chosen(ticket)));
        extracted.map(|(_, ticket)| ticket).collect()
    }

    /// All of them.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &Arc<Ticket>> {
        self.0.iter().flat_map(|tickets| tickets.values())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|tickets| tickets.is_empty())
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}
