// For test suites, which want to begin and end without locks, and call the hooks that OpenClaw's own locks have.

import { releaseAllLocksSync } from './acquire.mjs'
import { fetch, native } from './environment.mjs'
import * as exit from './exit.mjs'
import { isMainThread } from './thread.mjs'

function reset(session) {
  native.reset(isMainThread(), session)
  fetch()
  exit.uninstall()
}

export function resetFileLockStateForTest() {
  reset(false)
}

export async function drainFileLockStateForTest() {
  reset(false)
}

export function resetSessionWriteLockStateForTest() {
  reset(true)
}

export async function drainSessionWriteLockStateForTest() {
  reset(true)
}

async function runLockWatchdogCheck(nowMs = Date.now()) {
  const released = native.checkOverdue(nowMs)
  fetch()
  return released
}

export const __testing = {
  cleanupSignals: [...exit.SIGNALS],
  handleTerminationSignal: exit.handle,
  releaseAllLocksSync: () => void releaseAllLocksSync(),
  runLockWatchdogCheck,
}
