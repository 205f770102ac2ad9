// The parts of Node that are loaded on first use cost milliseconds. The first locks of a process load all that later
// ones need, so that none of these is suddenly late while others wait for it, and nothing else.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { addonUrl, child, holder, scratch, until } from './support/index.mjs'
import { onWindows } from './support/platform.mjs'

for (const way of ['withFileLock', 'acquireFileLock', 'acquireSessionWriteLock', 'withFileLockSync']) {
  test(`what the first two locks by ${way} did not load, later ones do not load either`, async (t) => {
    const path = join(scratch(t), 'file')
    const one = child(
      t,
      async ({ leasehold, send, next, args: { way, path } }) => {
        const { acquireFileLock, acquireSessionWriteLock, withFileLock, withFileLockSync } = leasehold
        const ways = {
          withFileLock: () => withFileLock(path, () => {}),
          acquireFileLock: async () => (await acquireFileLock(path)).release(),
          acquireSessionWriteLock: async () => (await acquireSessionWriteLock({ sessionFile: path })).release(),
          withFileLockSync: () => withFileLockSync(path, () => {}),
        }
        const lock = ways[way]
        await lock()
        send({ free: true })
        await next('held')
        await lock()
        const before = new Set(process.moduleLoadList)
        for (let time = 0; time < 100; time++) await lock()
        send({ later: process.moduleLoadList.filter((each) => !before.has(each)) })
      },
      { args: { way, path } },
    )
    await one.next('free')
    const other = await holder(t, path)
    one.send({ held: true })
    // Until the child waits.
    await until(() => statSync(other.lockPath).atimeMs > statSync(other.lockPath).mtimeMs)
    await other.release()
    assert.deepEqual((await one.next('later')).later, [])
  })
}

const skip = onWindows && 'only Node knows there which thread is the main one'
test('the first lock of a program loads neither workers nor streams', { skip }, (t) => {
  const program = `
    require('node:fs') // which loads streams in older versions of Node 20
    const before = new Set(process.moduleLoadList)
    const { withFileLock } = require(${JSON.stringify(fileURLToPath(addonUrl))})
    withFileLock('file', () => {}).then(() => {
      const later = process.moduleLoadList.filter((each) => !before.has(each))
      const loaded = later.filter((each) => /worker_threads|streams?$/.test(each))
      console.log(JSON.stringify(loaded))
    })`
  const { stdout } = spawnSync(process.execPath, ['--eval', program], { cwd: scratch(t), encoding: 'utf8' })
  assert.deepEqual(JSON.parse(stdout), [])
})
