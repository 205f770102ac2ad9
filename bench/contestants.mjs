// Everybody's lock behind one function: `run(path, work)` does `work` under the lock.

import fs from 'node:fs'
import lockfile from 'proper-lockfile'
import { acquireFileLock, acquireFileLockSync, withFileLock } from 'leasehold'

/** Long enough for every benchmark: nobody is to give up. */
const PATIENCE = { timeoutMs: 60_000 }
/** proper-lockfile polls, every millisecond here: its default is a second and more. */
const POLLING = { retries: { forever: true, retries: 1, factor: 1, minTimeout: 1, maxTimeout: 1 } }

/** As long as the record of OpenClaw's own locks. */
const RECORD = ' '.repeat(64)

const chains = new Map()

export const CONTESTANTS = {
  leasehold: async (path, work) => {
    const handle = await acquireFileLock(path, PATIENCE)
    await work()
    await handle.release()
  },
  withFileLock: (path, work) => withFileLock(path, PATIENCE, work),
  sync: (path, work) => {
    const handle = acquireFileLockSync(path, PATIENCE)
    work()
    handle.releaseSync()
  },
  'proper-lockfile': async (path, work) => {
    const release = await lockfile.lock(path, POLLING)
    await work()
    await release()
  },
  /** The floor's four calls, made by Node: neither can it wait. */
  'fs.*Sync': (path, work) => {
    const file = fs.openSync(`${path}.lock`, 'wx', 0o600)
    fs.writeSync(file, RECORD)
    fs.closeSync(file)
    work()
    fs.unlinkSync(`${path}.lock`)
  },
  /** The floor for tasks of one process: a chain of promises, and no file. */
  promises: (path, work) => {
    const turn = (chains.get(path) ?? Promise.resolve()).then(work)
    chains.set(path, turn)
    return turn
  },
}
