// Removes lock files that nobody will come back for. The native part decides which these are, and removes them.

import { join, resolve } from 'node:path'
import { answer, native } from './environment.mjs'
import { invalidArgument } from './errors.mjs'
import * as openclaw from './openclaw.mjs'
import { resolveSessionWriteLockStaleMs } from './session-policy.mjs'

export async function cleanStaleLockFiles(params) {
  if (params === null || typeof params !== 'object') throw invalidArgument('params must be an object')
  if (typeof params.sessionsDir !== 'string') throw invalidArgument('params.sessionsDir must be a string')
  const directory = resolve(params.sessionsDir)
  const staleMs = openclaw.positive(params.staleMs) ?? resolveSessionWriteLockStaleMs(params.config, params.env)
  const nowMs = params.nowMs ?? Date.now()
  if (!Number.isFinite(nowMs)) throw invalidArgument('params.nowMs must be a finite number')
  const removeStale = params.removeStale !== false
  const swept = await answer(native.sweep(directory, staleMs, nowMs, removeStale, openclaw.claimed()))
  const locks = swept.sort((a, b) => a.name.localeCompare(b.name)).map((found) => inspection(directory, found))
  const cleaned = locks.filter((lock) => lock.removed)
  for (const { lockPath, staleReasons } of cleaned) {
    params.log?.warn?.(`removed stale session lock: ${lockPath} (${staleReasons.join(', ')})`)
  }
  return { locks, cleaned }
}

/** A lock file in OpenClaw's words. */
function inspection(directory, { name, pid, pidAlive, createdAt, ageMs, staleReasons, removed }) {
  return {
    lockPath: join(directory, name),
    pid: pid ?? null,
    pidAlive,
    createdAt: createdAt ?? null,
    ageMs: ageMs ?? null,
    stale: staleReasons.length > 0,
    staleReasons,
    removed,
  }
}

export async function reclaimDefinitelyStaleFileLock(lockPath) {
  return answer(native.reclaim(lockPath))
}
