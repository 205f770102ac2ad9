// For test suites, which want to begin and end without locks, and to see what OpenClaw's own would do.

import { releaseAllLocksSync } from './acquire.mjs'
import { environment, fetch } from './environment.mjs'
import * as exit from './exit.mjs'
import { isMainThread } from './thread.mjs'

function reset(session) {
  environment.reset(isMainThread(), session)
  fetch()
  exit.uninstall()
}

function resetFileLockStateForTest() {
  reset(false)
}

async function drainFileLockStateForTest() {
  reset(false)
}

function resetSessionWriteLockStateForTest() {
  reset(true)
}

async function drainSessionWriteLockStateForTest() {
  reset(true)
}

async function runLockWatchdogCheck(nowMs = Date.now()) {
  const released = environment.checkOverdue(nowMs)
  fetch()
  return released
}

const __testing = {
  cleanupSignals: [...exit.SIGNALS],
  handleTerminationSignal: exit.handle,
  releaseAllLocksSync: () => void releaseAllLocksSync(),
  runLockWatchdogCheck,
}

export {
  __testing,
  drainFileLockStateForTest,
  drainSessionWriteLockStateForTest,
  resetFileLockStateForTest,
  resetSessionWriteLockStateForTest,
}
