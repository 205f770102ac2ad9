// What Node itself has, and so the best that any lock written in it can do.

import fs from 'node:fs'

/** The length of the record of OpenClaw's own locks. */
const RECORD = ' '.repeat(64)

const chains = new Map()

export const runs = {
  /** The floor's four calls. It cannot wait, either. */
  'fs.*Sync': (path, work) => {
    const file = fs.openSync(`${path}.lock`, 'wx', 0o600)
    fs.writeSync(file, RECORD)
    fs.closeSync(file)
    work()
    fs.unlinkSync(`${path}.lock`)
  },
  /** The same through libuv's pool. */
  'fs.promises': async (path, work) => {
    const file = await fs.promises.open(`${path}.lock`, 'wx', 0o600)
    await file.write(RECORD)
    await file.close()
    await work()
    await fs.promises.unlink(`${path}.lock`)
  },
  /** The floor for tasks of one process: a chain of promises, and no file. */
  promises: (path, work) => {
    const turn = (chains.get(path) ?? Promise.resolve()).then(work)
    chains.set(path, turn)
    return turn
  },
  /** No lock at all, where that is worth comparing with. */
  nobody: (path, work) => work(),
}
