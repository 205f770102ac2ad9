// Announces leases that ended other than by a release: signals, warnings, diagnostics.
//
// Nothing here may keep an owner alive, or its lease would never be given back.

import { channel } from 'node:diagnostics_channel'
import { framesOf, lostError } from './errors.mjs'
import { unwatchLease } from './watched.mjs'

const channels = {
  acquired: channel('leasehold:acquired'),
  released: channel('leasehold:released'),
  lost: channel('leasehold:lost'),
}

/** The controller of an owner's signal, if that was asked for. */
const controllers = new WeakMap()
/** The owner of a signal. It lives as long as the signal, through which its loss may still be announced. */
const listened = new WeakMap()

/** A signal that aborts when the lease is lost. */
export function lossSignal(owner) {
  const controller = new AbortController()
  controllers.set(owner, controller)
  listened.set(controller.signal, owner)
  return controller.signal
}

/** Announces that a lease was taken away from its `owners`, the first of which acquired it. */
export function tellLoss(loss, owners) {
  unwatchLease(loss.lease)
  const error = lostError(loss, { acquiredAt: stackOf(owners[0]?.origin) })
  for (const owner of owners) {
    // A handle that was released while others went on has lost nothing.
    if (owner.loss()) controllers.get(owner)?.abort(error)
  }
  publish('lost', () => ({ lockPath: error.lockPath, token: error.token, label: error.label, error }))
  warn(error.message, 'LEASEHOLD_LOCK_LOST', error.acquiredAt)
}

/** Announces that a handle was collected before anybody released it, which gave its lease back. */
export function tellLeak({ lease, lockPath, token, label, heldForMs }) {
  unwatchLease(lease)
  const named = label === undefined ? '' : ` by ${JSON.stringify(label)}`
  const message =
    `lock leaked: ${lockPath} was held for ${Math.round(heldForMs)} ms${named} and nothing was left that could ` +
    'release it; it was given back, but its holder should call release() or let withFileLock do it'
  publish('lost', () => ({ lockPath, token, label, reason: 'leaked' }))
  warn(message, 'LEASEHOLD_LOCK_LEAKED')
}

/** Tells subscribers, if there are any. Messages are plain objects: keeping one must not keep a lock. */
export function publish(event, message) {
  if (isHeard(event)) channels[event].publish(message())
}

/** Whether there are subscribers. */
export function isHeard(event) {
  return channels[event].hasSubscribers
}

export function warn(message, code, acquiredAt) {
  const detail = acquiredAt && `acquired at:\n${acquiredAt}`
  process.emitWarning(message, { type: 'LeaseholdWarning', code, detail })
}

/** Where a lock was acquired, as far as it is still known. */
export function stackOf(origin) {
  return origin && framesOf(origin)
}
