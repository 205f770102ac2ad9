// Telling about leases that ended otherwise than by a release: signals, warnings, diagnostics.
//
// Nothing here may keep an owner alive, or its lease would never be given back.

import { channel } from 'node:diagnostics_channel'
import { framesOf, lostError } from './errors.mjs'

const channels = {
  acquired: channel('leasehold:acquired'),
  released: channel('leasehold:released'),
  lost: channel('leasehold:lost'),
}

/** What aborts the signal of an owner, if that has been asked for one. */
const controllers = new WeakMap()
/** Whose lease is in use because its loss may still be told: it lives as long as its signal. */
const listened = new WeakMap()

/** A signal that aborts when the lease is lost. */
export function lossSignal(owner) {
  const controller = new AbortController()
  controllers.set(owner, controller)
  listened.set(controller.signal, owner)
  return controller.signal
}

/** A lease was taken away from its `owners`, the first of whom acquired it. */
export function tellLoss(loss, owners) {
  const error = lostError(loss, { acquiredAt: stackOf(owners[0]?.origin) })
  for (const owner of owners) {
    // A handle that was released while others went on has lost nothing.
    if (owner.loss()) controllers.get(owner)?.abort(error)
  }
  publish('lost', () => ({ lockPath: error.lockPath, token: error.token, label: error.label, error }))
  warn(error.message, 'LEASEHOLD_LOCK_LOST', error.acquiredAt)
}

/** A handle was collected before anybody released it; its lease was given back by that. */
export function tellLeak({ lockPath, token, label, heldForMs }) {
  const named = label === undefined ? '' : ` by ${JSON.stringify(label)}`
  const message =
    `lock leaked: ${lockPath} was held for ${Math.round(heldForMs)} ms${named} and nothing was left that could ` +
    'release it; it was given back, but its holder should call release() or let withFileLock do it'
  publish('lost', () => ({ lockPath, token, label, reason: 'leaked' }))
  warn(message, 'LEASEHOLD_LOCK_LEAKED')
}

/** Tells subscribers, if there are any. Messages are plain: whoever keeps one must not keep a lock. */
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
