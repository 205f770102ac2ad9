// Asking for locks that cannot be had.

import assert from 'node:assert/strict'
import { patience } from './platform.mjs'

/** How much longer than asked for a wait may take on a machine that is busy with other things. */
const SLACK = 5000 * patience

/** The error with which `ask` fails, and after how many milliseconds. */
export async function failure(ask) {
  const start = performance.now()
  try {
    const handle = await ask()
    await handle?.release?.()
  } catch (error) {
    return { error, ms: performance.now() - start }
  }
  return assert.fail('it got the lock')
}

/** Checks that a failure is a timeout after `timeoutMs`. */
export function took({ error, ms }, timeoutMs) {
  assert.match(error.code, /_timeout$/i, error.stack)
  assert.equal(error.timeoutMs, timeoutMs)
  assert.ok(ms > timeoutMs - 5, `${ms} ms is less than ${timeoutMs}`)
  assert.ok(ms < timeoutMs + SLACK, `${ms} ms is much more than ${timeoutMs}`)
}
