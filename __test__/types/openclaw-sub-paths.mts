// Call sites of OpenClaw 2026.3 to 2026.9 with one line changed: where they import from.

import {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  acquireFileLock,
  drainFileLockStateForTest,
  reclaimDefinitelyStaleFileLock,
  resetFileLockStateForTest,
  withFileLock,
  type FileLockHandle,
  type FileLockOptions,
  type FileLockStaleError,
  type FileLockTimeoutError,
  type StaleFileLockReclaimResult,
} from 'leasehold/file-lock'
import {
  __testing,
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  resetSessionWriteLockStateForTest,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
  resolveSessionWriteLockStaleMs,
  testing,
  type SessionLockInspection,
  type SessionLockOwnerProcessArgsReader,
  type SessionWriteLockAcquireTimeoutConfig,
} from 'leasehold/session-write-lock'

const OPTIONS: FileLockOptions = {
  retries: { retries: 10, factor: 2, minTimeout: 100, maxTimeout: 10_000, randomize: true },
  stale: 30_000,
}
// Options are read as well as passed on.
const longer: FileLockOptions = { ...OPTIONS, retries: { ...OPTIONS.retries, retries: OPTIONS.retries.retries * 2 } }
const budget: number = OPTIONS.stale + OPTIONS.retries.maxTimeout
const later: FileLockOptions = {
  ...longer,
  staleRecovery: 'remove-if-definitely-stale',
  reentrantOwner: 'owner',
  assertResourceUnborrowed: (targetPath) => void targetPath.length,
}
const count: number = await withFileLock('a', OPTIONS, async () => 1)
const lock: FileLockHandle = await acquireFileLock('a', later)
await lock.release()

// A stand-in needs no more than OpenClaw's handle.
const standIn: FileLockHandle = { lockPath: 'a.lock', release: async () => {} }
const acquirer: (filePath: string, options: FileLockOptions) => Promise<FileLockHandle> = acquireFileLock

function isBusy(error: unknown): error is FileLockTimeoutError | FileLockStaleError {
  const code = (error as { code?: string }).code
  return code === FILE_LOCK_TIMEOUT_ERROR_CODE || code === FILE_LOCK_STALE_ERROR_CODE
}
const timeout: FileLockTimeoutError = Object.assign(new Error(), { code: FILE_LOCK_TIMEOUT_ERROR_CODE, lockPath: 'a' })

const reclaimed: StaleFileLockReclaimResult = await reclaimDefinitelyStaleFileLock('a.lock')
resetFileLockStateForTest()
await drainFileLockStateForTest()

const session: { release: () => Promise<void> } = await acquireSessionWriteLock({
  sessionFile: 'a.jsonl',
  maxHoldMs: resolveSessionLockMaxHoldFromTimeout({ timeoutMs: 600_000 }),
})
await session.release()
const log = { warn: (message: string) => console.warn(message), info: (message: string) => console.info(message) }
const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: 'a', staleMs: 1, removeStale: true, log })
const lines = locks.map((entry: SessionLockInspection) => `${entry.lockPath} ${entry.staleReasons.join()}`)
const fake: SessionLockInspection = {
  lockPath: 'a',
  pid: null,
  pidAlive: false,
  createdAt: null,
  ageMs: null,
  stale: true,
  staleReasons: ['dead-pid'],
  removed: cleaned.length > 0,
}
resetSessionWriteLockStateForTest()
for (const signal of __testing.cleanupSignals) __testing.handleTerminationSignal(signal)
__testing.releaseAllLocksSync()
const released: number = await testing.runLockWatchdogCheck(Date.now())

const config: SessionWriteLockAcquireTimeoutConfig = { session: { writeLock: { acquireTimeoutMs: 1 } } }
const wait: number = resolveSessionWriteLockAcquireTimeoutMs(config, process.env)
const all: { timeoutMs: number; staleMs: number; maxHoldMs: number } = resolveSessionWriteLockOptions(config, {
  env: process.env,
  maxHoldMsFallback: 1,
})
const readOwnerProcessArgs: SessionLockOwnerProcessArgsReader = (pid) => (pid === 1 ? ['openclaw'] : null)
await cleanStaleLockFiles({ sessionsDir: 'a', readOwnerProcessArgs })
const stale: number = resolveSessionWriteLockStaleMs(config, process.env)
await cleanStaleLockFiles({ sessionsDir: 'a', config, env: process.env })

// @ts-expect-error the names are those of the module, not of the package
import { heldLocks } from 'leasehold/file-lock'
// @ts-expect-error options of OpenClaw always say how to retry
const incomplete: FileLockOptions = { stale: 1 }
// @ts-expect-error it cleans a directory, not one session's file
await cleanStaleLockFiles({ sessionFile: 'a' })

export { acquirer, all, budget, count, fake, heldLocks, incomplete, isBusy, lines }
export { reclaimed, released, stale, standIn, timeout, wait }
