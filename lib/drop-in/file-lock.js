'use strict'
// `leasehold/file-lock`: the names of OpenClaw's src/plugin-sdk/file-lock.ts.

const {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  acquireFileLock,
  drainFileLockStateForTest,
  reclaimDefinitelyStaleFileLock,
  resetFileLockStateForTest,
  withFileLock,
} = require('../../index.js')

module.exports = {
  FILE_LOCK_STALE_ERROR_CODE,
  FILE_LOCK_TIMEOUT_ERROR_CODE,
  acquireFileLock,
  drainFileLockStateForTest,
  reclaimDefinitelyStaleFileLock,
  resetFileLockStateForTest,
  withFileLock,
}
