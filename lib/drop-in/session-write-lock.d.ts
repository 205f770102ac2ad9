/**
 * The exports of OpenClaw's `src/agents/session-write-lock.ts` in 2026.3, and those added by its later versions and by
 * their successor in the plugin SDK of 2026.9. See `leasehold` itself.
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
