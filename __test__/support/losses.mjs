// What a holder is told when its lock was taken away.

import assert from 'node:assert/strict'
import { after, leasehold } from './index.mjs'

export function assertLost(error, handle, reason) {
  assert.ok(error instanceof leasehold.LockLostError, error?.stack)
  assert.equal(error.code, 'file_lock_lost')
  assert.equal(error.reason, reason)
  assert.equal(error.lockPath, handle.lockPath)
  assert.equal(error.token, handle.token)
  return true
}

/** Checks everything that a holder is told of a loss. */
export function assertTold(handle, reason) {
  assert.equal(handle.held, false)
  assert.ok(handle.signal.aborted)
  assertLost(handle.signal.reason, handle, reason)
  assert.throws(() => handle.assertHeld(), (error) => assertLost(error, handle, reason))
}

/** The warnings of this process that name `lockPath`. */
export function warningsAbout(t, lockPath) {
  const seen = []
  const see = (warning) => warning.message.includes(lockPath) && seen.push(warning)
  process.on('warning', see)
  after(t, () => process.removeListener('warning', see))
  return seen
}
