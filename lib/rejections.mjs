// Unhandled rejections inside the work of a lock, in a process that survives them: the work has usually died with the
// rejection, so the lock is given back.
//
// What Node does about such rejections depends on who listens, so we only ever listen beside others.

import { isNativeError } from 'node:util/types'
import * as origins from './origins.mjs'
import { environment } from './environment.mjs'
import { isListening, othersListen, ours, watchListeners } from './listeners.mjs'
import { holdsIn } from './scope.mjs'
import { clearTimeout, setTimeout } from './timers.mjs'

/**
 * How long a rejection may still be handled. In steps, so that handling that was delayed by a blocked event loop, or a
 * stopped process, still counts as in time.
 */
const GRACE_STEPS = 5
const STEP_MS = 100

/** The leases of running works that are to be released this way, by the handle that each work was given. */
const watched = new Map()
/** Rejections in their grace, with the timer that ends it. */
const graces = new Set()
let listening = false

/** Watches the work that was given `hold` of `lease`. */
export function watch(lease, hold) {
  listen()
  watched.set(hold, lease)
  if (watched.size === 1) noteOrigins()
}

/** The work ended. */
export function unwatch(hold) {
  watched.delete(hold)
  if (watched.size === 0) origins.forget()
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

function joinOthers() {
  if (!isListening('unhandledRejection', onRejection)) process.on('unhandledRejection', onRejection)
}

function leaveWithOthers() {
  if (othersListen('unhandledRejection') || !isListening('unhandledRejection', onRejection)) return
  // If it was added twice, removing it calls this again for the second one.
  process.removeListener('unhandledRejection', onRejection)
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

const onRejection = ours((reason, promise) => suspect(reason, promise, origins.of(promise)))

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
      if (watched.has(hold)) environment.limit(watched.get(hold), hold, 0, 'unhandled-rejection')
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
  // Some were reported without their promise. Asking this one for its reason handles it, but somebody does that anyway.
  Reflect.apply(Promise.prototype.then, promise, [undefined, (reason) => {
    for (const grace of graces) if (grace.promise === undefined && wasReported(reason, grace.reason)) forgive(grace)
  }])
})

/** Whether `error` may have reported `reason`. Node wraps what is no error, and the wrapper does not hold it. */
function wasReported(reason, error) {
  return Object.is(reason, error) || (error?.code === 'ERR_UNHANDLED_REJECTION' && !isNativeError(reason))
}

/** Node warns of a rejection that was handled late, but not if there are listeners for that. */
function warnAsNode() {
  process.emitWarning('Promise rejection was handled asynchronously', 'PromiseRejectionHandledWarning')
}
