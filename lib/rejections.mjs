// Unhandled rejections inside the work of a lock, in a process that survives them: the work has usually died with the
// rejection, so the lock is given back.
//
// What Node does about such rejections depends on who listens, so we only ever listen beside others.

import { isNativeError } from 'node:util/types'
import * as origins from './origins.mjs'
import { native } from './environment.mjs'
import { isListening, othersListen, ours, watchListeners } from './listeners.mjs'
import { holdsIn } from './scope.mjs'
import { clearTimeout, setTimeout } from './timers.mjs'
import { watched } from './watched.mjs'

export { unwatch } from './watched.mjs'

/**
 * How long a rejection may still be handled. In steps, so that handling that was delayed by a blocked event loop, or a
 * stopped process, still counts as in time.
 */
const GRACE_STEPS = 5
const STEP_MS = 100

/** Rejections in their grace, with the timer that ends it. */
const graces = new Set()
let listening = false

/** Watches the work that was given `hold` of `lease`. */
export function watch(lease, hold) {
  listen()
  watched.set(hold, lease)
  if (watched.size === 1) noteOrigins()
}

function listen() {
  if (listening) return
  listening = true
  // Hears of every uncaught error, and has no part in what happens about it.
  process.on('uncaughtExceptionMonitor', onUncaught)
  watchListeners({
    joining(event) {
      if (event === 'unhandledRejection') joinOthers()
      if (event === 'unhandledRejection' || event === 'uncaughtException') noteOrigins(event)
    },
    left(event) {
      if (event === 'unhandledRejection') leaveWithOthers()
    },
  })
  if (othersListen('unhandledRejection')) joinOthers()
}

/** Ahead of them: one-time listeners are still there when ours runs. */
function joinOthers() {
  if (!isListening('unhandledRejection', onRejection)) process.prependListener('unhandledRejection', onRejection)
}

function leaveWithOthers() {
  if (othersListen('unhandledRejection') || !isListening('unhandledRejection', onRejection)) return
  // If it was added twice, removing it calls this again for the second one.
  process.removeListener('unhandledRejection', onRejection)
  // What comes now is reported without its promise, if at all.
  noteOrigins()
}

/** Notes where promises are made from now on, if that may be asked: if the process may survive a rejection. */
function noteOrigins(joining) {
  if (watched.size === 0) return
  const listened = joining === 'unhandledRejection' || othersListen('unhandledRejection')
  const catches = process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback()
  if (listened) origins.note('made')
  else if (catches || joining) origins.note('made and settled')
}

const onUncaught = ours((error, origin) => {
  if (origin === 'unhandledRejection') suspect(error, undefined, origins.ofReported())
})

const onRejection = ours((reason, promise) => {
  if (!isListening('unhandledRejection', onRejection) || othersListen('unhandledRejection')) {
    return suspect(reason, promise, origins.of(promise))
  }
  // A program that silences `removeListener` can leave ours alone: rejected again, this ends the process as without us.
  leaveWithOthers()
  void Promise.reject(reason)
})

/** Ends the works inside which a rejected promise was made, unless the rejection is handled soon. */
function suspect(reason, promise, scopes) {
  const holds = holdsIn(scopes)
  // A rejection left behind by an inner work that has ended is no sign that the works around it are stuck.
  const isRunning = () => watched.has(holds.at(-1))
  if (!isRunning()) return
  const grace = { reason, promise }
  const wait = (steps) => {
    grace.timer = setTimeout(() => (steps > 1 ? wait(steps - 1) : end()), STEP_MS).unref()
  }
  const end = () => {
    forgive(grace)
    if (!isRunning()) return
    // The outer calls of the chain wait for the inner one, so they are as stuck as it is.
    for (const hold of holds) {
      if (watched.has(hold)) native.limit(watched.get(hold), hold, 0, 'unhandled-rejection')
    }
  }
  wait(GRACE_STEPS)
  if (graces.size === 0) process.on('rejectionHandled', onHandled)
  graces.add(grace)
}

function forgive(grace) {
  clearTimeout(grace.timer)
  graces.delete(grace)
  if (graces.size === 0) process.removeListener('rejectionHandled', onHandled)
}

const onHandled = ours((promise) => {
  if (!othersListen('rejectionHandled')) warnAsNode()
  for (const grace of graces) if (grace.promise === promise) forgive(grace)
  const nameless = [...graces].filter((grace) => grace.promise === undefined)
  if (nameless.length > 0) askReason(promise, (reason) => {
    for (const grace of nameless) if (wasReported(reason, grace.reason)) forgive(grace)
  })
})

/** Some were reported without their promise. Asking one for its reason handles it, but somebody does that anyway. */
function askReason(promise, tell) {
  try {
    Reflect.apply(Promise.prototype.then, promise, [undefined, tell])
  } catch {
    // This makes a promise of the same class, whose constructor may throw.
  }
}

/** Whether `error` may have reported `reason`. Node wraps what is no error, and the wrapper does not hold it. */
function wasReported(reason, error) {
  return Object.is(reason, error) || (error?.code === 'ERR_UNHANDLED_REJECTION' && !isNativeError(reason))
}

/** Node warns of a rejection that was handled late, but not if there are listeners for that. */
function warnAsNode() {
  process.emitWarning('Promise rejection was handled asynchronously', 'PromiseRejectionHandledWarning')
}
