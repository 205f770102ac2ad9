//! One JavaScript thread, and what it tells and asks about its leases.
//!
//! Answers are collected in a mailbox. The function given to [`open`] runs on the environment's own thread and fetches
//! them all with one call. It is held weakly: it keeps no process alive.
//!
//! The calls are functions, not methods of an object: to find an object's native side, and to note that it is in use,
//! napi takes as long as a system call does. They fail if the environment is not open.

#![expect(clippy::missing_errors_doc, reason = "see above")]
#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "JavaScript calls these, and napi hands it values"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use napi::bindgen_prelude::{Either, Env, Function, Result};
use napi::{Error, Status, sys as node};
use napi_derive::napi;

use super::mailbox::{Letter, Mail, Mailbox};
use super::options::{file_terms, session_terms};
use super::owners::Owners;
use super::report::{HeldReport, js_number, number};
use crate::lock::registry::{self, unique_id};
use crate::lock::sys;
use crate::lock::terms::{Api, EnvId};
use crate::lock::{Hold, LossReason, Terms, Ticket, endings};

/// Guards the registration of `release_at_end`.
static AT_EXIT: std::sync::Once = std::sync::Once::new();

thread_local! {
    /// The environments of this thread: one each time that the addon is loaded, which other realms do for themselves.
    #[cfg_attr(
        all(windows, target_env = "gnu"),
        expect(clippy::missing_const_for_thread_local, reason = "it is const; the lint sees what the macro makes of it")
    )]
    static HERE: RefCell<Vec<(node::napi_env, Rc<Environment>)>> = const { RefCell::new(Vec::new()) };
}

/// One JavaScript thread's way into the engine.
pub(super) struct Environment {
    pub(super) id: EnvId,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) owners: Rc<Owners>,
    /// Requests without an answer.
    pub(super) waiting: RefCell<BTreeMap<u64, Arc<Ticket>>>,
    /// Locks granted after a wait, until JavaScript accepts them: the one announced first is the last.
    pub(super) granted: RefCell<Vec<(u64, Hold)>>,
    /// The terms from the options understood last: of the functions for files, and of the one for sessions.
    pub(super) terms: RefCell<[Terms; 2]>,
}

/// The environment of the current call.
///
/// # Errors
///
/// When it is not open.
pub(super) fn here(env: Env) -> Result<Rc<Environment>> {
    let ours = HERE.with_borrow(|all| all.iter().find(|(raw, _)| *raw == env.raw()).map(|(_, ours)| ours.clone()));
    ours.ok_or_else(|| Error::new(Status::GenericFailure, "leasehold is not open in this environment"))
}

/// The version of this binary, which has to be that of the JavaScript in front of it.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Opens the environment, before all other calls. `wake` is called on its thread when there is mail to `fetch`.
///
/// # Errors
///
/// Node's, when it cannot provide a thread-safe function or a clean-up hook.
#[napi(catch_unwind)]
pub fn open(env: Env, wake: Function<'_, (), ()>) -> Result<()> {
    // The background threads run this library's code until the process ends.
    napi::bindgen_prelude::retain_current_module_for_unload_safety();
    AT_EXIT.call_once(|| sys::at_exit(release_at_end));
    let wake = wake.build_threadsafe_function::<()>().weak::<true>().build()?;
    let id = unique_id();
    let mailbox = Arc::new(Mailbox::new(id, wake));
    registry::observe(id, mailbox.clone());
    let raw = env.raw();
    env.add_env_cleanup_hook(mailbox.clone(), move |mailbox| {
        mailbox.close();
        let ours = HERE.with_borrow_mut(|all| {
            let at = all.iter().position(|(each, _)| *each == raw)?;
            Some(all.swap_remove(at))
        });
        drop(ours);
    })?;
    let terms = [file_terms(env, None)?, session_terms(env, None)?].into();
    let owners = Owners::new(mailbox.clone());
    let ours = Environment { id, mailbox, owners, waiting: RefCell::default(), granted: RefCell::default(), terms };
    HERE.with_borrow_mut(|all| all.push((raw, Rc::new(ours))));
    Ok(())
}

/// Whether this is the thread that the process started with, and so no worker. `false` where the system cannot tell.
#[napi(catch_unwind)]
pub fn is_first_thread() -> bool {
    sys::is_first_thread()
}

/// Empties the mailbox. A granted lock, by far the most frequent letter, is just the number of the request;
/// anything else is a `Letter`.
#[napi(catch_unwind)]
pub fn fetch(env: Env) -> Result<Vec<Either<f64, Letter>>> {
    let here = here(env)?;
    let mail = here.mailbox.empty();
    if mail.iter().any(|mail| matches!(mail, Mail::Suspected)) {
        collect_garbage(env);
    }
    let gone = || mail.iter().filter_map(|mail| if let Mail::Lost(loss) = mail { Some(loss.lease) } else { None });
    let bereaved = gone().min().zip(gone().max()).map(|(min, max)| here.owners.of_leases(min..=max));
    let (mut waiting, mut granted) = (here.waiting.borrow_mut(), here.granted.borrow_mut());
    let first = granted.len();
    let open = |mail| {
        if let Mail::Settled(id, _) = mail {
            waiting.remove(&id);
        }
        match mail {
            Mail::Settled(id, Ok(hold)) => {
                granted.push((id, hold));
                Some(Either::A(js_number(id)))
            }
            Mail::Lost(loss) => {
                let owners = bereaved.iter().flat_map(|bereaved| bereaved.of(env, loss.lease)).collect();
                Some(Either::B(Letter::of_loss(&loss, owners)))
            }
            mail => Letter::new(mail, &here.mailbox).map(Either::B),
        }
    };
    let letters = mail.into_iter().filter_map(open).collect();
    // They are accepted in the order of the letters, and `accept` searches from the end.
    granted[first..].reverse();
    Ok(letters)
}

/// Gives the work of a hold at most `grace_ms` more; then the lease is taken away, unless it is shared with other
/// work that still has time. `reason` is `aborted` or `unhandled-rejection`.
#[napi(catch_unwind)]
pub fn limit(lease: f64, hold: f64, grace_ms: f64, reason: String) {
    let reason = if reason == "aborted" { LossReason::Aborted } else { LossReason::UnhandledRejection };
    let grace = Duration::try_from_secs_f64(grace_ms / 1000.0).unwrap_or(Duration::MAX);
    endings::limit(number(lease), number(hold), grace, reason);
}

/// Every lease of this process.
#[napi(catch_unwind)]
pub fn held(env: Env) -> Result<Vec<HeldReport>> {
    let here = here(env)?;
    Ok(registry::held().iter().map(|lease| HeldReport::new(lease, here.id)).collect())
}

/// Takes away all leases of the whole process, or of this environment only, and returns how many there were.
#[napi(catch_unwind)]
pub fn release_all(env: Env, whole_process: bool) -> Result<u32> {
    let scope = (!whole_process).then_some(here(env)?.id);
    Ok(endings::release_all(scope).try_into().unwrap_or(u32::MAX))
}

/// Takes away the leases of one kind of function, of the whole process or of this environment only, and times out
/// the requests that wait for such locks.
#[napi(catch_unwind)]
pub fn reset(env: Env, whole_process: bool, session: bool) -> Result<()> {
    let scope = (!whole_process).then_some(here(env)?.id);
    endings::reset(scope, if session { Api::Session } else { Api::File });
    Ok(())
}

/// Takes away the session leases that have been held for too long at `now_ms`, in milliseconds since the epoch.
/// Returns how many the watchdog has taken away since the last call, including these.
#[napi(catch_unwind)]
pub fn check_overdue(now_ms: f64) -> u32 {
    let since = Duration::try_from_secs_f64(now_ms / 1000.0).unwrap_or(Duration::ZERO);
    let now = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
    endings::check_overdue(now).try_into().unwrap_or(u32::MAX)
}

/// Removes the lock files of all leases because the process, or this environment, is ending.
#[napi(catch_unwind)]
pub fn release_at_exit(env: Env, whole_process: bool) -> Result<()> {
    if whole_process {
        endings::release_at_exit();
    } else {
        here(env)?.mailbox.close();
    }
    Ok(())
}

/// Makes V8 collect garbage soon, without flags. It does so when objects on its heap seem to keep much memory outside
/// of it, and an idle process never does otherwise.
fn collect_garbage(env: Env) {
    /// V8 ignores less.
    const PRESSURE: i64 = 65 << 20;
    // If the first call fails, there is nothing to take back.
    if env.adjust_external_memory(PRESSURE).is_ok() {
        let _ = env.adjust_external_memory(-PRESSURE);
    }
}

extern "C" fn release_at_end() {
    // A panic must not cross into the C runtime.
    let _ = std::panic::catch_unwind(endings::release_at_end);
}
