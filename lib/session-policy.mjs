// Time limits of session locks, as OpenClaw derives them from timeouts, its configuration and the environment.

import { fromEnvironment, positive } from './openclaw.mjs'

const MAX_HOLD_MS = 300_000
const MAX_HOLD_LIMIT_MS = 2_147_000_000
const GRACE_MS = 120_000
const ACQUIRE_TIMEOUT_MS = 60_000
const STALE_MS = 1_800_000

export function resolveSessionLockMaxHoldFromTimeout({ timeoutMs, graceMs, minMs }) {
  const least = positive(minMs) ?? MAX_HOLD_MS
  const timeout = positive(timeoutMs, { orInfinite: true }) ?? least
  return Math.min(MAX_HOLD_LIMIT_MS, Math.max(least, timeout + (positive(graceMs) ?? GRACE_MS)))
}

export function resolveSessionWriteLockAcquireTimeoutMs(config, env) {
  return fromEnvironment('timeoutMs', env) ?? configured(config, 'acquireTimeoutMs') ?? ACQUIRE_TIMEOUT_MS
}

export function resolveSessionWriteLockOptions(config, { env, maxHoldMsFallback } = {}) {
  const said = (name) => fromEnvironment(name, env) ?? configured(config, name)
  return {
    timeoutMs: resolveSessionWriteLockAcquireTimeoutMs(config, env),
    staleMs: said('staleMs') ?? STALE_MS,
    maxHoldMs: said('maxHoldMs') ?? positive(maxHoldMsFallback) ?? MAX_HOLD_MS,
  }
}

export function resolveSessionWriteLockStaleMs(config, env) {
  return resolveSessionWriteLockOptions(config, { env }).staleMs
}

function configured(config, name) {
  const value = config?.session?.writeLock?.[name]
  return Number.isSafeInteger(value) ? positive(value) : undefined
}
