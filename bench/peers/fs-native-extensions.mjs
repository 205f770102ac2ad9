// The kernel's lock on a file that stays open, waited for in libuv's pool. No lock file, no lease.

import { openSync } from 'node:fs'
import native from 'fs-native-extensions'

const files = new Map()

async function run(path, work) {
  let file = files.get(path)
  if (file === undefined) files.set(path, (file = openSync(path, 'r+')))
  if (!native.tryLock(file)) await native.waitForLock(file)
  await work()
  native.unlock(file)
}

export const runs = { 'fs-native-extensions': run }
