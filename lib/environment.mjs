// This JavaScript thread's side of the native mailbox: promises by number, and news of leases.

import native from './addon.mjs'
import { reasonOf, toError } from './errors.mjs'
import { tellLeak, tellLoss, warn } from './losses.mjs'
import { outside } from './scope.mjs'
import { setInterval } from './timers.mjs'

/** The promise to settle for each unanswered number. */
const pending = new Map()
native.open(fetch)
/** The native part's functions, which can be called from now on. */
export { native }

// Waiting for a lock keeps the process alive, as waiting for anything else does; holding one does not.
let vigil

function expect(id, entry) {
  pending.set(id, entry)
  if (pending.size === 1) {
    vigil ??= outside(setInterval, () => {}, 0x7fffffff)
    vigil.ref()
  }
}

function dismiss(id) {
  const entry = pending.get(id)
  pending.delete(id)
  if (pending.size === 0) vigil?.unref()
  return entry
}

/** A promise for the answer that the mailbox will have under `id`. */
export function answer(id) {
  return new Promise((resolve, reject) => expect(id, { resolve, reject }))
}

/** A promise for the lease requested under `id`, which `owner` gets; rejects with the signal's reason on abort. */
export function lease(id, owner, signal) {
  return new Promise((resolve, reject) => {
    if (signal === null) return expect(id, { resolve, reject, owner })
    const giveUp = (reason) => {
      // If the answer is already under way, it counts, and the abort comes too late.
      if (native.cancel(id)) dismiss(id).reject(reason)
    }
    const abort = () => giveUp(reasonOf(signal))
    const settled = (settle) => (value) => {
      settle(value)
      signal.removeEventListener('abort', abort)
    }
    expect(id, { resolve: settled(resolve), reject: settled(reject), owner })
    try {
      signal.addEventListener('abort', abort, { once: true })
      // The caller was asked for its leave since it was last looked at.
      if (signal.aborted) abort()
    } catch (error) {
      giveUp(error)
    }
  })
}

/** Reads the mailbox. Called by the native part, and after releases, whose answers a wake-up would only delay. */
export function fetch() {
  for (const letter of native.fetch()) {
    try {
      deliver(letter)
    } catch (error) {
      // A program may replace what warnings and signals use: if that throws, it must not hold up the other letters.
      complain(error)
    }
  }
}

function complain(error) {
  try {
    process.emitWarning(error)
  } catch {
    // It was probably this that threw before. There is nobody else to tell.
  }
}

function deliver(letter) {
  if (typeof letter === 'number') accept(letter)
  else tell(letter)
}

/** A lock was granted. */
function accept(id) {
  const entry = dismiss(id)
  entry?.resolve(native.accept(id, entry.owner.number))
}

function tell({ id, fault, inspection, swept, reclaimed, contents, loss, owners, leaked, warning }) {
  if (loss) outside(tellLoss, loss, owners)
  else if (leaked) outside(tellLeak, leaked)
  else if (warning) outside(warn, warning.message, warning.code)
  else {
    const entry = dismiss(id)
    if (fault) entry?.reject(toError(fault))
    else entry?.resolve(inspection ?? swept ?? reclaimed ?? contents)
  }
}

export function fetchIfExpected() {
  if (pending.size > 0) fetch()
}
