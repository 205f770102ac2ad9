/**
 * The names of OpenClaw's `src/agents/session-write-lock.ts` in 2026.3, and those that its later versions and
 * their successor in the plugin SDK of 2026.9 added. See `leasehold` itself.
 *
 * @packageDocumentation
 */

export {
  __testing,
  __testing as testing,
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  drainSessionWriteLockStateForTest,
  resetSessionWriteLockStateForTest,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
  resolveSessionWriteLockStaleMs,
} from '../../index.js'
export type {
  SessionLockInspection,
  SessionLockOwnerProcessArgsReader,
  SessionWriteLockAcquireTimeoutConfig,
} from '../../index.js'
