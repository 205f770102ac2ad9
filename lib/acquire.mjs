// The lock functions. What they promise is in index.d.ts; what happens is decided natively.

import { answer, environment, fetchIfExpected, lease as leaseFor } from './environment.mjs'
import {
  FileLockStaleError,
  SessionWriteLockStaleError,
  invalidArgument,
  outOfRange,
  pointedAt,
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
/** An internal option: whether created directories are for their owner only. */
export const PRIVATE_DIRECTORIES = Symbol('privateDirectories')

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
  environment.understand(pairs, session)
  understood[kind] = values
}

function isSame(values, others) {
  for (let number = 0; number < values.length; number++) {
    // The contents of an object may have changed.
    if (values[number] !== others[number] || typeof values[number] === 'object') return false
  }
  return true
}

function fileOptions(options) {
  const { retries, stale, staleRecovery, reentrantOwner, timeoutMs, maxHoldMs, leaseMs, label, keepLockFile } = options
  return [retries, stale, staleRecovery, reentrantOwner, timeoutMs, maxHoldMs, leaseMs, label, keepLockFile]
}

function sessionOptions({ timeoutMs, staleMs, maxHoldMs, allowReentrant, leaseMs, label }) {
  return [timeoutMs, staleMs, maxHoldMs, allowReentrant, leaseMs, label]
}

/** The signal in `options`, checked to be one. */
function signalOf(options) {
  const signal = options?.signal
  if (signal === undefined || signal === null) return undefined
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

/** A handle on a lease that was just granted, unless the signal or the veto objects meanwhile. */
function handleFor(owner, lockPath, signal, veto) {
  const handle = new FileLockHandle(owner, lockPath, veto && (() => veto(ownerOf(handle).facts().targetPath)))
  try {
    signal?.throwIfAborted()
    veto?.(owner.facts().targetPath)
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
 */
class Origin {
  constructor(caller) {
    Error.captureStackTrace(this, caller)
  }
}

export function here(caller) {
  return new Origin(caller)
}

async function acquire(path, options, session, origin) {
  const signal = signalOf(options)
  const veto = vetoOf(options)
  signal?.throwIfAborted()
  veto?.(path)
  exit.install()
  try {
    const isPrivate = options?.[PRIVATE_DIRECTORIES] === true
    const values = valuesOf(options, session)
    const owner = Owner.of(origin)
    const request = (asks) => {
      tell(values, session)
      const listed = openclaw.lists(path)
      return environment.acquire(path, session, within(), listed, asks, isPrivate, owner.number)
    }
    let lockPath
    try {
      lockPath = veto ? await withLeave(request, owner, options, signal, veto) : had(request(false), owner, signal)
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
async function withLeave(request, owner, options, signal, veto) {
  try {
    return await had(request(true), owner, signal)
  } catch (error) {
    askLeave(error, options, veto)
    return had(request(false), owner, signal)
  }
}

function askLeave(error, options, veto) {
  const isStale = error instanceof FileLockStaleError || error instanceof SessionWriteLockStaleError
  if (!isStale || options.staleRecovery === 'fail-closed') throw error
  veto(error.targetPath)
}

export function acquireFileLock(path, options) {
  return acquire(path, options, false, here(acquireFileLock))
}

export async function acquireSessionWriteLock(params) {
  if (params === null || typeof params !== 'object') throw invalidArgument('params must be an object')
  return acquire(params.sessionFile, openclaw.withEnvironmentDefaults(params), true, here(acquireSessionWriteLock))
}

export function acquireFileLockSync(path, options) {
  const signal = signalOf(options)
  const veto = vetoOf(options)
  signal?.throwIfAborted()
  veto?.(path)
  exit.install()
  const origin = here(acquireFileLockSync)
  const values = valuesOf(options, false)
  const owner = Owner.of(origin)
  const request = (asks) => {
    tell(values, false)
    return had(environment.acquireSync(path, within(), openclaw.lists(path), asks, owner.number))
  }
  let lockPath
  try {
    lockPath = veto ? withLeaveSync(request, options, veto) : request(false)
  } catch (error) {
    owner.retire()
    throw error
  }
  return handleFor(owner, lockPath, signal, veto)
}

function withLeaveSync(request, options, veto) {
  try {
    return request(true)
  } catch (error) {
    askLeave(error, options, veto)
    return request(false)
  }
}

export async function withFileLock(path, options, fn) {
  if (fn === undefined && typeof options === 'function') [options, fn] = [undefined, options]
  if (typeof fn !== 'function') throw invalidArgument('fn must be a function')
  const graceMs = abortGraceOf(options)
  const ignoresRejections = ignoresRejectionsOf(options)
  const handle = await acquire(path, options, false, here(withFileLock))
  if (options?.signal?.aborted) {
    await handle.release()
    throw options.signal.reason
  }
  const { lease, hold } = ownerOf(handle)
  const stopListening = limitOnAbort(options?.signal, lease, hold, graceMs)
  if (!ignoresRejections) rejections.watch(lease, hold)
  let result
  try {
    result = await runWithin(lease, hold, () => fn(handle))
  } catch (error) {
    try {
      await handle.release()
    } catch (releaseError) {
      throw bothFailed(error, releaseError)
    }
    throw lossOf(handle, error) ?? error
  } finally {
    stopListening?.()
    rejections.unwatch(hold)
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
  if (!signal) return undefined
  const abort = () => environment.limit(lease, hold, graceMs, 'aborted')
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

function bothFailed(error, releaseError) {
  return new AggregateError([error, releaseError], 'File operation failed and lock release is unresolved', {
    cause: releaseError,
  })
}

export function heldLocks() {
  return environment.held()
}

export async function inspectLock(path) {
  return answer(environment.inspect(path))
}

export function releaseAllLocksSync() {
  const released = environment.releaseAll(isMainThread())
  fetchIfExpected()
  return released
}
