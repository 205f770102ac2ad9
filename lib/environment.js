'use strict'
// This JavaScript thread's side of the native mailbox: promises by number, and news of lost leases.

const { Environment, Lease } = require('../binding.js')
const { lostError, toError } = require('./errors.js')

/** What each unanswered number resolves. */
const pending = new Map()
/** Signals of the handles of each lease, weakly: they must not keep a handle alive. */
const signals = new Map()
/** Lives as long as its signal, and with it whatever waits for the signal. */
const controllers = new WeakMap()
const forgotten = new FinalizationRegistry(({ leaseId, reference }) => forget(leaseId, reference))

const environment = new Environment(fetch)

// Waiting for a lock keeps the process alive, as waiting for anything else does; holding one does not.
let vigil

function expect(id, entry) {
  pending.set(id, entry)
  if (pending.size === 1) {
    vigil ??= setInterval(() => {}, 0x7fffffff)
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
function answer(id) {
  return new Promise((resolve, reject) => expect(id, { resolve, reject }))
}

/** A promise for the lease requested under `id`; rejects with the signal's reason when it aborts. */
function lease(id, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      // Too late when the answer is under way already: then it counts.
      if (environment.cancel(id)) dismiss(id).reject(signal.reason)
    }
    const settled = (settle) => (value) => {
      signal?.removeEventListener('abort', abort)
      settle(value)
    }
    expect(id, { resolve: settled(resolve), reject: settled(reject) })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** Reads the mailbox. Called by the native part, and after releases, whose answers it would only delay. */
function fetch() {
  for (const letter of environment.fetch()) {
    const { id, fault, loss, warning } = letter
    if (loss) tellLoss(loss)
    else if (warning) warn(warning.message, warning.code)
    else {
      const entry = dismiss(id)
      if (fault) entry?.reject(toError(fault))
      else entry?.resolve(letter.lease ?? letter.inspection)
    }
  }
}

function fetchIfExpected() {
  if (pending.size > 0) fetch()
}

function tellLoss(loss) {
  const error = lostError(loss)
  for (const reference of signals.get(loss.lease) ?? []) {
    const signal = reference.deref()
    if (signal) controllers.get(signal).abort(error)
  }
  signals.delete(loss.lease)
  warn(error.message, 'LEASEHOLD_LOCK_LOST')
}

function warn(message, code) {
  process.emitWarning(message, { type: 'LeaseholdWarning', code })
}

/** A signal that aborts when the lease is lost. */
function lossSignal(leaseId) {
  const controller = new AbortController()
  const { signal } = controller
  controllers.set(signal, controller)
  const reference = new WeakRef(signal)
  if (!signals.has(leaseId)) signals.set(leaseId, new Set())
  signals.get(leaseId).add(reference)
  forgotten.register(signal, { leaseId, reference })
  return signal
}

function forget(leaseId, reference) {
  const references = signals.get(leaseId)
  references?.delete(reference)
  if (references?.size === 0) signals.delete(leaseId)
}

module.exports = { Lease, answer, environment, fetchIfExpected, lease, lossSignal }
