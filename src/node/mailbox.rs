//! What the engine tells one environment, and how JavaScript reads it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::Status;
use napi::bindgen_prelude::Buffer;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use parking_lot::Mutex;

use super::owners::OwnerObject;
use super::report::{Fault, HeldReport, InspectionReport, LossReport, SweptReport, js_number};
use crate::json_store::StoreError;
use crate::lock::endings;
use crate::lock::error::LockError;
use crate::lock::inspect::Inspection;
use crate::lock::reclaim::{Reclaimed, Swept};
use crate::lock::registry::Observer;
use crate::lock::terms::EnvId;
use crate::lock::{Hold, Loss};

/// Has the environment's own thread empty the mailbox.
pub(super) type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// What a mailbox can hold.
pub(super) enum Mail {
    /// A request for a lock was settled.
    Settled(u64, std::result::Result<Hold, LockError>),
    /// A release or an append is done.
    Done(u64, std::result::Result<(), LockError>),
    /// An inspection is done.
    Inspected(u64, std::result::Result<Inspection, LockError>),
    /// A directory was swept.
    Swept(u64, std::result::Result<Vec<Swept>, LockError>),
    /// A lock file was reclaimed, or not.
    Reclaimed(u64, std::result::Result<Reclaimed, LockError>),
    /// A file was read.
    Read(u64, std::result::Result<Option<Vec<u8>>, StoreError>),
    /// A file was written.
    Written(u64, std::result::Result<(), StoreError>),
    /// A lease was taken away.
    Lost(Arc<Loss>),
    /// Somebody waits for one of our leases, which may have lost its owner.
    Suspected,
    /// A handle was collected without having been released.
    Leaked(Arc<crate::lock::lease::Lease>),
    /// A lock file could not be removed yet.
    NotRemoved(String, String),
}

/// The mailbox of one environment.
pub(super) struct Mailbox {
    env: EnvId,
    mail: Mutex<Vec<Mail>>,
    closed: AtomicBool,
    wake: Wake,
}

thread_local! {
    /// The environment that is about to read its mailbox by itself; 0 for none.
    #[cfg_attr(
        all(windows, target_env = "gnu"),
        expect(clippy::missing_const_for_thread_local, reason = "it is const; the lint sees what the macro makes of it")
    )]
    static QUIET: Cell<EnvId> = const { Cell::new(0) };
}

impl Mailbox {
    pub(super) fn new(env: EnvId, wake: Wake) -> Self {
        Self { env, mail: Mutex::default(), closed: AtomicBool::new(false), wake }
    }

    /// Puts a letter in and wakes the environment, unless it is about to look anyway. Letters to a closed mailbox are
    /// dropped, which releases any lock in them.
    pub(super) fn post(&self, letter: Mail) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        // This letter answers a pending request, so JavaScript fetches it after the call; other news needs the wake-up.
        let is_fetched = QUIET.get() == self.env && matches!(letter, Mail::Settled(..));
        let was_empty = {
            let mut mail = self.mail.lock();
            mail.push(letter);
            mail.len() == 1
        };
        if was_empty && !is_fetched {
            // Fails only when the environment is ending, and `close` empties the box.
            let _ = self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Runs `act` on the environment's own thread. The caller fetches the answers that it waits for afterwards.
    pub(super) fn quietly<T>(&self, act: impl FnOnce() -> T) -> T {
        QUIET.set(self.env);
        let result = act();
        QUIET.set(0);
        result
    }

    /// Takes all letters out.
    pub(super) fn empty(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.mail.lock())
    }

    /// Ends the environment: what comes later is dropped.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let letters = self.empty();
        endings::close(self.env);
        drop(letters);
    }
}

impl Observer for Mailbox {
    fn lost(&self, loss: &Arc<Loss>) {
        self.post(Mail::Lost(loss.clone()));
    }

    fn suspected(&self) {
        self.post(Mail::Suspected);
    }

    fn not_removed(&self, error: &LockError) {
        self.post(Mail::NotRemoved(error.code().unwrap_or_default().to_owned(), error.to_string()));
    }
}

/// A letter, as JavaScript reads it. One of the fields after `id` says what it is about.
#[napi(object, object_from_js = false)]
pub struct Letter {
    /// The number of the request it answers; 0 for none.
    pub id: f64,
    /// What went wrong with the request.
    pub fault: Option<Fault>,
    /// What an inspection found.
    pub inspection: Option<InspectionReport>,
    /// What a sweep found and did.
    pub swept: Option<Vec<SweptReport>>,
    /// What became of a lock file that was to be reclaimed: `missing`, `removed` or `retained`.
    pub reclaimed: Option<&'static str>,
    /// The contents of the file that was read; absent if there is none.
    pub contents: Option<Buffer>,
    /// A lease that was taken away.
    pub loss: Option<LossReport>,
    /// With `loss`: the owners that lost it and can still be reached, that of the earliest handle first.
    pub owners: Option<Vec<OwnerObject>>,
    /// A lease whose handle was collected without a release.
    pub leaked: Option<HeldReport>,
    /// A problem worth a warning, with its code.
    pub warning: Option<Warning>,
}

/// Something to warn about.
#[napi(object, object_from_js = false)]
pub struct Warning {
    /// Its stable code.
    pub code: String,
    /// Its text.
    pub message: String,
}

impl Letter {
    fn blank() -> Self {
        Self {
            id: 0.0,
            fault: None,
            inspection: None,
            swept: None,
            reclaimed: None,
            contents: None,
            loss: None,
            owners: None,
            leaked: None,
            warning: None,
        }
    }

    /// The letter that a lease was taken away from its owners.
    pub(super) fn of_loss(loss: &Loss, owners: Vec<OwnerObject>) -> Self {
        Self { loss: Some(LossReport::from(loss)), owners: Some(owners), ..Self::blank() }
    }

    /// The letter for JavaScript, if there is anything to tell.
    pub(super) fn new(mail: Mail, mailbox: &Arc<Mailbox>) -> Option<Self> {
        let mut letter = Self::blank();
        match mail {
            // A granted lock goes to JavaScript as a number, not as a letter. For losses see `of_loss`.
            Mail::Settled(_, Ok(_)) | Mail::Lost(_) | Mail::Suspected => return None,
            Mail::Settled(id, Err(error)) => letter.answer(id, Err(error)).unwrap_or_default(),
            Mail::Done(id, done) => letter.answer(id, done).unwrap_or_default(),
            Mail::Inspected(id, seen) => {
                letter.inspection = letter.answer(id, seen).map(|seen| InspectionReport::from(&seen));
            }
            Mail::Swept(id, swept) => {
                let swept = letter.answer(id, swept);
                letter.swept = swept.map(|swept| swept.into_iter().map(SweptReport::from).collect());
            }
            Mail::Reclaimed(id, reclaimed) => letter.reclaimed = letter.answer(id, reclaimed).map(Reclaimed::name),
            Mail::Read(id, read) => letter.contents = letter.answer(id, read).flatten().map(Buffer::from),
            Mail::Written(id, written) => letter.answer(id, written).unwrap_or_default(),
            Mail::NotRemoved(code, message) => letter.warning = Some(Warning { code, message }),
            Mail::Leaked(lease) => letter.leaked = Some(HeldReport::new(&lease, mailbox.env)),
        }
        Some(letter)
    }

    /// Addresses the letter to a request. Returns the result, or notes what went wrong.
    fn answer<T, E>(&mut self, id: u64, result: std::result::Result<T, E>) -> Option<T>
    where
        Fault: for<'a> From<&'a E>,
    {
        self.id = js_number(id);
        result.inspect_err(|error| self.fault = Some(Fault::from(error))).ok()
    }
}
