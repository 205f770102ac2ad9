//! The owners of leases: JavaScript objects with a finalizer of ours.
//!
//! In JavaScript only its owner keeps a lease: as long as the object can be reached, the lease is kept; when it is
//! collected, its finalizer drops the [`Hold`] and the lock is free. Nothing in the object is looked at here. It is
//! known by its number, which JavaScript stores on it.
//!
//! Creating one and having it collected takes as long as two system calls, so an owner can be used again once its lease
//! was given back.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ops::{Deref, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::{Env, Object, Result, ToNapiValue};
use napi::{JsValue as _, check_status, sys};

use super::mailbox::{Mail, Mailbox};
use crate::lock::Hold;
use crate::lock::terms::{HoldId, LeaseId};

/// The owners of one environment.
pub(super) struct Owners {
    mailbox: Arc<Mailbox>,
    table: RefCell<Table>,
}

/// The owners by number. The first is nobody: it never has a lease.
struct Table {
    owners: Vec<Owner>,
    /// Numbers of owners that were collected.
    free: Vec<u32>,
}

struct Owner {
    hold: Option<Owned>,
    /// A weak reference to the object. Null once it was collected, and for nobody.
    object: sys::napi_ref,
}

/// What an owner has. There may be ten thousand leases, and most are only ever held: a hold moves to where others can
/// share it only when one does.
enum Owned {
    Alone(Hold),
    /// A write in progress keeps it, too.
    Shared(Arc<Hold>),
}

impl Deref for Owned {
    type Target = Hold;

    fn deref(&self) -> &Hold {
        match self {
            Self::Alone(hold) => hold,
            Self::Shared(hold) => hold,
        }
    }
}

/// An owner, for JavaScript.
pub struct OwnerObject(sys::napi_value);

impl ToNapiValue for OwnerObject {
    unsafe fn to_napi_value(_: sys::napi_env, owner: Self) -> Result<sys::napi_value> {
        Ok(owner.0)
    }
}

impl Owners {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Rc<Self> {
        let nobody = Owner { hold: None, object: ptr::null_mut() };
        Rc::new(Self { mailbox, table: RefCell::new(Table { owners: vec![nobody], free: Vec::new() }) })
    }

    /// Makes `object` an owner, and returns its number.
    pub(super) fn enrol(self: &Rc<Self>, env: Env, object: &Object<'_>) -> Result<u32> {
        let number = self.table.borrow_mut().reserve();
        let ours = Rc::into_raw(self.clone());
        let mut reference = ptr::null_mut();
        // SAFETY: `env` and `object` are those of the current call. The finalizer is called once, and takes back what
        // it is given here: the number in place of a pointer, and the share in `self`.
        let status = unsafe {
            let number = ptr::without_provenance_mut(number as usize);
            sys::napi_add_finalizer(
                env.raw(),
                object.raw(),
                number,
                Some(collected),
                ours.cast_mut().cast(),
                &raw mut reference,
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: it was made by `into_raw` above, and nobody else has it.
            drop(unsafe { Rc::from_raw(ours) });
            self.table.borrow_mut().free.push(number);
        }
        check_status!(status)?;
        self.table.borrow_mut().owners[number as usize].object = reference;
        Ok(number)
    }

    /// Gives an owner a lease. An exception for JavaScript if it has one already, which is not touched.
    pub(super) fn give(&self, number: u32, hold: Hold) {
        // An owner without an object would keep it for ever.
        if let Some(owner) = self.table.borrow_mut().owners.get_mut(number as usize)
            && !owner.object.is_null()
        {
            assert!(owner.hold.is_none(), "the owner has a lease");
            owner.hold = Some(Owned::Alone(hold));
        }
    }

    /// What `look` returns for the hold of an owner. It may take its time, but must not call JavaScript.
    pub(super) fn look<T>(&self, number: u32, look: impl FnOnce(&Hold) -> T) -> Option<T> {
        self.table.borrow().owners.get(number as usize)?.hold.as_deref().map(look)
    }

    /// The hold of an owner, to be kept for longer.
    pub(super) fn share(&self, number: u32) -> Option<Arc<Hold>> {
        let mut table = self.table.borrow_mut();
        let owned = &mut table.owners.get_mut(number as usize)?.hold;
        let shared = match owned.take()? {
            Owned::Alone(hold) => Arc::new(hold),
            Owned::Shared(hold) => hold,
        };
        *owned = Some(Owned::Shared(shared.clone()));
        Some(shared)
    }

    /// Takes the lease from its owner, which can then have another one.
    pub(super) fn take(&self, number: u32) {
        let taken = self.table.borrow_mut().owners.get_mut(number as usize).and_then(|owner| owner.hold.take());
        // Only when the table is no longer borrowed: if this releases the lease, other code runs.
        drop(taken);
    }

    /// The owners whose leases have these numbers. No lease is locked for this: a beat may hold its lock while it waits
    /// for the file system.
    pub(super) fn of_leases(&self, leases: RangeInclusive<LeaseId>) -> Found {
        let table = self.table.borrow();
        let found = |owner: &Owner| {
            let hold = owner.hold.as_ref().filter(|hold| leases.contains(&hold.lease().id))?;
            Some((hold.lease().id, hold.id, owner.object))
        };
        Found(table.owners.iter().filter_map(found).collect())
    }

    /// An owner was collected. If it had not released its lease by now, it never will: that is worth a warning before
    /// the lease is given back.
    fn bury(&self, number: u32) -> sys::napi_ref {
        let (hold, object) = {
            let mut table = self.table.borrow_mut();
            let owner = &mut table.owners[number as usize];
            let buried = (owner.hold.take(), std::mem::replace(&mut owner.object, ptr::null_mut()));
            table.free.push(number);
            buried
        };
        if let Some(hold) = hold
            && hold.is_held()
            && hold.lease().handles() == 1
        {
            self.mailbox.post(Mail::Leaked(hold.lease().clone()));
        }
        object
    }
}

/// The owners that were found: the number of their lease, that of their handle on it, and the object.
///
/// They are looked up once for all losses that are told together, not once for each.
pub(super) struct Found(Vec<(LeaseId, HoldId, sys::napi_ref)>);

impl Found {
    /// The owners of a lease that can still be reached, that of its earliest handle first.
    pub(super) fn of(&self, env: Env, lease: LeaseId) -> Vec<OwnerObject> {
        let mut owners = Vec::new();
        let mut earliest = HoldId::MAX;
        for (_, hold, reference) in self.0.iter().filter(|(found, ..)| *found == lease) {
            let mut object = ptr::null_mut();
            // SAFETY: `env` is that of the current call. No finalizer, which would delete the reference, has run since
            // it was found in the table: finalizers run between calls.
            let status = unsafe { sys::napi_get_reference_value(env.raw(), *reference, &raw mut object) };
            if status != sys::Status::napi_ok || object.is_null() {
                continue;
            }
            owners.push(OwnerObject(object));
            if *hold < earliest {
                earliest = *hold;
                let last = owners.len() - 1;
                owners.swap(0, last);
            }
        }
        owners
    }
}

impl Table {
    fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let next = u32::try_from(self.owners.len());
            self.owners.push(Owner { hold: None, object: ptr::null_mut() });
            next.unwrap_or_default()
        })
    }
}

/// The finalizer of an owner.
///
/// # Safety
///
/// Node calls it once for each [`Owners::enrol`], on the thread of `env`, with the arguments given there.
unsafe extern "C" fn collected(env: sys::napi_env, number: *mut c_void, owners: *mut c_void) {
    // SAFETY: `enrol` made it by `into_raw`, for this call.
    let owners = unsafe { Rc::from_raw(owners.cast_const().cast::<Owners>()) };
    let number = number.addr();
    let buried = catch_unwind(AssertUnwindSafe(|| owners.bury(u32::try_from(number).unwrap_or_default())));
    if let Ok(object) = buried {
        // SAFETY: the reference is that of the object whose finalizer this is: nobody uses it any more, and the table
        // has forgotten it. If Node refuses, nothing can be done about it.
        let _ = unsafe { sys::napi_delete_reference(env, object) };
    }
}
