// A waiter keeps open the lock file that it waits for, and none of those that had the name before.

import { readdirSync, readlinkSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { child, scratch, until } from './support/index.mjs'
import { noProc as skip } from './support/platform.mjs'

/** The open files of the process that are or were at `lockPath`: those that were end in ` (deleted)`. */
function open(lockPath, pid) {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return '' // closed meanwhile
    }
  })
  return links.filter((link) => link.startsWith(lockPath))
}

test('however often the lock changes hands, a waiter has one lock file open, and later none', { skip }, async (t) => {
  const path = join(scratch(t), 'file')
  const lockPath = `${path}.lock`
  /** A JavaScript peer takes the lock, and nobody sees it free in between. */
  const changeHands = () => {
    writeFileSync(`${path}.new`, JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString() }))
    renameSync(`${path}.new`, lockPath)
  }
  changeHands()
  const waiting = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 120_000 })
      send({ acquired: true })
      await next('release')
      await lock.release()
      send({ released: true })
      await next('end')
    },
    { args: { path } },
  )
  const isOpenAlone = () => isDeepStrictEqual(open(lockPath, waiting.pid), [lockPath])
  for (let turn = 0; turn < 10; turn += 1) {
    await until(isOpenAlone)
    changeHands()
  }
  await until(isOpenAlone)
  unlinkSync(lockPath)
  await waiting.next('acquired')
  waiting.send({ release: true })
  await waiting.next('released')
  await until(() => open(lockPath, waiting.pid).length === 0)
})
