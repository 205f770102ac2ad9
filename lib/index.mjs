// What the package exports. Rollup bundles this folder into one CommonJS module, `index.js` beside it, since twenty
// modules take twice as long to load. `__dirname` and `require`, for what is seldom needed, are those of that file.

export {
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  heldLocks,
  inspectLock,
  releaseAllLocksSync,
  withFileLock,
  withFileLockSync,
} from './acquire.mjs'
export * from './cleaning.mjs'
export {
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
} from './errors.mjs'
export { FileLockHandle } from './handle.mjs'
export * from './json-store.mjs'
export * from './session-policy.mjs'
export * from './testing.mjs'
