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
const { cleanStaleLockFiles, reclaimDefinitelyStaleFileLock } = require('./lib/cleaning.js')
const {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  FileLockStaleError,
  FileLockTimeoutError,
  JsonFileError,
  LockDeadlockError,
  LockError,
  LockLostError,
  NotALockFileError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} = require('./lib/errors.js')
const { FileLockHandle } = require('./lib/handle.js')
const {
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
  resolveSessionWriteLockStaleMs,
} = require('./lib/session-policy.js')
const {
  __testing,
  drainFileLockStateForTest,
  drainSessionWriteLockStateForTest,
  resetFileLockStateForTest,
  resetSessionWriteLockStateForTest,
} = require('./lib/testing.js')
const {
  loadJsonFile,
  readJsonFileWithFallback,
  saveJsonFile,
  updateJsonFile,
  writeJsonFileAtomically,
} = require('./lib/json-store.js')

// Written out, so that `import { withFileLock } from "leasehold"` finds every name.
module.exports = {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  FileLockHandle,
  FileLockStaleError,
  FileLockTimeoutError,
  JsonFileError,
  LockDeadlockError,
  LockError,
  LockLostError,
  NotALockFileError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
  __testing,
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  drainFileLockStateForTest,
  drainSessionWriteLockStateForTest,
  heldLocks,
  inspectLock,
  loadJsonFile,
  readJsonFileWithFallback,
  reclaimDefinitelyStaleFileLock,
  releaseAllLocksSync,
  resetFileLockStateForTest,
  resetSessionWriteLockStateForTest,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
  resolveSessionWriteLockStaleMs,
  saveJsonFile,
  updateJsonFile,
  withFileLock,
  withFileLockSync,
  writeJsonFileAtomically,
}
