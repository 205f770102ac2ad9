/**
 * The exports of OpenClaw's `src/plugin-sdk/file-lock.ts`, in 2026.3 and 2026.9. The functions accept more options and
 * return more than these types declare; see `leasehold` itself.
 *
 * @packageDocumentation
 */

import type {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  FileLockOptions as Options,
} from '../../index.js'

export {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  acquireFileLock,
  drainFileLockStateForTest,
  reclaimDefinitelyStaleFileLock,
  resetFileLockStateForTest,
  withFileLock,
} from '../../index.js'
export type { StaleFileLockReclaimResult } from '../../index.js'

/** Options as OpenClaw's callers write them, with `retries` and `stale` required so that they can be read. */
export interface FileLockOptions extends Omit<Options, 'retries' | 'stale'> {
  /** As in `leasehold`. */
  retries: {
    retries: number
    factor: number
    minTimeout: number
    maxTimeout: number
    randomize?: boolean
  }
  /** As in `leasehold`. */
  stale: number
}

/** The members that every handle has, and all that a stand-in for one needs. */
export type FileLockHandle = {
  /** The lock file. */
  lockPath: string
  /** Releases the lock. */
  release: () => Promise<void>
}

/** The fields of an error with the code {@link FILE_LOCK_TIMEOUT_ERROR_CODE}. */
export type FileLockTimeoutError = Error & { code: typeof FILE_LOCK_TIMEOUT_ERROR_CODE; lockPath: string }

/** The fields of an error with the code {@link FILE_LOCK_STALE_ERROR_CODE}. */
export type FileLockStaleError = Error & { code: typeof FILE_LOCK_STALE_ERROR_CODE; lockPath: string }
