// A lock in plain JavaScript, like the two of OpenClaw 2026.3: a file created with O_EXCL, a JSON record in it,
// judged by the record and by dates, removed by name. Written from their observable behaviour, without the
// defects that lose exclusion among themselves (a failing stat is no sign of age here).

import { open, readFile, rm, stat } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { onLinux } from './platform.mjs'

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function procStat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0], start: Number(fields[19]) }
  } catch {
    return undefined
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === 'ESRCH') return false
  }
  return procStat(pid)?.state !== 'Z'
}

/** What a record says, by their rules: anything unexpected counts as missing. */
function understand(text) {
  let record
  try {
    record = JSON.parse(text)
  } catch {
    return {}
  }
  if (record === null || typeof record !== 'object' || Array.isArray(record)) return {}
  const createdAt = typeof record.createdAt === 'string' ? Date.parse(record.createdAt) : NaN
  return {
    pid: Number.isInteger(record.pid) && record.pid > 0 ? record.pid : undefined,
    createdAt: Number.isNaN(createdAt) ? undefined : createdAt,
    starttime: Number.isInteger(record.starttime) && record.starttime >= 0 ? record.starttime : undefined,
  }
}

/** Why `text`, in a file that last changed at `mtimeMs`, is a stale lock; empty when it is not stale. */
export function staleReasons(flavour, text, mtimeMs, stale, now = Date.now()) {
  const { pid, createdAt, starttime } = understand(text)
  const reasons = []
  if (pid === undefined) reasons.push('missing-pid')
  else if (!isAlive(pid)) reasons.push('dead-pid')
  else if (onLinux && flavour === 'session' && starttime !== undefined && procStat(pid)?.start !== starttime) {
    reasons.push('recycled-pid')
  }
  if (createdAt === undefined) reasons.push('invalid-createdAt')
  else if (now - createdAt > stale) reasons.push('too-old')
  const unmoved = now - mtimeMs > stale
  // The file lock distrusts any file that has not changed for long; the session lock, only incomplete records.
  if (flavour === 'file' && unmoved) reasons.push('too-old')
  if (pid === undefined || createdAt === undefined) return unmoved ? reasons : []
  return reasons
}

/**
 * Acquires the lock of `path` (its directory a real path): `{ lockPath, removed, release }`, where `removed`
 * lists why stale locks were removed on the way.
 */
export async function acquire(path, { flavour = 'file', stale = 30_000, gapMs = 10, timeoutMs = 60_000 } = {}) {
  const lockPath = `${path}.lock`
  const deadline = performance.now() + timeoutMs
  const removed = []
  while (performance.now() < deadline) {
    let handle
    try {
      handle = await open(lockPath, 'wx')
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (handle) {
      const record = { pid: process.pid, createdAt: new Date().toISOString() }
      const start = procStat(process.pid)?.start // known on Linux only
      if (flavour === 'session' && start !== undefined) record.starttime = start
      await handle.writeFile(JSON.stringify(record, null, 2))
      const release = async () => {
        await handle.close()
        await rm(lockPath, { force: true })
      }
      return { lockPath, removed, release }
    }
    let reasons = []
    try {
      const text = await readFile(lockPath, 'utf8')
      reasons = staleReasons(flavour, text, (await stat(lockPath)).mtimeMs, stale)
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
      continue
    }
    if (reasons.length > 0) {
      await rm(lockPath, { force: true })
      removed.push(reasons)
    } else {
      await sleep(gapMs)
    }
  }
  throw new Error(`timeout for ${lockPath}`)
}
