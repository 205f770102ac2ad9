// Calls as OpenClaw 2026.9 makes them compile as they are.

import {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  acquireFileLock,
  acquireSessionWriteLock,
  withFileLock,
} from 'leasehold'

type FileLockOptions = {
  retries: { retries: number; factor: number; minTimeout: number; maxTimeout: number; randomize?: boolean }
  stale: number
  staleRecovery?: 'fail-closed' | 'remove-if-unchanged' | 'remove-if-definitely-stale'
  reentrantOwner?: string
  assertResourceUnborrowed?: (targetPath: string) => void
}
type FileLockHandle = { lockPath: string; release: () => Promise<void> }
type FileLockTimeoutError = Error & { code: typeof FILE_LOCK_TIMEOUT_ERROR_CODE; lockPath: string }

const config: FileLockOptions = {
  retries: { retries: 80, factor: 1.2, minTimeout: 25, maxTimeout: 250 },
  stale: 30_000,
  reentrantOwner: 'config-write',
  assertResourceUnborrowed: (targetPath) => {
    if (targetPath.endsWith('.borrowed')) throw new Error(targetPath)
  },
}
const memory: FileLockOptions = {
  retries: { retries: 100, factor: 1.2, minTimeout: 25, maxTimeout: 250 },
  stale: 120_000,
  staleRecovery: 'fail-closed',
}

await withFileLock('openclaw.json', config, async () => {})
const rows: number = await withFileLock('memory.sqlite', memory, async () => 3)
await withFileLock(
  'sandbox/registry.json',
  {
    retries: { retries: 9_000, factor: 1, minTimeout: 100, maxTimeout: 100 },
    stale: 0,
    staleRecovery: 'remove-if-definitely-stale',
  },
  async () => {},
)

const lock: FileLockHandle = await acquireFileLock('memory.sqlite', memory)
await lock.release()

function isTimeout(error: unknown): error is FileLockTimeoutError {
  return error instanceof Error && 'code' in error && error.code === FILE_LOCK_TIMEOUT_ERROR_CODE
}
const stale: 'file_lock_stale' = FILE_LOCK_STALE_ERROR_CODE

const controller = new AbortController()
const session = await acquireSessionWriteLock({
  sessionFile: 'sessions/abc.jsonl',
  timeoutMs: 60_000,
  maxHoldMs: 420_000,
  signal: controller.signal,
})
await session.release()

// A function of that version can be replaced by ours wherever it is passed on.
const seam: {
  acquireFileLock: (filePath: string, options: FileLockOptions) => Promise<FileLockHandle>
  withFileLock: <T>(filePath: string, options: FileLockOptions, fn: () => Promise<T>) => Promise<T>
} = { acquireFileLock, withFileLock }

export { isTimeout, rows, seam, stale }
