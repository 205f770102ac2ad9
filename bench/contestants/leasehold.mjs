import { acquireFileLock, acquireFileLockSync, withFileLock } from 'leasehold'

/** Long enough for every benchmark: nobody should give up. */
const PATIENCE = { timeoutMs: 60_000 }
const KEPT = { ...PATIENCE, keepLockFile: true }

const acquiring = (options) => async (path, work) => {
  const handle = await acquireFileLock(path, options)
  await work()
  await handle.release()
}

const acquiringSync = (options) => (path, work) => {
  const handle = acquireFileLockSync(path, options)
  work()
  handle.releaseSync()
}

export const runs = {
  leasehold: acquiring(PATIENCE),
  'leasehold, file kept': acquiring(KEPT),
  withFileLock: (path, work) => withFileLock(path, PATIENCE, work),
  sync: acquiringSync(PATIENCE),
  'sync, file kept': acquiringSync(KEPT),
}
