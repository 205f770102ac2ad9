// Telling about leases that ended otherwise than by a release: signals, warnings, diagnostics.
//
// Nothing here may keep a handle alive, or its lease would never be given back: handles are known
// by number and weakly.

import { channel } from 'node:diagnostics_channel'
import { framesOf, lostError } from './errors.mjs'

const channels = {
  acquired: channel('leasehold:acquired'),
  released: channel('leasehold:released'),
  lost: channel('leasehold:lost'),
}

/** What is known of each lease: where it was acquired (its first handle keeps that), and the signals of its handles. */
const leases = new Map()
/** By signal, what lives as long as it: its controller, and the lease, which is in use while its loss may be told. */
const controllers = new WeakMap()
const forgotten = new FinalizationRegistry(({ signals, reference }) => signals.delete(reference))

/** Remembers where a lease was acquired, for as long as its handle keeps `origin`. */
export function track(leaseId, origin) {
  if (!leases.has(leaseId)) leases.set(leaseId, { origin: new WeakRef(origin), signals: undefined })
}

/** Forgets a lease that is over. */
export function untrack(leaseId) {
  leases.delete(leaseId)
}

/** A signal that aborts when the lease is lost. */
export function lossSignal(lease) {
  const controller = new AbortController()
  const { signal } = controller
  controllers.set(signal, { controller, lease })
  const known = leases.get(lease.id)
  if (known) {
    const reference = new WeakRef(signal)
    known.signals ??= new Set()
    known.signals.add(reference)
    forgotten.register(signal, { signals: known.signals, reference })
  }
  return signal
}

/** A lease was taken away. */
export function tellLoss(loss) {
  const known = leases.get(loss.lease)
  const error = lostError(loss, { acquiredAt: stackOf(known?.origin.deref()) })
  untrack(loss.lease)
  for (const reference of known?.signals ?? []) {
    const { controller, lease } = controllers.get(reference.deref()) ?? {}
    // A handle that was released while others went on has lost nothing.
    if (lease?.loss()) controller.abort(error)
  }
  publish('lost', () => ({ lockPath: error.lockPath, token: error.token, label: error.label, error }))
  warn(error.message, 'LEASEHOLD_LOCK_LOST', error.acquiredAt)
}

/** A handle was collected before anybody released it; its lease was given back by that. */
export function tellLeak({ lease, lockPath, token, label, heldForMs }) {
  const named = label === undefined ? '' : ` by ${JSON.stringify(label)}`
  const message =
    `lock leaked: ${lockPath} was held for ${Math.round(heldForMs)} ms${named} and nothing was left that could ` +
    'release it; it was given back, but its holder should call release() or let withFileLock do it'
  untrack(lease)
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
