//! One JavaScript thread, and the calls it can make.
//!
//! Answers are collected in a mailbox. The function given to the constructor runs on the environment's own thread and
//! fetches them all with one call. It is held weakly: it keeps no process alive.

#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "JavaScript calls these, and napi hands it values"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use napi::bindgen_prelude::{Either, Either3, Env, Function, Result, Unknown};
use napi_derive::napi;

use super::mailbox::{Letter, Mail, Mailbox};
use super::options::{Given, file_terms, session_terms, type_error};
use super::owners::Owners;
use super::report::{Fault, HeldReport, js_number};
use crate::lock::inspect::inspect;
use crate::lock::reclaim::{SweepTerms, reclaim_definitely_stale, sweep};
use crate::lock::registry::{self, unique_id};
use crate::lock::sys::{self, NewDirectories};
use crate::lock::terms::{Api, EnvId, OwnPid, Scope};
use crate::lock::{Acquired, Hold, LossReason, Terms, Ticket, acquire, acquire_blocking, endings};

/// Whether this is the thread that the process started with, and so no worker. `false` where the system cannot tell.
#[napi(catch_unwind)]
pub fn is_first_thread() -> bool {
    sys::is_first_thread()
}

/// Guards the registration of `release_at_exit`.
static AT_EXIT: std::sync::Once = std::sync::Once::new();

/// One JavaScript thread's way into the engine.
#[napi]
pub struct Environment {
    id: EnvId,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) owners: Rc<Owners>,
    waiting: BTreeMap<u64, Arc<Ticket>>,
    /// Locks granted after a wait, until JavaScript accepts them: the one announced first is the last.
    granted: Vec<(u64, Hold)>,
    /// The terms from the options understood last: of the functions for files, and of the one for sessions.
    terms: [Terms; 2],
}

#[napi]
impl Environment {
    /// Opens the environment. `wake` is called on its thread when there is mail to `fetch`.
    ///
    /// # Errors
    ///
    /// Node's, when it cannot provide a thread-safe function or a clean-up hook.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, wake: Function<'_, (), ()>) -> Result<Self> {
        // The background threads run this library's code until the process ends.
        napi::bindgen_prelude::retain_current_module_for_unload_safety();
        AT_EXIT.call_once(|| sys::at_exit(release_at_exit));
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().build()?;
        let id = unique_id();
        let mailbox = Arc::new(Mailbox::new(id, wake));
        registry::observe(id, mailbox.clone());
        env.add_env_cleanup_hook(mailbox.clone(), |mailbox| mailbox.close())?;
        let terms = [file_terms(env, None)?, session_terms(env, None)?];
        let owners = Owners::new(mailbox.clone());
        Ok(Self { id, mailbox, owners, waiting: BTreeMap::new(), granted: Vec::new(), terms })
    }

    /// Sets the options of the calls that follow, which usually share them. `options` are the numbers and values of
    /// those that are given; `session` is true for `acquireSessionWriteLock`.
    ///
    /// # Errors
    ///
    /// A pending `TypeError` or `RangeError` about an option; nothing has changed then.
    #[napi(catch_unwind)]
    pub fn understand(&mut self, env: Env, options: Given<'_>, session: bool) -> Result<()> {
        let understood = if session { session_terms(env, options) } else { file_terms(env, options) }?;
        self.terms[usize::from(session)] = understood;
        Ok(())
    }

    /// Requests a lock: its lock file if granted at once, a fault, or the number under which the mailbox will answer.
    ///
    /// `session` is true for `acquireSessionWriteLock`; `chain` is the calling chain, if there is one: the numbers of
    /// lease and hold of each scope, outermost first; `listed` says whether OpenClaw's JavaScript lists the lock among
    /// those it holds in this process, if it is used here; `asks` whether to report a stale lock instead of taking it
    /// over; `private_directories` whether only their owner may use directories that are created. The lease is given to
    /// `owner`.
    ///
    /// # Errors
    ///
    /// A pending `TypeError` about the path.
    #[napi(catch_unwind)]
    pub fn acquire(
        &mut self,
        env: Env,
        path: Unknown<'_>,
        session: bool,
        chain: Option<Vec<f64>>,
        listed: Option<bool>,
        asks: bool,
        private_directories: bool,
        owner: u32,
    ) -> Result<Either3<String, Fault, f64>> {
        let path = path_of(env, path, session)?;
        let new_directories = if private_directories { NewDirectories::Private } else { NewDirectories::Ordinary };
        let terms = Terms { asks, new_directories, ..self.terms(session, chain, listed) };
        let id = unique_id();
        let settle = {
            let mailbox = self.mailbox.clone();
            Box::new(move |settled| mailbox.post(Mail::Settled(id, settled)))
        };
        Ok(match acquire(Path::new(&path), terms, settle) {
            Ok(Acquired::Now(hold)) => Either3::A(self.give(owner, hold)),
            Ok(Acquired::Later(ticket)) => {
                self.waiting.insert(id, ticket);
                Either3::C(js_number(id))
            }
            Err(error) => Either3::B(Fault::from(&error)),
        })
    }

    /// Like `acquire`, but blocks this thread until the lock is granted or the timeout expires.
    ///
    /// # Errors
    ///
    /// As `acquire`.
    #[napi(catch_unwind)]
    pub fn acquire_sync(
        &self,
        env: Env,
        path: Unknown<'_>,
        chain: Option<Vec<f64>>,
        listed: Option<bool>,
        asks: bool,
        owner: u32,
    ) -> Result<Either<String, Fault>> {
        let path = path_of(env, path, false)?;
        let terms = Terms { blocking: true, asks, ..self.terms(false, chain, listed) };
        Ok(match acquire_blocking(Path::new(&path), terms) {
            Ok(hold) => Either::A(self.give(owner, hold)),
            Err(error) => Either::B(Fault::from(&error)),
        })
    }

    /// Cancels a request. `false` when its answer is already under way.
    #[napi(catch_unwind)]
    pub fn cancel(&mut self, id: f64) -> bool {
        self.waiting.remove(&number(id)).is_some_and(|ticket| ticket.cancel())
    }

    /// Gives the lease that was granted for a request to `owner`, as `acquire` does. Returns nothing if there is none.
    #[napi(catch_unwind)]
    pub fn accept(&mut self, id: f64, owner: u32) -> Option<String> {
        let at = self.granted.iter().rposition(|(granted, _)| *granted == number(id))?;
        let (_, hold) = self.granted.swap_remove(at);
        Some(self.give(owner, hold))
    }

    /// Empties the mailbox. A granted lock, by far the most frequent letter, is just the number of the request;
    /// anything else is a `Letter`.
    #[napi(catch_unwind)]
    pub fn fetch(&mut self, env: Env) -> Vec<Either<f64, Letter>> {
        let mail = self.mailbox.empty();
        if mail.iter().any(|mail| matches!(mail, Mail::Suspected)) {
            collect_garbage(env);
        }
        let gone = || mail.iter().filter_map(|mail| if let Mail::Lost(loss) = mail { Some(loss.lease) } else { None });
        let bereaved = gone().min().zip(gone().max()).map(|(min, max)| self.owners.of_leases(min..=max));
        let first = self.granted.len();
        let open = |mail| {
            if let Mail::Settled(id, _) = mail {
                self.waiting.remove(&id);
            }
            match mail {
                Mail::Settled(id, Ok(hold)) => {
                    self.granted.push((id, hold));
                    Some(Either::A(js_number(id)))
                }
                Mail::Lost(loss) => {
                    let owners = bereaved.iter().flat_map(|bereaved| bereaved.of(env, loss.lease)).collect();
                    Some(Either::B(Letter::of_loss(&loss, owners)))
                }
                mail => Letter::new(mail, &self.mailbox).map(Either::B),
            }
        };
        let letters = mail.into_iter().filter_map(open).collect();
        // They are accepted in the order of the letters, and `accept` searches from the end.
        self.granted[first..].reverse();
        letters
    }

    /// Gives the work of a hold at most `grace_ms` more; then the lease is taken away, unless it is shared with other
    /// work that still has time.
    #[napi(catch_unwind)]
    pub fn limit(
        &self,
        lease: f64,
        hold: f64,
        grace_ms: f64,
        #[napi(ts_arg_type = "'aborted' | 'unhandled-rejection'")] reason: String,
    ) {
        let reason = if reason == "aborted" { LossReason::Aborted } else { LossReason::UnhandledRejection };
        let grace = Duration::try_from_secs_f64(grace_ms / 1000.0).unwrap_or(Duration::MAX);
        endings::limit(number(lease), number(hold), grace, reason);
    }

    /// Inspects a lock without requesting it; the mailbox answers under the number returned.
    ///
    /// # Errors
    ///
    /// A pending `TypeError` about the path, or an error when no thread can be started.
    #[napi(catch_unwind)]
    pub fn inspect(&self, env: Env, path: Unknown<'_>) -> Result<f64> {
        let path = path_of(env, path, false)?;
        self.elsewhere("leasehold-inspect", move |id| Mail::Inspected(id, inspect(Path::new(&path))))
    }

    /// Inspects every session lock file in a directory, and removes those that are stale if `remove` is set. The
    /// mailbox answers under the number returned. `claimed` are the names of lock files that OpenClaw's JavaScript
    /// holds in this process; `null` when it may hold any.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    #[napi(catch_unwind)]
    pub fn sweep(
        &self,
        directory: String,
        stale_ms: f64,
        now_ms: f64,
        remove: bool,
        claimed: Option<Vec<String>>,
    ) -> Result<f64> {
        let terms = SweepTerms { stale_ms, now_ms, remove, claimed, asked: SystemTime::now() };
        self.elsewhere("leasehold-sweep", move |id| Mail::Swept(id, sweep(Path::new(&directory), &terms)))
    }

    /// Removes a lock file whose owner is certainly gone; the mailbox answers under the number returned.
    ///
    /// # Errors
    ///
    /// A pending `TypeError` about the path, or an error when no thread can be started.
    #[napi(catch_unwind)]
    pub fn reclaim(&self, env: Env, lock_path: Unknown<'_>) -> Result<f64> {
        let path = text_of(env, lock_path, "lockPath")?;
        self.elsewhere("leasehold-reclaim", move |id| Mail::Reclaimed(id, reclaim_definitely_stale(Path::new(&path))))
    }

    /// Every lease of this process.
    #[napi(catch_unwind)]
    pub fn held(&self) -> Vec<HeldReport> {
        registry::held().iter().map(|lease| HeldReport::new(lease, self.id)).collect()
    }

    /// Takes away all leases of the whole process, or of this environment only, and returns how many there were.
    #[napi(catch_unwind)]
    pub fn release_all(&self, whole_process: bool) -> u32 {
        let scope = (!whole_process).then_some(self.id);
        endings::release_all(scope).try_into().unwrap_or(u32::MAX)
    }

    /// Takes away the leases of one kind of function, of the whole process or of this environment only, and times out
    /// the requests that wait for such locks.
    #[napi(catch_unwind)]
    pub fn reset(&self, whole_process: bool, session: bool) {
        let scope = (!whole_process).then_some(self.id);
        endings::reset(scope, if session { Api::Session } else { Api::File });
    }

    /// Takes away the session leases that have been held for too long at `now_ms`, in milliseconds since the epoch.
    /// Returns how many the watchdog has taken away since the last call, including these.
    #[napi(catch_unwind)]
    pub fn check_overdue(&self, now_ms: f64) -> u32 {
        let since = Duration::try_from_secs_f64(now_ms / 1000.0).unwrap_or(Duration::ZERO);
        let now = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
        endings::check_overdue(now).try_into().unwrap_or(u32::MAX)
    }

    /// Removes the lock files of all leases because the process, or this environment, is ending.
    #[napi(catch_unwind)]
    pub fn release_at_exit(&self, whole_process: bool) {
        if whole_process {
            endings::release_at_exit();
        } else {
            self.mailbox.close();
        }
    }

    /// Runs `job` on a thread of its own: the file system may hang, and such jobs are rare.
    fn elsewhere(&self, name: &str, job: impl FnOnce(u64) -> Mail + Send + 'static) -> Result<f64> {
        let id = unique_id();
        let mailbox = self.mailbox.clone();
        sys::spawn(name, move || mailbox.post(job(id)))?;
        Ok(js_number(id))
    }

    /// Gives `owner` a lease, and returns its lock file.
    fn give(&self, owner: u32, hold: Hold) -> String {
        let lock_path = hold.lease().target.lock_path.to_string_lossy().into_owned();
        self.owners.give(owner, hold);
        lock_path
    }

    fn terms(&self, session: bool, chain: Option<Vec<f64>>, listed: Option<bool>) -> Terms {
        Terms {
            env: self.id,
            chain: scopes(&chain.unwrap_or_default()),
            own_pid: match listed {
                None => OwnPid::Unclaimed,
                Some(false) => OwnPid::Unlisted { asked: SystemTime::now() },
                Some(true) => OwnPid::Claimed,
            },
            ..self.terms[usize::from(session)].clone()
        }
    }
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

/// A number that went to JavaScript and came back.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they were whole when they left")]
fn number(id: f64) -> u64 {
    id as u64
}

fn scopes(numbers: &[f64]) -> Vec<Scope> {
    let (pairs, _) = numbers.as_chunks();
    pairs.iter().map(|&[lease, hold]| Scope { lease: number(lease), hold: number(hold) }).collect()
}

fn path_of(env: Env, path: Unknown<'_>, session: bool) -> Result<String> {
    text_of(env, path, if session { "params.sessionFile" } else { "path" })
}

fn text_of(env: Env, text: Unknown<'_>, name: &str) -> Result<String> {
    if text.get_type()? != napi::ValueType::String {
        return Err(type_error(env, &format!("{name} must be a string")));
    }
    // SAFETY: the value was just seen to be a string.
    unsafe { text.cast() }
}

extern "C" fn release_at_exit() {
    // A panic must not cross into the C runtime.
    let _ = std::panic::catch_unwind(endings::release_at_end);
}
