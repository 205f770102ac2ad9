// What OpenClaw's own JavaScript locks hold in this process, and its environment variables.

import { basename } from 'node:path'
import { isMap } from 'node:util/types'
import { isMainThread } from './thread.mjs'

/** 2026.3 and 2026.5 keep what they hold in maps on `process`, by normalised target. */
const HELD_MAPS = ['openclaw.sessionWriteLockHeldLocks', 'openclaw.fileLockHeldLocks'].map((name) => Symbol.for(name))
/** 2026.7 and later keep it in the managers of fs-safe. */
const MANAGERS = Symbol.for('fsSafe.sidecarLockManagers')

/**
 * Whether OpenClaw's JavaScript lists the lock of `path` among those that it holds in this process: `undefined` if it is
 * not used here at all. Comparing names is enough: being too careful costs a wait, being careless a lock. A worker cannot
 * see the lists.
 */
export function lists(path) {
  if (!isMainThread()) return true
  // Usually none of these exist, and this is called for each lock.
  if (!(MANAGERS in globalThis) && !HELD_MAPS.some((name) => name in process)) return undefined
  return HELD_MAPS.some((name) => names(process[name], path)) || managersOf().some(({ held }) => names(held, path))
}

/**
 * Lock files that OpenClaw's JavaScript holds in this process, by name; `undefined` in a worker, which cannot see them.
 */
export function claimed() {
  if (!isMainThread()) return undefined
  const maps = [...HELD_MAPS.map((name) => process[name]), ...managersOf().map(({ held }) => held)]
  const keys = maps.filter(isMap).flatMap((held) => [...held.keys()])
  return keys.map((key) => `${basename(String(key))}.lock`)
}

function managersOf() {
  const managers = globalThis[MANAGERS]
  return isMap(managers) ? [...managers.values()].filter(Boolean) : []
}

function names(held, path) {
  if (!isMap(held) || held.size === 0 || typeof path !== 'string') return false
  const name = folded(path)
  return [...held.keys()].some((key) => folded(String(key)) === name)
}

/** The name of a file, in a form that is the same for all ways of writing it on systems that do not tell them apart. */
const folded = (path) => basename(path).normalize().toLowerCase()

const VARIABLES = {
  timeoutMs: 'OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS',
  staleMs: 'OPENCLAW_SESSION_WRITE_LOCK_STALE_MS',
  maxHoldMs: 'OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS',
}

/** `value`, or if it is missing or makes no sense, what the environment says in its place. */
export function orEnvironment(name, value) {
  if (positive(value, { orInfinite: name === 'timeoutMs' }) !== undefined) return value
  return fromEnvironment(name) ?? value
}

/** The environment's value for one of them, if it makes sense. */
export function fromEnvironment(name, env = process.env) {
  return milliseconds(env[VARIABLES[name]]?.trim(), name === 'timeoutMs')
}

/** `value` if it is a number of milliseconds that makes sense. */
export function positive(value, { orInfinite = false } = {}) {
  return typeof value === 'number' && value > 0 && (orInfinite || value !== Infinity) ? value : undefined
}

function milliseconds(text, infinityAllowed) {
  if (infinityAllowed && text === 'Infinity') return Infinity
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  const value = Number(text)
  return value > 0 && Number.isSafeInteger(value) ? value : undefined
}
