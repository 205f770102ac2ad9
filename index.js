'use strict'

const {
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  heldLocks,
  inspectLock,
  releaseAllLocksSync,
  withFileLock,
  withFileLockSync,
} = require('./lib/acquire.js')
const {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  FileLockStaleError,
  FileLockTimeoutError,
  LockDeadlockError,
  LockError,
  LockLostError,
  NotALockFileError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} = require('./lib/errors.js')
const { FileLockHandle } = require('./lib/handle.js')

// Written out, so that `import { withFileLock } from "leasehold"` finds every name.
module.exports = {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  FileLockHandle,
  FileLockStaleError,
  FileLockTimeoutError,
  LockDeadlockError,
  LockError,
  LockLostError,
  NotALockFileError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  heldLocks,
  inspectLock,
  releaseAllLocksSync,
  withFileLock,
  withFileLockSync,
}
