// How long session locks may take: OpenClaw's arithmetic, to the millisecond.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leasehold } from './support/index.mjs'

const {
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
  resolveSessionWriteLockStaleMs,
} = leasehold

test('a hold may last for the timeout and a grace, within bounds', () => {
  for (const [params, expected] of [
    [{ timeoutMs: 600_000 }, 720_000],
    [{ timeoutMs: 1000 }, 300_000],
    [{ timeoutMs: 1000, minMs: 5000 }, 121_000],
    [{ timeoutMs: 1000, minMs: 5000, graceMs: 10 }, 5000],
    [{ timeoutMs: 10_000, minMs: 5000, graceMs: 10 }, 10_010],
    [{ timeoutMs: 2_147_000_000 }, 2_147_000_000],
    [{ timeoutMs: 1e15 }, 2_147_000_000],
    [{ timeoutMs: Infinity }, 2_147_000_000],
    [{ timeoutMs: Infinity, graceMs: 1, minMs: 1 }, 2_147_000_000],
    [{ timeoutMs: 600_000, minMs: 1e15 }, 2_147_000_000],
  ]) {
    assert.equal(resolveSessionLockMaxHoldFromTimeout(params), expected, JSON.stringify(params))
  }
})

test('what makes no sense counts as absent', () => {
  for (const senseless of [undefined, null, 0, -1, NaN, '5', {}]) {
    assert.equal(resolveSessionLockMaxHoldFromTimeout({ timeoutMs: senseless }), 420_000)
    assert.equal(resolveSessionLockMaxHoldFromTimeout({ timeoutMs: 600_000, graceMs: senseless }), 720_000)
    assert.equal(resolveSessionLockMaxHoldFromTimeout({ timeoutMs: 1000, minMs: senseless }), 300_000)
  }
  for (const name of ['graceMs', 'minMs']) {
    assert.equal(resolveSessionLockMaxHoldFromTimeout({ timeoutMs: 600_000, [name]: Infinity }), 720_000)
  }
})

test('the environment comes before the configuration, and that before the defaults', () => {
  const config = { session: { writeLock: { acquireTimeoutMs: 90_000, staleMs: 45_000, maxHoldMs: 30_000 } } }
  const env = {
    OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS: ' 120000 ',
    OPENCLAW_SESSION_WRITE_LOCK_STALE_MS: '60000',
    OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS: '050000',
  }
  const none = {}
  const resolve = (config, params) => Object.values(resolveSessionWriteLockOptions(config, params))
  const said = { timeoutMs: 120_000, staleMs: 60_000, maxHoldMs: 50_000 }
  assert.deepEqual(resolveSessionWriteLockOptions(config, { env }), said)
  assert.deepEqual(resolve(config, { env: none, maxHoldMsFallback: 7 }), [90_000, 45_000, 30_000])
  assert.deepEqual(resolve(undefined, { env: none }), [60_000, 1_800_000, 300_000])
  assert.deepEqual(resolve({}, { env: none, maxHoldMsFallback: 7 }), [60_000, 1_800_000, 7])
  assert.equal(resolveSessionWriteLockAcquireTimeoutMs(config, none), 90_000)
  assert.equal(resolveSessionWriteLockAcquireTimeoutMs(config, env), 120_000)
  assert.equal(resolveSessionWriteLockAcquireTimeoutMs(undefined, none), 60_000)
  assert.equal(resolveSessionWriteLockStaleMs(config, none), 45_000)
  assert.equal(resolveSessionWriteLockStaleMs(config, env), 60_000)
  assert.equal(resolveSessionWriteLockStaleMs(undefined, none), 1_800_000)
})

test('senseless settings are passed over', () => {
  const [timeout, stale] = ['ACQUIRE_TIMEOUT', 'STALE'].map((name) => `OPENCLAW_SESSION_WRITE_LOCK_${name}_MS`)
  for (const text of ['', '0', '-5', '+5', '1.5', '1e3', '0x10', 'five', '9007199254740993']) {
    assert.equal(resolveSessionWriteLockAcquireTimeoutMs(undefined, { [timeout]: text }), 60_000, text)
  }
  for (const acquireTimeoutMs of [0, -1, 1.5, NaN, Infinity, '5']) {
    const config = { session: { writeLock: { acquireTimeoutMs } } }
    assert.equal(resolveSessionWriteLockAcquireTimeoutMs(config, {}), 60_000)
  }
  const infinite = resolveSessionWriteLockOptions(undefined, { env: { [timeout]: 'Infinity', [stale]: 'Infinity' } })
  assert.deepEqual([infinite.timeoutMs, infinite.staleMs], [Infinity, 1_800_000])
})
