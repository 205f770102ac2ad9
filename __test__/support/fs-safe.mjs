// How OpenClaw 2026.9 uses the locks of @openclaw/fs-safe, except for how often it retries.

function isDead(pid) {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

const isGone = ({ payload }) => isDead(payload?.pid)

/** Options for its lock functions to retry as `retry` says, for a minute. */
export const optionsWith = (retry) => ({
  staleMs: 30_000,
  timeoutMs: 60_000,
  retry,
  staleRecovery: 'remove-if-unchanged',
  payload: () => ({ pid: process.pid, createdAt: new Date().toISOString() }),
  shouldReclaim: isGone,
  shouldRemoveStaleLock: isGone,
})
