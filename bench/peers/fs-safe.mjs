// What OpenClaw 2026.9 is built on, polling every millisecond.

import { withFileLock } from '@openclaw/fs-safe/file-lock'

function isDead(pid) {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

const isGone = ({ payload }) => isDead(payload?.pid)
const OPTIONS = {
  staleMs: 30_000,
  timeoutMs: 60_000,
  retry: { minTimeout: 1, maxTimeout: 1, factor: 1 },
  staleRecovery: 'remove-if-unchanged',
  payload: () => ({ pid: process.pid, createdAt: new Date().toISOString() }),
  shouldReclaim: isGone,
  shouldRemoveStaleLock: isGone,
}

const run = (path, work) => withFileLock(path, OPTIONS, async () => work())

export const runs = { 'fs-safe': run }
