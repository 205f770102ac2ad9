// The kinds of lock that both leasehold and OpenClaw have, and how a member of the fleet holds each.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** About how long members wait for a lock: longer than any recovery may take. */
const PATIENCE_MS = 20_000

/** The kinds, and what their peers are. */
export const KINDS = {
  session: 'acquireSessionWriteLock of openclaw 2026.3.13',
  file: 'withFileLock of openclaw/plugin-sdk 2026.3.13',
  'fs-safe': 'withFileLock of @openclaw/fs-safe 0.18.1, with the rules of openclaw 2026.9.6',
}

/**
 * A function that calls `work(lock)` with the lock of `path` held. `side` is `leasehold`, `peer`, or `nobody`, which
 * takes no lock at all. `stale` is the age at which peers consider the lock of another stale.
 */
export async function locker(kind, side, { stale, packageDirectory }) {
  if (side === 'nobody') return (_path, work) => work()
  return (side === 'leasehold' ? OURS : THEIRS)[kind]({ stale, packageDirectory })
}

const OURS = {
  session: async ({ stale }) => {
    const { acquireSessionWriteLock } = await import('../../index.js')
    return async (sessionFile, work) => {
      const lock = await acquireSessionWriteLock({ sessionFile, staleMs: stale, timeoutMs: PATIENCE_MS })
      try {
        await work(lock)
      } finally {
        await lock.release()
      }
    }
  },
  file: async ({ stale }) => {
    const { withFileLock } = await import('../../index.js')
    return (path, work) => withFileLock(path, { stale, timeoutMs: PATIENCE_MS }, work)
  },
  'fs-safe': (options) => OURS.file(options),
}

const THEIRS = {
  session: async ({ stale, packageDirectory }) => {
    const acquireSessionWriteLock = await bundledSessionLock(packageDirectory)
    return async (sessionFile, work) => {
      const ask = () => acquireSessionWriteLock({ sessionFile, staleMs: stale, timeoutMs: 60, allowReentrant: false })
      const deadline = performance.now() + PATIENCE_MS
      let lock
      while (!lock) {
        // It tries at once and after 50 ms. If it may wait for longer it tries less and less often, down to once a
        // second, and hardly ever meets a moment when the lock is free.
        lock = await ask().catch((error) => {
          if (!isTimeout(error) || performance.now() > deadline) throw error
        })
      }
      try {
        await work()
      } finally {
        await lock.release()
      }
    }
  },
  file: async ({ stale, packageDirectory }) => {
    const { withFileLock } = await import(pathToFileURL(join(packageDirectory, 'dist', 'plugin-sdk', 'index.js')))
    return (path, work) => withFileLock(path, { retries: OFTEN, stale }, work)
  },
  'fs-safe': async ({ stale }) => {
    const { withFileLock } = await import('@openclaw/fs-safe/file-lock')
    const starttime = startTime(process.pid)
    const options = {
      managerKey: 'openclaw.plugin-sdk.file-lock',
      staleMs: stale,
      retry: OFTEN,
      staleRecovery: 'remove-if-unchanged',
      payload: () => ({ pid: process.pid, createdAt: new Date().toISOString(), starttime }),
      shouldReclaim: ({ payload }) => isGone(payload),
      shouldRemoveStaleLock: ({ payload }) => isGone(payload),
    }
    return (path, work) => withFileLock(path, options, work)
  },
}

const OFTEN = { retries: Math.ceil(PATIENCE_MS / 15), factor: 1.2, minTimeout: 2, maxTimeout: 15, randomize: true }

/** Whether `error` says that somebody held the lock for too long. */
export function isTimeout({ code, message }) {
  return code === 'file_lock_timeout' || /^(file lock timeout|session file locked)/.test(message)
}

/**
 * OpenClaw 2026.3.13 does not export its session lock. This is the one in the bundle behind `openclaw/plugin-sdk`,
 * loaded with one more export.
 */
async function bundledSessionLock(packageDirectory) {
  const sdk = join(packageDirectory, 'dist', 'plugin-sdk')
  const index = readFileSync(join(sdk, 'index.js'), 'utf8')
  const names = [...index.matchAll(/from "\.\/([^"]+)"/g)].map(([, name]) => name)
  const hasLock = (name) => readFileSync(join(sdk, name), 'utf8').includes('async function acquireSessionWriteLock(')
  const bundle = names.find(hasLock)
  const url = pathToFileURL(join(sdk, bundle)).href
  const { registerHooks } = await import('node:module')
  registerHooks({
    load(loaded, context, next) {
      const module = next(loaded, context)
      return loaded === url
        ? { ...module, source: `${module.source}\nexport { acquireSessionWriteLock as sessionLockOfThisBundle }` }
        : module
    },
  })
  return (await import(url)).sessionLockOfThisBundle
}

/** The rule that 2026.9.6 gives to fs-safe: the pid is dead, or another process's by now; age does not count. */
function isGone(payload) {
  const { pid, starttime } = payload ?? {}
  if (!Number.isInteger(pid) || pid <= 0) return false
  // Elsewhere it does not know when a process started.
  if (process.platform !== 'linux') return !lives(pid)
  const now = startTime(pid)
  if (now === undefined) return true
  return Number.isInteger(starttime) && now !== starttime
}

function lives(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}

/** When `pid` started, in clock ticks since boot; `undefined` for dead processes and zombies. */
function startTime(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : Number(fields[18])
  } catch {
    return undefined
  }
}
