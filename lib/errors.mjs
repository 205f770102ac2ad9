// Error classes, and the errors the native part describes.

import { getSystemErrorMap } from 'node:util'

export const FILE_LOCK_TIMEOUT_ERROR_CODE = 'file_lock_timeout'
export const FILE_LOCK_STALE_ERROR_CODE = 'file_lock_stale'

export class LockError extends Error {
  constructor(fault, options) {
    super(fault.message, options)
    this.code = fault.code
    this.lockPath = fault.lockPath
  }
}

/** Somebody held the lock for as long as the caller would wait. */
export class FileLockTimeoutError extends LockError {
  constructor(fault) {
    super(fault)
    this.targetPath = fault.targetPath
    this.timeoutMs = fault.timeoutMs ?? Infinity
    this.owner = fault.owner
  }
}

/** The lock is stale, and the caller asked not to recover it. */
export class FileLockStaleError extends LockError {
  constructor(fault) {
    super(fault)
    this.targetPath = fault.targetPath
    this.owner = fault.owner
    this.staleReasons = [fault.reason]
  }
}

/** OpenClaw's text, for callers that construct the error themselves. */
function sessionText({ timeoutMs, owner, lockPath }) {
  return `session file locked (timeout ${timeoutMs}ms): ${owner} ${lockPath}`
}

/** As FileLockTimeoutError, for acquireSessionWriteLock: `owner` is OpenClaw's text there. */
export class SessionWriteLockTimeoutError extends LockError {
  constructor(fault) {
    super({ code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT', ...fault, message: fault.message ?? sessionText(fault) })
    this.targetPath = fault.targetPath
    this.timeoutMs = fault.timeoutMs ?? Infinity
    this.owner = fault.ownerText ?? fault.owner
    this.holder = fault.ownerText === undefined ? undefined : fault.owner
  }
}

/** As FileLockStaleError, for acquireSessionWriteLock. */
export class SessionWriteLockStaleError extends LockError {
  constructor(fault) {
    super(fault)
    this.targetPath = fault.targetPath
    this.owner = fault.ownerText
    this.holder = fault.owner
    this.staleReasons = [fault.reason]
  }
}

/** The lease was taken away: stop writing. `acquiredAt` is the stack of the call that acquired it. */
export class LockLostError extends LockError {
  constructor(fault, options) {
    super(fault, options)
    this.acquiredAt = options?.acquiredAt
    this.reason = fault.reason
    this.heldForMs = fault.loss.heldForMs
    this.token = fault.loss.token
    this.label = fault.loss.label
  }
}

/** Waiting could only have ended in a timeout. */
export class LockDeadlockError extends LockError {}

/** The lock path is taken by something that is no lock file. */
export class NotALockFileError extends LockError {}

/** A file that cannot be read or written as JSON. */
export class JsonFileError extends Error {
  constructor({ code, path, message }, options) {
    super(message, options)
    this.code = code
    this.path = path
  }
}

// Written out: bundlers rename classes.
for (const [name, { prototype }] of Object.entries({
  LockError,
  FileLockTimeoutError,
  FileLockStaleError,
  SessionWriteLockTimeoutError,
  SessionWriteLockStaleError,
  LockLostError,
  LockDeadlockError,
  NotALockFileError,
  JsonFileError,
})) {
  Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true })
}

const classes = {
  timeout: (fault) => new (fault.session ? SessionWriteLockTimeoutError : FileLockTimeoutError)(fault),
  stale: (fault) => new (fault.session ? SessionWriteLockStaleError : FileLockStaleError)(fault),
  deadlock: (fault) => new LockDeadlockError(fault),
  'not-a-file': (fault) => new NotALockFileError(fault),
  lost: (fault, options) => new LockLostError(fault, options),
  json: (fault) => new JsonFileError(fault),
  io: systemError,
  invalid: (fault) => Object.assign(new TypeError(fault.message), { code: fault.code, path: fault.path }),
  other: (fault) => new LockError(fault),
}

/** The name of an error number. Node's own list lacks some that file systems return (EDQUOT, ESTALE). */
function nameOf(errno) {
  const known = getSystemErrorMap().get(-errno)?.[0]
  const { errno: numbers } = require('node:os').constants
  return known ?? Object.keys(numbers).find((name) => numbers[name] === errno) ?? `errno ${errno}`
}

/** A system error with the fields that Node's own have. */
function systemError(fault) {
  const error = new Error(fault.message)
  const { errno, path, syscall } = fault
  const code = errno === undefined ? 'file_lock_io' : nameOf(errno)
  return Object.assign(error, { errno: errno === undefined ? undefined : -errno, code, syscall, path })
}

/** The error that a fault of the native part describes. */
export function toError(fault, options) {
  const error = classes[fault.kind](fault, options)
  ours.add(error)
  return error
}

/** Errors made of faults, whose own stack only shows how the news arrived. */
const ours = new WeakSet()

/** Lets an error that was reported later point at the call that failed. */
export function pointedAt(error, origin) {
  if (ours.has(error)) error.stack = `${error.name}: ${error.message}\n${framesOf(origin)}`
  return error
}

/** The stack of an object that `Error.captureStackTrace` was called on, without its first line. */
export function framesOf(origin) {
  // A program may make anything of stacks, or nothing at all, or fail.
  try {
    return origin.stack.replace(/^.*\n?/, '')
  } catch {
    return ''
  }
}

/** The error of a lost lease, as its letter describes it. */
export function lostError(loss, options) {
  const { lockPath, reason, message } = loss
  return new LockLostError({ code: 'file_lock_lost', message, lockPath, reason, loss }, options)
}

/** Throws the reason of a signal that has aborted. Those of polyfills have no such method, and maybe no reason. */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw reasonOf(signal)
}

export function reasonOf(signal) {
  if ('reason' in signal) return signal.reason
  return Object.assign(new Error('This operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' })
}

/** A wrong argument. */
export function invalidArgument(message) {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

/** An argument that is of the right type and still cannot be used. */
export function invalidValue(message, cause) {
  return Object.assign(new TypeError(message, cause && { cause }), { code: 'ERR_INVALID_ARG_VALUE' })
}

/** An argument out of range. */
export function outOfRange(message) {
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' })
}
