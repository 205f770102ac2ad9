//! The ways a lease ends: it is given up, taken away or past its limit, or its environment or process ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::handover::Done;
use super::lease::Lease;
use super::loss::LossReason;
use super::post::Post;
use super::registry::{Phase, find, held, table, table_within, tell};
use super::sync::{AtomicBool, Mutex, global};
use super::sys::{FsClass, Instant, age};
use super::terms::{Api, EnvId, HoldId, LeaseId};

global! {
    /// Set once a new lease would no longer be released before the process is gone.
    static ENDING: AtomicBool = AtomicBool::new(false);
}
global! {
    /// How many session leases were taken away for being held too long since the last `check_overdue`. Locked while
    /// one is being taken away, and before the table.
    static OVERDUE: Mutex<usize> = Mutex::new(0);
}

/// Releases one handle of a lease; the last one ends the lease. Returns whether others still hold it.
pub(super) fn give_up(lease: &Arc<Lease>, hold: HoldId, done: Done) -> bool {
    let mut table = table();
    if !lease.unshare(hold) {
        let goes_on = !lease.is_over();
        drop(table);
        // The handles that are left may all be past their limits.
        hurry_to_limit(lease);
        done(Ok(()));
        return goes_on;
    }
    let moved = table.move_on(lease, true, &mut Lease::end);
    drop(table);
    match moved {
        Some(moved) => moved.finish(lease, done),
        None => done(Ok(())),
    }
    false
}

/// Takes a lease away from its holder and tells the holder.
pub(super) fn lose(lease: &Arc<Lease>, reason: LossReason) {
    lose_if(lease, reason, &|_| true);
}

/// The same, if it `is_so` while nobody else can share the lease.
fn lose_if(lease: &Arc<Lease>, reason: LossReason, is_so: &dyn Fn(&Lease) -> bool) {
    let is_counted = reason == LossReason::MaxHold && lease.api == Api::Session;
    let mut overdue = is_counted.then(|| OVERDUE.lock());
    let mut loss = None;
    let mut table = table();
    let moved = table.move_on(lease, reason.leaves_file(), &mut |lease| {
        loss = if is_so(lease) { lease.lose(reason) } else { None };
        loss.is_some()
    });
    drop(table);
    if let Some(moved) = moved {
        moved.finish(lease, Box::new(|_| {}));
    }
    if let Some(loss) = loss {
        if let Some(overdue) = &mut overdue {
            **overdue += 1;
        }
        tell(lease, &loss);
    }
}

/// Gives the work that holds `lease` through `hold` at most `grace` more: then the lease is taken away,
/// unless another handle on it still has time.
pub fn limit(lease: LeaseId, hold: HoldId, grace: Duration, reason: LossReason) {
    if let Some(lease) = find(lease)
        && let Some(at) = Instant::now().checked_add(grace)
    {
        lease.limit(hold, at, reason);
        hurry_to_limit(&lease);
    }
}

fn hurry_to_limit(lease: &Arc<Lease>) {
    if let Some((at, _)) = lease.work_limit() {
        Post::of(lease.target.class()).heart.hurry(lease, at);
    }
}

/// Ends an environment: releases its leases and drops its requests.
pub fn close(env: EnvId) {
    let waiting: Vec<_> = {
        let mut table = table();
        table.observers.retain(|(observed, _)| *observed != env);
        let queued = table.locks.values().flat_map(|entry| entry.queue.tickets());
        queued.filter(|ticket| ticket.terms.env == env).cloned().collect()
    };
    for ticket in waiting {
        ticket.cancel();
    }
    for lease in held() {
        // Leases that other environments share stay theirs.
        lose_if(&lease, LossReason::Forced, &|lease| lease.envs().contains(&env) && lease.desert(env));
    }
}

/// Takes away every lease of `env` (`None`: of all) and returns how many there were. Their holders
/// are told, as for any other loss.
#[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
pub fn release_all(env: Option<EnvId>) -> usize {
    let leases: Vec<_> = held().into_iter().filter(|lease| env.is_none_or(|env| lease.envs().contains(&env))).collect();
    for lease in &leases {
        lose(lease, LossReason::Forced);
    }
    leases.len()
}

/// Takes away every lease of `env` (`None`: of all) that was acquired through `api`, and times out whoever waits
/// for such a lock. For test suites: no test must see the locks of the previous one.
pub fn reset(env: Option<EnvId>, api: Api) {
    let waiting: Vec<_> = {
        let table = table();
        let queued = table.locks.values().flat_map(|entry| entry.queue.tickets());
        queued
            .filter(|ticket| ticket.terms.api == api && env.is_none_or(|env| ticket.terms.env == env))
            .cloned()
            .collect()
    };
    for ticket in waiting {
        ticket.expire();
    }
    for lease in held() {
        if lease.api == api && env.is_none_or(|env| lease.envs().contains(&env)) {
            lose(&lease, LossReason::Forced);
        }
    }
    if api == Api::Session {
        *OVERDUE.lock() = 0;
    }
}

/// Takes away the session leases that have been held too long at `now`. Returns how many were taken away for that
/// since the last call, by the watchdog or here.
#[must_use]
pub fn check_overdue(now: SystemTime) -> usize {
    for lease in held() {
        let is_overdue = lease.claim.max_hold.is_some_and(|limit| age(now, lease.began_at()) > limit);
        if lease.api == Api::Session && is_overdue {
            lose(&lease, LossReason::MaxHold);
        }
    }
    std::mem::take(&mut *OVERDUE.lock())
}

/// Whether nothing can be acquired any more.
pub(super) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// As `release_at_exit`, at the point after which nothing can be acquired any more.
pub fn release_at_end() {
    ENDING.store(true, Ordering::Release);
    release_at_exit();
}

/// What an ending process does: removes the lock files of all leases that it can reach
/// without waiting for a thread that may never run again.
pub fn release_at_exit() {
    let Some(mut table) = table_within(Duration::from_millis(200)) else { return };
    table.locks.retain(|_, entry| {
        // Nobody is served any more.
        entry.queue.clear();
        // Remote file systems may hang, and nothing may hang an exit: the kernel frees their locks.
        if let Phase::Held(lease) = &entry.phase
            && lease.target.class() == FsClass::Local
            && let Some(sidecar) = lease.end_at_exit()
        {
            let _ = sidecar.release(&lease.claim);
            return false;
        }
        // A lock file that another thread is busy with stays with that thread. So must the entry, or
        // the thread would take a newcomer's entry for its own.
        true
    });
}
