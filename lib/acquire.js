'use strict'
// The lock functions. What they promise is in index.d.ts; what happens is decided natively.

const { isMainThread } = require('node:worker_threads')
const { Lease, answer, environment, fetchIfExpected, lease: leaseFor } = require('./environment.js')
const { toError } = require('./errors.js')
const exit = require('./exit.js')
const { FileLockHandle, leaseOf } = require('./handle.js')
const openclaw = require('./openclaw.js')
const { chain, runWithin } = require('./scope.js')

function invalid(message) {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

/** The signal in `options`, seen to be one. */
function signalOf(options) {
  const signal = options?.signal
  if (signal === undefined || signal === null) return undefined
  if (typeof signal.aborted !== 'boolean' || typeof signal.addEventListener !== 'function') {
    throw invalid('options.signal must be an AbortSignal')
  }
  return signal
}

/** OpenClaw's veto: called with the path before a lock is asked for, when it is had, and at release. */
function vetoOf(options) {
  const veto = options?.assertResourceUnborrowed
  if (veto !== undefined && veto !== null && typeof veto !== 'function') {
    throw invalid('options.assertResourceUnborrowed must be a function')
  }
  return veto ?? undefined
}

/** A handle on a lease that was just had, unless somebody changed their mind meanwhile. */
function handleFor(lease, signal, veto) {
  const handle = new FileLockHandle(lease, veto && (() => veto(lease.targetPath)))
  try {
    signal?.throwIfAborted()
    veto?.(lease.targetPath)
  } catch (reason) {
    handle.releaseSync()
    throw reason
  }
  return handle
}

function leaseIn(answered) {
  if (answered instanceof Lease) return answered
  throw toError(answered)
}

async function acquire(path, options, session) {
  const signal = signalOf(options)
  const veto = vetoOf(options)
  signal?.throwIfAborted()
  veto?.(path)
  exit.install()
  const answered = environment.acquire(path, options, session, chain(), openclaw.mayHold(path))
  const lease = typeof answered === 'number' ? await leaseFor(answered, signal) : leaseIn(answered)
  return handleFor(lease, signal, veto)
}

async function acquireFileLock(path, options) {
  return acquire(path, options, false)
}

async function acquireSessionWriteLock(params) {
  if (params === null || typeof params !== 'object') throw invalid('params must be an object')
  return acquire(params.sessionFile, openclaw.withEnvironmentDefaults(params), true)
}

function acquireFileLockSync(path, options) {
  const signal = signalOf(options)
  const veto = vetoOf(options)
  signal?.throwIfAborted()
  veto?.(path)
  exit.install()
  const lease = leaseIn(environment.acquireSync(path, options, chain(), openclaw.mayHold(path)))
  return handleFor(lease, signal, veto)
}

async function withFileLock(path, options, fn) {
  if (fn === undefined && typeof options === 'function') [options, fn] = [undefined, options]
  if (typeof fn !== 'function') throw invalid('fn must be a function')
  const handle = await acquire(path, options, false)
  let result
  try {
    result = await runWithin(leaseOf(handle).id, () => fn(handle))
  } catch (error) {
    try {
      await handle.release()
    } catch (releaseError) {
      throw bothFailed(error, releaseError)
    }
    throw lossOf(handle, { cause: error }) ?? error
  }
  await handle.release()
  const lost = lossOf(handle)
  if (lost) throw lost
  return result
}

function withFileLockSync(path, options, fn) {
  if (fn === undefined && typeof options === 'function') [options, fn] = [undefined, options]
  if (typeof fn !== 'function') throw invalid('fn must be a function')
  const handle = acquireFileLockSync(path, options)
  let result
  try {
    result = runWithin(leaseOf(handle).id, () => fn(handle))
  } catch (error) {
    try {
      handle.releaseSync()
    } catch (releaseError) {
      throw bothFailed(error, releaseError)
    }
    throw lossOf(handle, { cause: error }) ?? error
  }
  handle.releaseSync()
  const lost = lossOf(handle)
  if (lost) throw lost
  if (typeof result?.then === 'function') {
    throw invalid('fn returned a promise: withFileLockSync has released the lock already, use withFileLock')
  }
  return result
}

/** The error of a lease that was lost while the work went on. */
function lossOf(handle, options) {
  const lost = leaseOf(handle).loss()
  return lost && toError(lost, options)
}

function bothFailed(error, releaseError) {
  return new AggregateError([error, releaseError], 'File operation failed and lock release is unresolved', {
    cause: releaseError,
  })
}

function heldLocks() {
  return environment.held()
}

async function inspectLock(path) {
  return answer(environment.inspect(path))
}

function releaseAllLocksSync() {
  const released = environment.releaseAll(isMainThread)
  fetchIfExpected()
  return released
}

module.exports = {
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  heldLocks,
  inspectLock,
  releaseAllLocksSync,
  withFileLock,
  withFileLockSync,
}
