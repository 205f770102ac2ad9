'use strict'
// For test suites, which want to begin and end without locks, and to see what OpenClaw's own would do.

const { releaseAllLocksSync } = require('./acquire.js')
const { environment, fetch } = require('./environment.js')
const exit = require('./exit.js')
const { isMainThread } = require('./thread.js')

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

module.exports = {
  __testing,
  drainFileLockStateForTest,
  drainSessionWriteLockStateForTest,
  resetFileLockStateForTest,
  resetSessionWriteLockStateForTest,
}
