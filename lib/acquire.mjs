// The lock functions. What they promise is in index.d.ts; what happens is decided natively.

import { answer, fetchIfExpected, lease as leaseFor, native } from './environment.mjs'
import {
  FileLockStaleError,
  SessionWriteLockStaleError,
  invalidArgument,
  outOfRange,
  pointedAt,
  throwIfAborted,
  toError,
} from './errors.mjs'
import * as exit from './exit.mjs'
import { FileLockHandle, described, giveBack, lossOf, ownerOf } from './handle.mjs'
import { publish } from './losses.mjs'
import * as openclaw from './openclaw.mjs'
import { Owner } from './owner.mjs'
import * as rejections from './rejections.mjs'
import { runWithin, within } from './scope.mjs'
import { isMainThread } from './thread.mjs'
import { now, setImmediate } from './timers.mjs'

const ABORT_GRACE_MS = 2000
const LONG_TURN_NS = 10_000_000n

/** How many locks go by before the turn is timed: reading the clock costs as much as a system call. */
const LOCKS_UNASKED = 8

/** When the event loop's current turn was first timed, if it was. */
let turnSince
let locksUnasked = 0

/**
 * Whether the event loop has not turned for a while. A free lock is granted without waiting, so code that only locks
 * and unlocks would never let it turn.
 */
function turnIsLong() {
  if (turnSince !== undefined) return now() - turnSince > LONG_TURN_NS
  if (++locksUnasked === LOCKS_UNASKED) {
    locksUnasked = 0
    turnSince = now()
    setImmediate(() => (turnSince = undefined)).unref()
  }
  return false
}

/** The options that the native part was told last, for the functions for files and the one for sessions. */
const understood = { file: [], session: [] }

/** The options for the native part, in the order of its numbers. */
function valuesOf(options, session) {
  if (options !== undefined && options !== null && typeof options !== 'object') {
    throw invalidArgument('options must be an object')
  }
  return session ? sessionOptions(options ?? {}) : fileOptions(options ?? {})
}

/** Tells the native part the options of the call that follows, unless they are the same as last time. */
function tell(values, session) {
  const kind = session ? 'session' : 'file'
  if (isSame(values, understood[kind])) return
  const pairs = []
  for (let number = 0; number < values.length; number++) {
    const value = values[number]
    if (value !== undefined && value !== null) pairs.push(number, value)
  }
  native.understand(pairs, session)
  understood[kind] = values
}

function isSame(values, others) {
  for (let number = 0; number < values.length; number++) {
    // The contents of an object may have changed.
    if (values[number] !== others[number] || typeof values[number] === 'object') return false
  }
  return true
}

/** Where `staleRecovery` is among them. The one for sessions has no such option. */
const STALE_RECOVERY = 2

function fileOptions(options) {
  const { retries, stale, staleRecovery, reentrantOwner, timeoutMs, maxHoldMs, leaseMs, label, keepLockFile } = options
  const gaps = gapsOf(retries)
  return [gaps, stale, staleRecovery, reentrantOwner, timeoutMs, maxHoldMs, leaseMs, label, keepLockFile]
}

/** What `retries` says now. The native part reads it when its getters, if it has any, could only do harm. */
function gapsOf(options) {
  if (typeof options !== 'object' || options === null) return options
  const { retries, factor, minTimeout, maxTimeout, randomize } = options
  return { retries, factor, minTimeout, maxTimeout, randomize }
}

function sessionOptions(params) {
  const { timeoutMs, staleMs, maxHoldMs, allowReentrant, leaseMs, label } = params
  return [
    openclaw.orEnvironment('timeoutMs', timeoutMs),
    openclaw.orEnvironment('staleMs', staleMs),
    openclaw.orEnvironment('maxHoldMs', maxHoldMs),
    allowReentrant,
    leaseMs,
    label,
  ]
}

/** The signal in `options`, checked to be one; `null` if there is none. */
function signalOf(options) {
  const signal = options?.signal
  if (signal === undefined || signal === null) return null
  if (typeof signal.aborted !== 'boolean' || typeof signal.addEventListener !== 'function') {
    throw invalidArgument('options.signal must be an AbortSignal')
  }
  return signal
}

/** OpenClaw's veto: called with the path before a lock is requested, when it is granted, and at release. */
function vetoOf(options) {
  const veto = options?.assertResourceUnborrowed
  if (veto !== undefined && veto !== null && typeof veto !== 'function') {
    throw invalidArgument('options.assertResourceUnborrowed must be a function')
  }
  return veto ?? undefined
}

/** Throws if the caller has changed its mind: by its signal, or by its veto, which may also abort. */
function confirm(signal, veto, path) {
  throwIfAborted(signal)
  if (veto === undefined) return
  veto(path)
  throwIfAborted(signal)
}

/** A handle on a lease that was just granted, unless the signal or the veto objects meanwhile. */
function handleFor(owner, lockPath, signal, veto) {
  const handle = new FileLockHandle(owner, lockPath, veto && (() => veto(ownerOf(handle).facts().targetPath)))
  try {
    confirm(signal, veto, veto && owner.facts().targetPath)
  } catch (reason) {
    // Without asking the veto again.
    giveBack(handle)
    throw reason
  }
  publish('acquired', () => described(handle))
  return handle
}

/**
 * Where a lock is being acquired: the stack of an error that is never thrown, made into text only when needed. It has a
 * class of its own because each lease keeps one, and an object literal has room for properties that it never gets.
 *
 * The functions that callers call capture it themselves: each function in between would make a lock 4 % slower.
 */
class Origin {}

/** The same for calls that take longer anyway. */
export function here(caller) {
  const origin = new Origin()
  Error.captureStackTrace(origin, caller)
  return origin
}

/** All options are read before anything happens, each of them once: the caller may change them while it waits. */
async function acquire(path, options, session, origin, isPrivate = false, signal = signalOf(options)) {
  const veto = vetoOf(options)
  const values = valuesOf(options, session)
  confirm(signal, veto, path)
  exit.install()
  try {
    const owner = Owner.of(origin)
    const request = (asks) => {
      tell(values, session)
      const listed = openclaw.lists(path)
      return native.acquire(path, session, within(), listed, asks, isPrivate, owner.number)
    }
    let lockPath
    try {
      lockPath = veto ? await withLeave(request, owner, values, signal, veto) : had(request(false), owner, signal)
      // With a signal never at once: the caller may abort it right after the call.
      if (signal || typeof lockPath !== 'string') lockPath = await lockPath
    } catch (error) {
      owner.retire()
      throw error
    }
    if (turnIsLong()) await new Promise(setImmediate)
    return handleFor(owner, lockPath, signal, veto)
  } catch (error) {
    throw pointedAt(error, origin)
  }
}

/** The lock file that was requested, or a promise of it. */
function had(answered, owner, signal) {
  if (typeof answered === 'string') return answered
  if (typeof answered === 'number') return leaseFor(answered, owner, signal)
  throw toError(answered)
}

/** Like `had`, but takes over a stale lock only with the caller's leave. */
async function withLeave(request, owner, values, signal, veto) {
  try {
    return await had(request(true), owner, signal)
  } catch (error) {
    askLeave(error, values, signal, veto)
    return had(request(false), owner, signal)
  }
}

function askLeave(error, values, signal, veto) {
  const isStale = error instanceof FileLockStaleError || error instanceof SessionWriteLockStaleError
  if (!isStale || values[STALE_RECOVERY] === 'fail-closed') throw error
  confirm(signal, veto, error.targetPath)
}

export function acquireFileLock(path, options) {
  const origin = new Origin()
  Error.captureStackTrace(origin, acquireFileLock)
  return acquire(path, options, false, origin)
}

export async function acquireSessionWriteLock(params) {
  if (params === null || typeof params !== 'object') throw invalidArgument('params must be an object')
  const origin = new Origin()
  Error.captureStackTrace(origin, acquireSessionWriteLock)
  return acquire(params.sessionFile, params, true, origin)
}

export function acquireFileLockSync(path, options) {
  const signal = signalOf(options)
  const veto = vetoOf(options)
  const values = valuesOf(options, false)
  confirm(signal, veto, path)
  exit.install()
  const origin = new Origin()
  Error.captureStackTrace(origin, acquireFileLockSync)
  const owner = Owner.of(origin)
  const request = (asks) => {
    tell(values, false)
    return had(native.acquireSync(path, within(), openclaw.lists(path), asks, owner.number))
  }
  let lockPath
  try {
    lockPath = veto ? withLeaveSync(request, values, signal, veto) : request(false)
  } catch (error) {
    owner.retire()
    throw error
  }
  return handleFor(owner, lockPath, signal, veto)
}

function withLeaveSync(request, values, signal, veto) {
  try {
    return request(true)
  } catch (error) {
    askLeave(error, values, signal, veto)
    return request(false)
  }
}

export function withFileLock(path, options, fn) {
  if (fn === undefined && typeof options === 'function') [options, fn] = [undefined, options]
  const origin = new Origin()
  Error.captureStackTrace(origin, withFileLock)
  return holding(path, options, fn, origin)
}

/** Runs `fn` while holding a lock. `isPrivate` says whether directories that are made are for their owner only. */
export async function holding(path, options, fn, origin, isPrivate) {
  if (typeof fn !== 'function') throw invalidArgument('fn must be a function')
  const graceMs = abortGraceOf(options)
  const ignoresRejections = ignoresRejectionsOf(options)
  const signal = signalOf(options)
  const handle = await acquire(path, options, false, origin, isPrivate, signal)
  let result
  let stopListening
  try {
    const { lease, hold } = ownerOf(handle)
    try {
      throwIfAborted(signal)
      stopListening = limitOnAbort(signal, lease, hold, graceMs)
      if (!ignoresRejections) rejections.watch(lease, hold)
      result = await runWithin(lease, hold, () => fn(handle))
    } finally {
      rejections.unwatch(hold)
      stopListening?.()
    }
  } catch (error) {
    try {
      await handle.release()
    } catch (releaseError) {
      throw bothFailed(error, releaseError)
    }
    throw lossOf(handle, error) ?? error
  }
  await handle.release()
  const lost = lossOf(handle)
  if (lost) throw lost
  return result
}

export function withFileLockSync(path, options, fn) {
  if (fn === undefined && typeof options === 'function') [options, fn] = [undefined, options]
  if (typeof fn !== 'function') throw invalidArgument('fn must be a function')
  const handle = acquireFileLockSync(path, options)
  let result
  try {
    const { lease, hold } = ownerOf(handle)
    result = runWithin(lease, hold, () => fn(handle))
  } catch (error) {
    try {
      handle.releaseSync()
    } catch (releaseError) {
      throw bothFailed(error, releaseError)
    }
    throw lossOf(handle, error) ?? error
  }
  handle.releaseSync()
  const lost = lossOf(handle)
  if (lost) throw lost
  if (typeof result?.then === 'function') {
    throw invalidArgument('fn returned a promise: withFileLockSync has released the lock already; use withFileLock')
  }
  return result
}

/**
 * Limits the work some time after the signal aborts. A function of its own: a closure where it is used would share its
 * scope with the handle, and a signal that outlives the work would keep the handle.
 */
function limitOnAbort(signal, lease, hold, graceMs) {
  if (signal === null) return undefined
  const abort = () => native.limit(lease, hold, graceMs, 'aborted')
  signal.addEventListener('abort', abort, { once: true })
  return () => signal.removeEventListener('abort', abort)
}

/** For how long work may go on after it was aborted. */
function abortGraceOf(options) {
  const graceMs = options?.abortGraceMs ?? ABORT_GRACE_MS
  if (typeof graceMs !== 'number') throw invalidArgument('options.abortGraceMs must be a number')
  if (!(graceMs >= 0)) throw outOfRange('options.abortGraceMs must be a non-negative number')
  return graceMs
}

/** Whether the caller wants to keep its lock in spite of an unhandled rejection. */
function ignoresRejectionsOf(options) {
  const choice = options?.onUnhandledRejection ?? 'release'
  if (choice === 'release' || choice === 'ignore') return choice === 'ignore'
  throw invalidArgument('options.onUnhandledRejection must be "release" or "ignore"')
}

/** The error of work that failed, and its release with it. `fn` may have passed on what its own release said. */
function bothFailed(error, releaseError) {
  if (error === releaseError) return error
  return new AggregateError([error, releaseError], 'File operation failed and lock release is unresolved', {
    cause: releaseError,
  })
}

export function heldLocks() {
  return native.held()
}

export async function inspectLock(path) {
  return answer(native.inspect(path))
}

export function releaseAllLocksSync() {
  const released = native.releaseAll(isMainThread())
  fetchIfExpected()
  return released
}
