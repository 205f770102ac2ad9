// npm's own in former times: a file by O_EXCL, polling every millisecond (its default is a tenth of a second).

import { promisify } from 'node:util'
import lockfile from 'lockfile'

const lock = promisify(lockfile.lock)
const unlock = promisify(lockfile.unlock)

async function run(path, work) {
  const lockPath = `${path}.lock`
  await lock(lockPath, { wait: 60_000, pollPeriod: 1 })
  await work()
  await unlock(lockPath)
}

export const runs = { lockfile: run }
